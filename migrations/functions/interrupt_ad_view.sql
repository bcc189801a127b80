-- The view ends here, as when somebody closes the player: scheduled events that were not sent yet are skipped. Those on
-- request (skip, close) can still be asked for. Returns how many.
CREATE OR REPLACE FUNCTION interrupt_ad_view(p_view uuid, p_reason text DEFAULT 'interrupted') RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_count integer;
BEGIN
  UPDATE ad_view_plans p
     SET interrupted_at = coalesce(p.interrupted_at, v_now), interrupt_reason = coalesce(p.interrupt_reason, p_reason)
   WHERE p.ad_view_id = p_view;
  UPDATE tracking_events e
     SET state = 'skipped', reason = p_reason, updated_at = v_now
   WHERE e.ad_view_id = p_view AND e.is_scheduled AND e.state IN ('pending', 'waiting');
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION interrupt_ad_view(uuid, text) IS 'Skips what is left of an ad view; returns how many events.';
REVOKE ALL ON FUNCTION interrupt_ad_view(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION interrupt_ad_view(uuid, text) TO tracepool_admin;
