-- Takes a batch of results from a worker; one statement decides everything.
--
-- Result: {"request_id","attempt","ip","outcome","error","detail","retry","blame","final_url","params","chain",
-- "mode_used","reason","trace_ms","response_ms","kb","http_ms","browser_ms","compared","evidence"}. A result is accepted only while its request is still
-- processing this very attempt on this IP for this worker: a worker that lost its lease changes nothing.
-- Evidence, where the offer asked for some: [{"kind","content_type","body","is_base64"}], kept with the attempt.
--
-- An accepted one ends the request (completed, failed, timeout) or, when the error is worth it and retries are
-- left, makes it pending again after a pause: a worker's machine that has run out of ports or the like uses up no
-- retry. Its attempt is recorded, and its IP rests. The IP's health follows
-- blame: proxy counts against it; a proxy that answered did its work, whatever the target said; anything else
-- says nothing about it. An IP that a person took out (next_probe_at = infinity) stays out.
CREATE OR REPLACE FUNCTION finish_traces(p_worker text, p_results jsonb)
RETURNS TABLE (request_id uuid, accepted boolean, new_status text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_all    integer := jsonb_array_length(p_results);
  v_policy trace_policy;
  v_rested timestamptz;   -- when the IPs may be used again
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  v_rested := v_now + v_policy.cooldown_s * interval '1 s';

  RETURN QUERY
  WITH result AS MATERIALIZED (
    SELECT r.request_id, r.attempt, r.ip, r.outcome, nullif(r.error, 'ok') AS error, r.detail,
           coalesce(r.retry, false) AND r.outcome NOT IN ('ok', 'external_scheme') AS retry,
           coalesce(r.error = 'host_exhausted', false) AS is_hosts, coalesce(r.blame, 'none') AS blame, r.final_url, r.params, r.chain,
           r.mode_used, r.reason, r.trace_ms, r.response_ms, r.kb, r.evidence, r.http_ms, r.browser_ms, nullif(r.compared, 'null') AS compared,
           r.outcome IN ('ok', 'external_scheme') AS is_success
      FROM (SELECT *   -- the planner takes a limit for a tenth: it expects one result, and reads by key even what was empty when it planned
              FROM jsonb_to_recordset(p_results)
                   AS r (request_id uuid, attempt integer, ip text, outcome text, error text, detail text, retry boolean,
                         blame text, final_url text, params jsonb, chain jsonb, mode_used text, reason text,
                         trace_ms integer, response_ms integer, kb numeric, evidence jsonb, http_ms integer,
                         browser_ms integer, compared jsonb)
             LIMIT v_all) AS r
     LIMIT v_all
  ), lease AS MATERIALIZED (   -- pool rows first, in one order
    SELECT p.ip_address
      FROM ip_rotation_pool p
     WHERE p.ip_address = ANY (ARRAY(SELECT result.ip FROM result))
       AND p.status = 'locked' AND p.locked_by = p_worker
     ORDER BY p.ip_address
       FOR UPDATE
  ), ended AS (
    UPDATE active_trace_requests t
       SET status = CASE WHEN r.is_success THEN 'completed'
                         WHEN retries_after(t, r.retry, r.is_hosts, v_policy, v_now) IS NOT NULL THEN 'pending'
                         WHEN r.outcome = 'timeout' THEN 'timeout'
                         ELSE 'failed' END::trace_status,
           next_attempt_at = CASE WHEN retries_after(t, r.retry, r.is_hosts, v_policy, v_now) IS NOT NULL
             THEN v_now + retry_pause(t.retry_count, v_policy.retry_backoff_s, v_policy.retry_backoff_max_s) END,
           retry_count = coalesce(retries_after(t, r.retry, r.is_hosts, v_policy, v_now), t.retry_count),
           completed_at = CASE WHEN retries_after(t, r.retry, r.is_hosts, v_policy, v_now) IS NULL THEN v_now END,
           total_time_ms = CASE WHEN retries_after(t, r.retry, r.is_hosts, v_policy, v_now) IS NULL
             THEN ms_between(t.started_at, v_now) END,
           trace_time_ms = coalesce(r.trace_ms, ms_between(t.ip_locked_at, v_now)),
           outcome = r.outcome,
           final_url = r.final_url, extracted_params = r.params, redirect_chain = r.chain,
           tracer_mode_used = r.mode_used, detection_reason = r.reason, bandwidth_kb = r.kb,
           error_code = r.error, error_message = nullif(concat_ws(': ', r.error, r.detail), ''),
           revision = t.revision + 1
      FROM result r
     WHERE (SELECT count(*) FROM lease) >= 0   -- every pool row is locked before the first request
       AND t.request_id = r.request_id AND t.status = 'processing' AND t.attempt = r.attempt
       AND t.ip_assigned = r.ip AND t.claimed_by = p_worker
    RETURNING t.request_id, t.attempt, t.batch_id, t.ip_locked_at, t.status, t.trace_time_ms, t.wait_time_ms, t.offer_id,
              r.ip, r.outcome, r.error, r.detail, r.blame, r.mode_used, r.reason, r.response_ms, r.evidence,
              r.http_ms, r.browser_ms, r.compared,
              r.blame = 'proxy' AS is_bad,
              r.blame <> 'proxy' AND (r.response_ms IS NOT NULL OR r.is_success) AS is_good
  ), freed AS (
    UPDATE ip_rotation_pool p
       SET status = CASE WHEN healthy_after(p, ended.is_good, ended.is_bad, v_policy) THEN 'cooldown'
                         ELSE 'failed' END::ip_status,
           is_healthy = healthy_after(p, ended.is_good, ended.is_bad, v_policy),
           next_probe_at = probe_after(p, ended.is_good, ended.is_bad, v_policy, v_now),
           consecutive_failures = failures_after(p, ended.is_good, ended.is_bad),
           locked_until = v_rested, free_at = v_rested,
           locked_by_request = NULL, locked_by = NULL, locked_for_batch = NULL,
           last_used_at = v_now, total_uses = p.total_uses + 1,
           success_count = p.success_count + ended.is_good::integer,
           failure_count = p.failure_count + ended.is_bad::integer,
           last_health_check = CASE WHEN ended.is_good OR ended.is_bad THEN v_now ELSE p.last_health_check END,
           avg_response_time_ms = moving_average(p.avg_response_time_ms, ended.response_ms),
           updated_at = v_now, revision = p.revision + 1
      FROM ended
     WHERE p.ip_address = ended.ip
       AND p.status = 'locked' AND p.locked_by_request = ended.request_id AND p.locked_by = p_worker
  ), kept AS (
    INSERT INTO trace_attempts (request_id, attempt, ip_address, worker, batch_id, started_at, ended_at, outcome,
                                error, detail, blame, new_status, mode_used, reason, trace_ms, response_ms, wait_ms,
                                offer_id, http_ms, browser_ms, compared)
    SELECT ended.request_id, ended.attempt, ended.ip, p_worker, ended.batch_id, ended.ip_locked_at, v_now,
           ended.outcome, ended.error, ended.detail, ended.blame, ended.status, ended.mode_used, ended.reason,
           ended.trace_time_ms, ended.response_ms, ended.wait_time_ms, ended.offer_id, ended.http_ms,
           ended.browser_ms, ended.compared
      FROM ended   -- where somebody reset attempt by hand, the result counts all the same
     WHERE (SELECT a.attempt FROM trace_attempts a
             WHERE a.request_id = ended.request_id AND a.attempt = ended.attempt) IS NULL
  ), evidence AS (
    INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body)
    SELECT ended.request_id, ended.attempt, e.kind, e.content_type,
           CASE WHEN e.is_base64 THEN decode(e.body, 'base64') ELSE convert_to(e.body, 'UTF8') END
      FROM ended
     CROSS JOIN LATERAL jsonb_to_recordset(ended.evidence)
           AS e (kind text, content_type text, body text, is_base64 boolean)
        ON CONFLICT DO NOTHING
  )
  SELECT ended.request_id, true, ended.status::text
    FROM ended
  UNION ALL
  SELECT result.request_id, false, NULL
    FROM result
   WHERE result.request_id NOT IN (SELECT ended.request_id FROM ended);

  IF EXISTS (SELECT FROM trace_batches b WHERE b.state = 'open') THEN
    PERFORM settle_batches();   -- takes no lock that it would have to wait for
  END IF;
END $$;
COMMENT ON FUNCTION finish_traces(text, jsonb) IS
  'Takes results, refuses those whose lease was lost, ends or requeues the requests, lets the IPs rest.';
REVOKE ALL ON FUNCTION finish_traces(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_traces(text, jsonb) TO tracepool_worker, tracepool_admin;
