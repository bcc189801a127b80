-- Asks the farm for one batch; returns its id at once and wakes the workers when the transaction commits. Wait for
-- its end outside of that transaction (batch_result, or LISTEN tracepool_batches).
CREATE OR REPLACE FUNCTION request_trace_batch(batch_size integer DEFAULT 10, max_concurrent integer DEFAULT 5)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_id uuid;
BEGIN
  INSERT INTO trace_batches AS b (batch_size, max_concurrent)
  VALUES (request_trace_batch.batch_size, request_trace_batch.max_concurrent)
  RETURNING b.batch_id INTO v_id;
  PERFORM pg_notify('tracepool_batches', '');
  RETURN v_id;
END $$;
COMMENT ON FUNCTION request_trace_batch(integer, integer) IS 'Asks the workers for one batch; returns its id at once.';
REVOKE ALL ON FUNCTION request_trace_batch(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_trace_batch(integer, integer) TO tracepool_worker, tracepool_monitor, tracepool_admin;
