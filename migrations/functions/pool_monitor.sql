-- The state of pool and queue as the JSON of pool-monitor, without warnings and recommendation (the monitor's alert
-- rules make those). A cooldown that is over counts as available, whatever status says.
CREATE OR REPLACE FUNCTION pool_monitor() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off
AS $$
DECLARE
  v_now         timestamptz := clock_timestamp();
  v_pool        jsonb;
  v_total       bigint;
  v_available   bigint;
  v_in_use      bigint;
  v_pending     bigint;
  v_processing  bigint;
  v_by_country  jsonb;
  v_performance jsonb;
  v_success     integer;
BEGIN
  SELECT coalesce(jsonb_object_agg(c.country, to_jsonb(c) - 'country' - 'failed' ORDER BY c.country), '{}'),
         coalesce(sum(c.total), 0), coalesce(sum(c.available), 0), coalesce(sum(c.locked + c.cooldown), 0)
    INTO v_pool, v_total, v_available, v_in_use
    FROM pool_by_country(v_now) AS c;

  SELECT coalesce(sum(w.pending), 0), coalesce(sum(w.processing), 0),
         coalesce(jsonb_object_agg(w.country, w.pending + w.processing ORDER BY w.country), '{}')
    INTO v_pending, v_processing, v_by_country
    FROM work_by_country() AS w;

  SELECT jsonb_build_object(
           'completed_last_5min', count(*) FILTER (WHERE a.new_status = 'completed'),
           'avg_trace_time_ms', coalesce(round(avg(a.trace_ms) FILTER (WHERE a.new_status = 'completed')), 0),
           'http_only_count', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'http_only'),
           'browser_count', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'browser')),
         coalesce(round(100.0 * count(*) FILTER (WHERE a.new_status = 'completed')
                        / nullif(count(*) FILTER (WHERE a.new_status IN ('completed', 'failed', 'timeout')), 0)), 100)
    INTO v_performance, v_success
    FROM trace_attempts a
   WHERE a.ended_at > v_now - interval '5 minutes';

  RETURN jsonb_build_object(
    'timestamp', to_char(v_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'pool_summary', v_pool,
    'active_requests', jsonb_build_object(
      'total', v_pending + v_processing, 'pending', v_pending, 'processing', v_processing, 'by_country', v_by_country),
    'performance', v_performance,
    'health', jsonb_build_object(
      'pool_utilization_percent', coalesce(round(100.0 * v_in_use / nullif(v_total, 0)), 0),
      'available_ips', v_available, 'queue_depth', v_pending, 'success_rate_5min', v_success));
END $$;
COMMENT ON FUNCTION pool_monitor() IS 'Pool, queue and performance as one JSON object.';
REVOKE ALL ON FUNCTION pool_monitor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pool_monitor() TO tracepool_monitor, tracepool_admin, tracepool_readonly;
