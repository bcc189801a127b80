-- Somebody has taken it over: their name and note stand beside the alert, and those who were told that it fires hear of
-- it. False for an alert that is over, unknown, or only pending; the first one who took it stays.
CREATE OR REPLACE FUNCTION acknowledge_alert(p_id bigint, p_who text DEFAULT session_user, p_note text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  IF coalesce(p_who, '') = '' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'who is missing: who takes the alert over?';
  END IF;
  UPDATE alerts
     SET acknowledged_at = coalesce(acknowledged_at, v_now), acknowledged_by = coalesce(acknowledged_by, p_who),
         note = coalesce(p_note, note), updated_at = v_now
   WHERE id = p_id AND state = 'firing';
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION acknowledge_alert(bigint, text, text) IS 'Notes who has taken a firing alert over.';
REVOKE ALL ON FUNCTION acknowledge_alert(bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acknowledge_alert(bigint, text, text) TO tracepool_monitor, tracepool_admin;
