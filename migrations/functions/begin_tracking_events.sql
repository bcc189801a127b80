-- The last word before a byte is sent. Each item is a claimed event with its URL as expanded, and that URL's host as a
-- browser reads it: {"id","attempts","url","host","refusal"}; refusal says why the worker itself refuses it. Verdict:
--
--   go        recorded as begun, attempt written down: it may be sent once this is committed
--   blocked   the host has no entry, or the offer does not ask for fire (any more)
--   expired   its moment is too long ago
--   stopped   the kill switch is on: it waits
--   lost      no longer this worker's
CREATE OR REPLACE FUNCTION begin_tracking_events(p_worker text, p_items jsonb)
RETURNS TABLE (id bigint, verdict text, attempts integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now     timestamptz := clock_timestamp();
  v_all     integer := jsonb_array_length(p_items);
  v_stopped boolean;
  v_blocked uuid[];
BEGIN
  SELECT p.tracking_stopped INTO v_stopped FROM trace_policy p;
  RETURN QUERY
  WITH item AS MATERIALIZED (
    SELECT i.id, i.attempts, i.url, i.host, i.refusal
      FROM (SELECT *   -- limits that limit nothing: see finish_traces()
              FROM jsonb_to_recordset(p_items) AS i (id bigint, attempts integer, url text, host text, refusal text)
             LIMIT v_all) AS i
     LIMIT v_all
  ), held AS MATERIALIZED (
    SELECT e.id, item.url, item.host, item.refusal,
           CASE WHEN v_stopped THEN 'stopped'
                WHEN e.expires_at <= v_now THEN 'expired'
                WHEN item.refusal IS NOT NULL THEN 'blocked'
                WHEN e.mode <> 'fire' OR o.tracking_mode IS DISTINCT FROM 'fire' THEN 'blocked'
                WHEN NOT tracking_host_allowed(item.host) THEN 'blocked'
                ELSE 'go' END AS verdict,
           CASE WHEN item.refusal IS NOT NULL THEN item.refusal
                WHEN e.mode <> 'fire' OR o.tracking_mode IS DISTINCT FROM 'fire' THEN 'the offer does not ask for fire'
                ELSE item.host || ' is not in tracking_allowed_hosts' END AS why
      FROM item
      JOIN tracking_events e ON e.id = item.id
      LEFT JOIN ad_view_plans p ON p.ad_view_id = e.ad_view_id
      LEFT JOIN offers o ON o.id = p.offer_id
     WHERE e.state = 'sending' AND e.claimed_by = p_worker AND NOT e.is_begun AND e.attempts = item.attempts
       AND e.lease_until > v_now
     ORDER BY e.id
       FOR UPDATE OF e
  ), changed AS (
    UPDATE tracking_events e
       SET state = CASE h.verdict WHEN 'go' THEN 'sending'
                                  WHEN 'stopped' THEN CASE WHEN e.attempts > 0 THEN 'waiting' ELSE 'pending' END
                                  ELSE h.verdict END,
           is_begun = h.verdict = 'go', attempts = e.attempts + (h.verdict = 'go')::integer,
           url = coalesce(e.url, h.url), host = coalesce(h.host, e.host),
           reason = CASE h.verdict WHEN 'blocked' THEN h.why END,
           sent_at = CASE h.verdict WHEN 'go' THEN v_now ELSE e.sent_at END,
           claimed_by = CASE h.verdict WHEN 'go' THEN e.claimed_by END,
           lease_until = CASE h.verdict WHEN 'go' THEN e.lease_until END, updated_at = v_now
      FROM held h
     WHERE e.id = h.id
    RETURNING e.id, h.verdict, e.attempts
  ), noted AS (
    INSERT INTO tracking_attempts (event_id, attempt, started_at, worker)
    SELECT c.id, c.attempts, v_now, p_worker
      FROM changed c
     WHERE c.verdict = 'go'
  )
  SELECT c.id, c.verdict, c.attempts FROM changed c
  UNION ALL
  SELECT item.id, 'lost', item.attempts FROM item WHERE item.id NOT IN (SELECT c.id FROM changed c);

  v_blocked := ARRAY(SELECT DISTINCT lost.ad_view_id
                       FROM (SELECT (SELECT e.ad_view_id FROM tracking_events e
                                      WHERE e.id = i.id AND e.ord = 0 AND e.state IN ('blocked', 'expired')) AS ad_view_id
                               FROM jsonb_to_recordset(p_items) AS i (id bigint)) AS lost
                      WHERE lost.ad_view_id IS NOT NULL);
  IF cardinality(v_blocked) > 0 THEN
    PERFORM skip_unseen_views(v_blocked);
  END IF;
END $$;
COMMENT ON FUNCTION begin_tracking_events(text, jsonb) IS 'Setting, offer, host and kill switch agree, or it is not sent; what is, is written down first.';
REVOKE ALL ON FUNCTION begin_tracking_events(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_tracking_events(text, jsonb) TO tracepool_worker, tracepool_admin;
