-- Up to p_slots due tracking requests, leased to a worker. Nothing may be sent yet: begin_tracking_events comes first,
-- when the URL is known. While is_begun is false it is certain that nothing has left.
--
-- An event of step 0 (an impression) goes at once. Any other needs an impression of its view that was tracked, and a
-- scheduled one waits until no scheduled event of an earlier step is open.
DROP FUNCTION IF EXISTS claim_tracking_events(integer, text, integer);
CREATE OR REPLACE FUNCTION claim_tracking_events(p_slots integer, p_worker text, p_lease_ms integer)
RETURNS TABLE (id bigint, request_id uuid, event text, creative_id text, is_billing boolean, attempts integer,
               url_template text, url text, macros jsonb, params jsonb, is_logged boolean, macro_mode text,
               macro_formats text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- As in claim_traces(): a planner that expects a small outbox would join what was chosen to all of it.
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  IF (SELECT p.tracking_stopped FROM trace_policy p) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH chosen AS MATERIALIZED (
    SELECT e.id, p.macro_mode, p.macro_formats
      FROM tracking_events e
      LEFT JOIN ad_view_plans p ON p.ad_view_id = e.ad_view_id
     WHERE e.state IN ('pending', 'waiting') AND e.due_at <= v_now AND e.expires_at > v_now AND e.mode = 'fire'
       AND (e.ord = 0
            OR NOT EXISTS (SELECT
                             FROM tracking_events b
                            WHERE b.ad_view_id = e.ad_view_id AND b.is_scheduled
                              AND b.state IN ('pending', 'waiting', 'sending')
                              AND b.ord < CASE WHEN e.is_scheduled THEN e.ord ELSE 1 END)
               AND impression_was_tracked(e.ad_view_id))
     ORDER BY e.due_at
     LIMIT p_slots
       FOR UPDATE OF e SKIP LOCKED
  )
  UPDATE tracking_events e
     SET state = 'sending', is_begun = false, claimed_by = p_worker, lease_until = v_now + p_lease_ms * interval '1 ms',
         updated_at = v_now
    FROM chosen
   WHERE e.id = chosen.id   -- locked, so still open; said once more, it would lead the planner to the index of all that is open
  RETURNING e.id, e.request_id, e.event, e.creative_id, e.is_billing, e.attempts, e.url_template, e.url, e.macros, e.params,
            e.is_logged, chosen.macro_mode, array_to_string(chosen.macro_formats, ' ');
END $$;
COMMENT ON FUNCTION claim_tracking_events(integer, text, integer) IS 'Due tracking requests in the order of their views, leased.';
REVOKE ALL ON FUNCTION claim_tracking_events(integer, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_tracking_events(integer, text, integer) TO tracepool_worker, tracepool_admin;
