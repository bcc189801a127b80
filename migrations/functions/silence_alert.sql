-- Tells nobody about a rule ('*': any) until then; with a subject, about that one only. The alert is judged and shown all
-- the same. Returns the silence's number, for end_silence. Refuses a time that is over and a rule without a name.
CREATE OR REPLACE FUNCTION silence_alert(p_rule text, p_until timestamptz, p_who text DEFAULT session_user, p_note text DEFAULT NULL,
                                         p_subject text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_id bigint;
BEGIN
  IF coalesce(p_rule, '') = '' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'rule is missing: the name of an alert, or *';
  ELSIF p_until IS NULL OR p_until <= clock_timestamp() THEN
    RAISE invalid_parameter_value USING MESSAGE = 'until must be a time to come';
  ELSIF coalesce(p_who, '') = '' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'who is missing: whose silence is it?';
  END IF;
  INSERT INTO alert_silences (rule, subject, until, who, note)
  VALUES (p_rule, p_subject, p_until, p_who, p_note)
  RETURNING id INTO v_id;
  RETURN v_id;
END $$;
COMMENT ON FUNCTION silence_alert(text, timestamptz, text, text, text) IS
  'Tells nobody about an alert for a while: silence_alert(''queue_depth'', now() + ''2 hours'', ''Ann'', ''load test'').';
REVOKE ALL ON FUNCTION silence_alert(text, timestamptz, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION silence_alert(text, timestamptz, text, text, text) TO tracepool_monitor, tracepool_admin;
