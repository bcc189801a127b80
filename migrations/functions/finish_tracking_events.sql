-- What became of claimed tracking requests. Result: {"id","attempts","outcome","phase","status","error","response_ms",
-- "reused","remote","pause_ms"}. Outcome:
--
--   tracked, failed, unknown   the end
--   blocked                    a redirect led to a host without an entry
--   retry                      worth another attempt, after a pause that grows (or pause_ms, when that is longer)
--   held                       nothing was sent: it goes on waiting, pause_ms at least, and the attempt does not count
--
-- Accepted only from the worker that holds the event, for that attempt; so a second time changes nothing. A worker that
-- comes back late may still say what an unknown one came to.
CREATE OR REPLACE FUNCTION finish_tracking_events(p_worker text, p_results jsonb)
RETURNS TABLE (id bigint, state text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_all    integer := jsonb_array_length(p_results);
  v_policy trace_policy;
  v_views  uuid[];
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  RETURN QUERY
  WITH result AS MATERIALIZED (
    SELECT r.id, r.attempts, r.outcome, r.phase, r.status, r.error, r.response_ms, r.reused, r.remote,
           coalesce(r.pause_ms, 0) * interval '1 ms' AS pause
      FROM (SELECT *   -- limits that limit nothing: see finish_traces()
              FROM jsonb_to_recordset(p_results)
                   AS r (id bigint, attempts integer, outcome text, phase text, status integer, error text, response_ms integer,
                         reused boolean, remote text, pause_ms bigint)
             LIMIT v_all) AS r
     WHERE r.outcome IN ('tracked', 'failed', 'unknown', 'blocked', 'retry', 'held')
     LIMIT v_all
  ), held AS MATERIALIZED (
    SELECT e.id, e.is_begun AND e.state = 'sending' AS was_begun
      FROM result r
      JOIN tracking_events e ON e.id = r.id
     WHERE e.claimed_by = p_worker AND e.attempts = r.attempts
       AND (e.state = 'sending' OR (e.state = 'unknown' AND r.outcome IN ('tracked', 'failed')))
     ORDER BY e.id
       FOR UPDATE OF e
  ), ended AS (
    UPDATE tracking_events e
       SET state = CASE WHEN r.outcome = 'held' THEN CASE WHEN e.attempts > 0 THEN 'waiting' ELSE 'pending' END
                        WHEN r.outcome = 'retry' AND e.attempts >= e.max_attempts THEN 'failed'
                        WHEN r.outcome = 'retry' THEN 'waiting'
                        ELSE r.outcome END,
           due_at = CASE WHEN r.outcome = 'held' THEN greatest(e.due_at, v_now + r.pause)
                         WHEN r.outcome = 'retry' AND e.attempts < e.max_attempts
                           THEN v_now + greatest(r.pause, tracking_pause(e.attempts, v_policy.tracking_retry_s))
                         ELSE e.due_at END,
           max_attempts = e.max_attempts + (r.outcome = 'held' AND held.was_begun)::integer,
           is_begun = false, response_ms = coalesce(r.response_ms, e.response_ms),
           reason = CASE r.outcome WHEN 'blocked' THEN r.error END,
           last_error = r.error,
           claimed_by = CASE r.outcome WHEN 'unknown' THEN e.claimed_by END, lease_until = NULL, updated_at = v_now
      FROM result r, held
     WHERE e.id = r.id AND held.id = e.id
    RETURNING e.id, e.state, e.attempts, r.outcome, r.phase, r.status, r.error, r.response_ms, r.reused, r.remote
  ), noted AS (
    UPDATE tracking_attempts a
       SET ended_at = v_now, phase = ended.phase, http_status = ended.status, error = ended.error,
           conn_reused = ended.reused, remote_addr = ended.remote, response_ms = ended.response_ms
      FROM ended
     WHERE a.event_id = ended.id AND a.attempt = ended.attempts AND (a.ended_at IS NULL OR a.phase = 'lost')
  )
  SELECT ended.id, ended.state FROM ended;

  v_views := ARRAY(SELECT DISTINCT lost.ad_view_id
                     FROM (SELECT (SELECT e.ad_view_id FROM tracking_events e
                                    WHERE e.id = r.id AND e.ord = 0 AND e.state IN ('failed', 'unknown', 'blocked')) AS ad_view_id
                             FROM jsonb_to_recordset(p_results) AS r (id bigint)) AS lost
                    WHERE lost.ad_view_id IS NOT NULL);
  IF cardinality(v_views) > 0 THEN
    PERFORM skip_unseen_views(v_views);
  END IF;
END $$;
COMMENT ON FUNCTION finish_tracking_events(text, jsonb) IS 'Takes what became of tracking requests; fenced by worker and attempt.';
REVOKE ALL ON FUNCTION finish_tracking_events(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_tracking_events(text, jsonb) TO tracepool_worker, tracepool_admin;
