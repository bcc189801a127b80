-- Keeps the outbox free of what nobody ends: leases that ran out, events whose moment is too long ago, and those that
-- were asked for where nothing is fired. Returns how many rows changed; nothing is done while somebody else is at it.
CREATE OR REPLACE FUNCTION recover_tracking_events() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_total integer;
  v_views uuid[];
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('tracepool recover_tracking_events', 0)) THEN
    RETURN 0;
  END IF;
  v_total := lose_tracking_leases(NULL, 'lease_expired');
  WITH due AS MATERIALIZED (
    SELECT e.id, e.mode
      FROM tracking_events e
     WHERE e.state IN ('pending', 'waiting') AND e.due_at <= v_now AND (e.expires_at <= v_now OR e.mode = 'verify')
       FOR UPDATE SKIP LOCKED
  ), ended AS (
    UPDATE tracking_events e
       SET state = CASE due.mode WHEN 'verify' THEN 'skipped' ELSE 'expired' END,
           reason = CASE due.mode WHEN 'verify' THEN coalesce(e.reason, 'verify') ELSE 'its moment is too long ago' END,
           updated_at = v_now
      FROM due
     WHERE e.id = due.id
    RETURNING e.ad_view_id, e.ord
  )
  SELECT v_total + count(*), array_agg(DISTINCT ended.ad_view_id) FILTER (WHERE ended.ord = 0)
    INTO v_total, v_views
    FROM ended;
  -- Two impressions that ended at the same moment in two places may each have seen the other still open.
  v_views := v_views || ARRAY(SELECT open.ad_view_id
                                FROM (SELECT DISTINCT e.ad_view_id
                                        FROM tracking_events e
                                       WHERE e.state IN ('pending', 'waiting') AND e.due_at <= v_now AND e.mode = 'fire' AND e.ord > 0) AS open
                               WHERE NOT EXISTS (SELECT
                                                   FROM tracking_events i
                                                  WHERE i.ad_view_id = open.ad_view_id AND i.ord = 0 AND i.is_scheduled
                                                    AND i.state IN ('pending', 'waiting', 'sending'))
                                 AND NOT impression_was_tracked(open.ad_view_id));
  IF cardinality(v_views) > 0 THEN
    v_total := v_total + skip_unseen_views(v_views);
  END IF;
  RETURN v_total;
END $$;
COMMENT ON FUNCTION recover_tracking_events() IS 'Ends lost leases and expired tracking requests; returns how many rows changed.';
REVOKE ALL ON FUNCTION recover_tracking_events() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recover_tracking_events() TO tracepool_worker, tracepool_monitor, tracepool_admin;
