-- Tracking requests whose worker is gone, of that worker or (NULL) of all whose lease has ended. Not begun: nothing was
-- sent, it goes on waiting. Begun: a billing event may have been counted and is never sent again, its fate is unknown;
-- any other is sent again while it has attempts left. Returns how many.
CREATE OR REPLACE FUNCTION lose_tracking_leases(p_worker text, p_error text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_policy trace_policy;
  v_count  integer;
  v_views  uuid[];
BEGIN
  SELECT * INTO v_policy FROM trace_policy;
  WITH lost AS MATERIALIZED (
    SELECT e.id, e.is_begun
      FROM tracking_events e
     WHERE e.state = 'sending' AND (e.claimed_by = p_worker OR (p_worker IS NULL AND e.lease_until <= v_now))
     ORDER BY e.id
       FOR UPDATE SKIP LOCKED
  ), ended AS (
    UPDATE tracking_events e
       SET state = CASE WHEN NOT lost.is_begun THEN CASE WHEN e.attempts > 0 THEN 'waiting' ELSE 'pending' END
                        WHEN e.is_billing THEN 'unknown'
                        WHEN e.attempts >= e.max_attempts THEN 'failed'
                        ELSE 'waiting' END,
           due_at = CASE WHEN lost.is_begun AND NOT e.is_billing AND e.attempts < e.max_attempts
                           THEN v_now + tracking_pause(e.attempts, v_policy.tracking_retry_s)
                         ELSE e.due_at END,
           last_error = CASE WHEN lost.is_begun THEN p_error ELSE e.last_error END,
           claimed_by = CASE WHEN lost.is_begun AND e.is_billing THEN e.claimed_by END,
           is_begun = false, lease_until = NULL, updated_at = v_now
      FROM lost
     WHERE e.id = lost.id
    RETURNING e.id, e.ad_view_id, e.ord, e.state, e.attempts, lost.is_begun AS was_begun
  ), noted AS (
    UPDATE tracking_attempts a
       SET ended_at = v_now, phase = 'lost', error = p_error
      FROM ended
     WHERE a.event_id = ended.id AND a.attempt = ended.attempts AND ended.was_begun AND a.ended_at IS NULL
  )
  SELECT count(*), array_agg(DISTINCT ended.ad_view_id) FILTER (WHERE ended.ord = 0 AND ended.state IN ('unknown', 'failed'))
    INTO v_count, v_views
    FROM ended;
  IF cardinality(v_views) > 0 THEN
    PERFORM skip_unseen_views(v_views);
  END IF;
  IF v_count > 0 THEN
    PERFORM pg_notify('tracepool_tracking', '');
  END IF;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION lose_tracking_leases(text, text) IS 'Ends the tracking leases of a worker, or all that ran out; returns how many.';
REVOKE ALL ON FUNCTION lose_tracking_leases(text, text) FROM PUBLIC;
