-- Ends a silence before its time; false when there is none of that number, or it is over.
CREATE OR REPLACE FUNCTION end_silence(p_id bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  UPDATE alert_silences SET until = v_now WHERE id = p_id AND until > v_now;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION end_silence(bigint) IS 'Ends a silence before its time.';
REVOKE ALL ON FUNCTION end_silence(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_silence(bigint) TO tracepool_monitor, tracepool_admin;
