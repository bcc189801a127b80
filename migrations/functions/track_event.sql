-- By hand: asks for the tracking URLs that a trace found for an event, with these macros and parameters over its own.
-- They become due now; whether they are sent is decided where everything is (mode, allowed hosts, kill switch).
-- What was sent, or is being sent, is left alone: no event goes out twice. Returns how many URLs.
CREATE OR REPLACE FUNCTION track_event(request_id uuid, event text, macros jsonb DEFAULT '{}', params jsonb DEFAULT '{}')
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_count integer;
BEGIN
  UPDATE tracking_events e
     SET macros = e.macros || coalesce(track_event.macros, '{}'),
         params = e.params || coalesce(track_event.params, '{}'),
         due_at = least(e.due_at, v_now), updated_at = v_now,
         expires_at = least(e.expires_at, v_now + p.tracking_expires_s * interval '1 s')
    FROM trace_policy p
   WHERE e.request_id = track_event.request_id AND e.event = track_event.event
     AND e.state = 'pending' AND e.attempts = 0;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_count > 0 THEN
    PERFORM pg_notify('tracepool_tracking', '');
  END IF;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION track_event(uuid, text, jsonb, jsonb) IS 'Makes the tracking URLs of an event due; returns how many.';
REVOKE ALL ON FUNCTION track_event(uuid, text, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION track_event(uuid, text, jsonb, jsonb) TO tracepool_admin;
