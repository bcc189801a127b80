-- One snapshot into ip_pool_statistics, from the same numbers that pool_monitor() shows.
CREATE OR REPLACE FUNCTION record_pool_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_now      timestamptz := clock_timestamp();
  v_monitor  jsonb := pool_monitor();
  v_wait_ms  integer;
  v_done_1h  integer;
  v_fail_1h  integer;
BEGIN
  SELECT round(avg(a.wait_ms) FILTER (WHERE a.ended_at > v_now - interval '5 minutes')),
         count(*) FILTER (WHERE a.new_status = 'completed'),
         count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout'))
    INTO v_wait_ms, v_done_1h, v_fail_1h
    FROM trace_attempts a
   WHERE a.ended_at > v_now - interval '1 hour';

  INSERT INTO ip_pool_statistics
         (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests,
          requests_queued, avg_wait_time_ms, avg_trace_time_ms, pool_utilization_percent, completed_requests_1h,
          failed_requests_1h, success_rate_5min, country_breakdown, edge_answers, promises, last_minute)
  SELECT v_now, coalesce(sum(c.total), 0), coalesce(sum(c.available), 0), coalesce(sum(c.locked), 0),
         coalesce(sum(c.cooldown), 0), coalesce(sum(c.failed), 0),
         (v_monitor #>> '{active_requests,total}')::integer, (v_monitor #>> '{active_requests,pending}')::integer,
         v_wait_ms, (v_monitor #>> '{performance,avg_trace_time_ms}')::integer,
         (v_monitor #>> '{health,pool_utilization_percent}')::integer, v_done_1h, v_fail_1h,
         (v_monitor #>> '{health,success_rate_5min}')::integer, country_breakdown(v_monitor, v_now), edge_answers(v_now),
         promises(v_monitor), last_minute(v_now)
    FROM pool_by_country(v_now) AS c;
END $$;
COMMENT ON FUNCTION record_pool_statistics() IS 'Adds one row to ip_pool_statistics.';
REVOKE ALL ON FUNCTION record_pool_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_pool_statistics() TO tracepool_monitor, tracepool_admin;
