-- Skips what is left of views whose impressions have all ended without one being tracked: what nobody saw has no
-- quartiles. Returns how many events.
CREATE OR REPLACE FUNCTION skip_unseen_views(p_views uuid[]) RETURNS integer
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  WITH skipped AS (
    UPDATE tracking_events e
       SET state = 'skipped', reason = 'no impression was tracked', updated_at = clock_timestamp()
     WHERE e.ad_view_id = ANY (p_views) AND e.mode = 'fire' AND e.ord > 0
       -- pending and waiting; so written, it does not lead the planner to the index of all that is open
       AND e.state NOT IN ('sending', 'tracked', 'failed', 'unknown', 'blocked', 'expired', 'skipped')
       AND NOT impression_was_tracked(e.ad_view_id)
       AND NOT EXISTS (SELECT
                         FROM tracking_events i
                        WHERE i.ad_view_id = e.ad_view_id AND i.ord = 0 AND i.is_scheduled
                          AND i.state IN ('pending', 'waiting', 'sending'))
    RETURNING e.id)
  SELECT count(*)::integer FROM skipped
$$;
COMMENT ON FUNCTION skip_unseen_views(uuid[]) IS 'Skips what is left of ad views without a tracked impression; returns how many events.';
REVOKE ALL ON FUNCTION skip_unseen_views(uuid[]) FROM PUBLIC;
