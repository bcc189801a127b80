-- How traces stand whose callers wait: status and attempt of each, whether an IP of its country is free, and, once it has
-- ended, its result as `tracepool-worker trace --json` has it, with the request's own facts.
CREATE OR REPLACE FUNCTION trace_results(p_ids uuid[])
RETURNS TABLE (request_id uuid, status text, attempt integer, has_ip boolean, answer jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT t.request_id, t.status::text, t.attempt,
         t.status = 'pending' AND EXISTS (SELECT FROM ip_rotation_pool p
                                           WHERE p.country = t.target_country AND p.status <> 'locked' AND p.locked_until <= clock_timestamp()
                                             AND (p.is_healthy OR p.next_probe_at <= clock_timestamp())
                                             AND p.provider IN (SELECT v.provider FROM proxy_providers v)),
         CASE WHEN t.status NOT IN ('pending', 'processing') THEN
           jsonb_build_object(
             'success', t.status = 'completed', 'request_id', t.request_id, 'status', t.status, 'outcome', t.outcome,
             'final_url', t.final_url, 'mode_used', t.tracer_mode_used, 'detection_reason', t.detection_reason,
             'chain', coalesce(t.redirect_chain, '[]'), 'extracted_params', coalesce(t.extracted_params, '{}'),
             'timing_ms', t.trace_time_ms, 'bandwidth_kb', t.bandwidth_kb,
             'error', CASE WHEN t.status <> 'completed' THEN
               jsonb_build_object('code', coalesce(t.error_code, t.skip_reason, t.status::text),
                                  'detail', coalesce(t.error_message, t.skip_reason, t.status::text)) END,
             'ip_address', t.ip_assigned, 'target_country', t.target_country, 'attempts', t.attempt,
             'wait_time_ms', t.wait_time_ms, 'total_time_ms', t.total_time_ms)
         END
    FROM unnest(p_ids) AS wanted (id)
   CROSS JOIN LATERAL (SELECT * FROM traces one WHERE one.request_id = wanted.id LIMIT 1) AS t
$$;
COMMENT ON FUNCTION trace_results(uuid[]) IS 'State of requests, and the result of those that have ended.';
REVOKE ALL ON FUNCTION trace_results(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trace_results(uuid[]) TO tracepool_monitor, tracepool_admin, tracepool_readonly;

-- A farm in batch mode traces only what a batch asks for: so asks for one that is large enough for those of the requests
-- that could be claimed now, unless open batches have room. Returns how many it asked for.
CREATE OR REPLACE FUNCTION push_traces(p_ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_wanted integer;
BEGIN
  SELECT count(*) INTO v_wanted
    FROM trace_results(p_ids) r
    JOIN active_trace_requests t ON t.request_id = r.request_id
   WHERE r.status = 'pending' AND r.has_ip AND t.next_attempt_at <= clock_timestamp();
  SELECT v_wanted - coalesce(sum(least(b.batch_size - b.claimed, b.max_concurrent - b.in_flight)), 0) INTO v_wanted FROM open_batches() b;
  IF v_wanted > 0 THEN
    PERFORM request_trace_batch(v_wanted, v_wanted);
  END IF;
  RETURN greatest(v_wanted, 0);
END $$;
COMMENT ON FUNCTION push_traces(uuid[]) IS 'Asks for batches, so that a farm in batch mode takes these requests too.';
REVOKE ALL ON FUNCTION push_traces(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION push_traces(uuid[]) TO tracepool_monitor, tracepool_admin;

-- Ends a request that nobody took, because its caller was told so; false when somebody has it, or it has ended.
CREATE OR REPLACE FUNCTION abandon_trace(p_request uuid, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  UPDATE active_trace_requests t
     SET status = 'failed', next_attempt_at = NULL, completed_at = v_now, total_time_ms = ms_between(t.started_at, v_now),
         error_message = p_reason, revision = t.revision + 1
   WHERE t.request_id = p_request AND t.status = 'pending' AND t.attempt = 0;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION abandon_trace(uuid, text) IS 'Ends a request that was never claimed.';
REVOKE ALL ON FUNCTION abandon_trace(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION abandon_trace(uuid, text) TO tracepool_monitor, tracepool_admin;
