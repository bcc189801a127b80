-- One snapshot into ip_pool_statistics, from the same numbers that pool_monitor() shows.
CREATE OR REPLACE FUNCTION record_pool_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_state jsonb;
BEGIN
  PERFORM count_attempts();
  v_state := pool_state(v_now);

  INSERT INTO ip_pool_statistics
         (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests,
          requests_queued, avg_wait_time_ms, avg_trace_time_ms, pool_utilization_percent, completed_requests_1h,
          failed_requests_1h, success_rate_5min, country_breakdown, edge_answers, promises, last_minute)
  SELECT v_now, pool.total, pool.available, pool.locked, pool.cooldown, pool.failed,
         (v_state #>> '{active_requests,total}')::integer, (v_state #>> '{active_requests,pending}')::integer,
         (v_state #>> '{inside,lately,avg_wait_ms}')::integer, (v_state #>> '{performance,avg_trace_time_ms}')::integer,
         (v_state #>> '{health,pool_utilization_percent}')::integer, coalesce(hour.completed, 0), coalesce(hour.failed, 0),
         (v_state #>> '{health,success_rate_5min}')::integer, country_breakdown(v_state, v_now), edge_answers(v_now),
         promises(v_state), last_minute(v_now)
    FROM jsonb_to_record(v_state #> '{inside,pool}')
         AS pool (total integer, available integer, locked integer, cooldown integer, failed integer)
   CROSS JOIN (SELECT sum(k.attempts) FILTER (WHERE k.new_status = 'completed') AS completed,
                      sum(k.attempts) FILTER (WHERE k.new_status IN ('failed', 'timeout')) AS failed
                 FROM ended_by_kind(v_now - interval '1 hour') AS k) AS hour;
END $$;
COMMENT ON FUNCTION record_pool_statistics() IS 'Adds one row to ip_pool_statistics.';
REVOKE ALL ON FUNCTION record_pool_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_pool_statistics() TO tracepool_monitor, tracepool_admin;
