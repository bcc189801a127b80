-- Gives a batch up: it claims no more; what it has in flight ends by itself. False when it had ended already.
CREATE OR REPLACE FUNCTION close_batch(p_batch uuid, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  UPDATE trace_batches
     SET state = 'abandoned', reason = p_reason, ended_at = clock_timestamp()
   WHERE batch_id = p_batch AND state = 'open';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM pg_notify('tracepool_batches', '');
  RETURN true;
END $$;
COMMENT ON FUNCTION close_batch(uuid, text) IS 'Abandons a batch that nobody works on.';
REVOKE ALL ON FUNCTION close_batch(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION close_batch(uuid, text) TO tracepool_worker, tracepool_monitor, tracepool_admin;
