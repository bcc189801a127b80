-- What a list shows of one trace; p is its row.
CREATE OR REPLACE FUNCTION dashboard_trace_line(p jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object(
           'request_id', p->'request_id', 'offer', p->'offer_name', 'tracking_url', p->'tracking_url',
           'final_url', p->'final_url', 'country', p->'target_country', 'status', p->'status', 'outcome', p->'outcome',
           'ip', p->'ip_assigned', 'mode', p->'tracer_mode_used', 'error', p->'error_code',
           'started_at', p->'started_at', 'wait_ms', p->'wait_time_ms', 'trace_ms', p->'trace_time_ms',
           'total_ms', p->'total_time_ms', 'retries', p->'retry_count', 'skip_reason', p->'skip_reason')
$$;
REVOKE ALL ON FUNCTION dashboard_trace_line(jsonb) FROM PUBLIC;
