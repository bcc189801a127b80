-- How an attempt to post a message ended. p_error NULL: it was taken. Otherwise it is tried again after a pause that
-- doubles from p_pause_s to ten minutes, give or take a quarter, or after p_retry_after_s where the receiver said so.
-- A failure counts only from the monitor that has the lease; that it was taken counts from any.
CREATE OR REPLACE FUNCTION finish_alert_notice(p_id bigint, p_monitor text, p_error text, p_pause_s integer, p_retry_after_s integer)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  IF p_error IS NULL THEN
    UPDATE alert_notices
       SET delivered_at = v_now, last_error = NULL, claimed_until = NULL
     WHERE id = p_id AND delivered_at IS NULL;
  ELSE
    UPDATE alert_notices
       SET last_error = p_error, claimed_until = NULL,
           next_attempt_at = v_now + CASE WHEN p_retry_after_s IS NULL THEN retry_pause(attempts - 1, p_pause_s, 600)
                                         ELSE least(p_retry_after_s, 3600) * interval '1 s' END
     WHERE id = p_id AND claimed_by = p_monitor AND delivered_at IS NULL;
  END IF;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION finish_alert_notice(bigint, text, text, integer, integer) IS 'Notes how an attempt to post a message about an alert ended.';
REVOKE ALL ON FUNCTION finish_alert_notice(bigint, text, text, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_alert_notice(bigint, text, text, integer, integer) TO tracepool_monitor, tracepool_admin;
