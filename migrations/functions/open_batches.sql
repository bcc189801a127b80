-- Batches that may still claim, oldest first.
CREATE OR REPLACE FUNCTION open_batches()
RETURNS TABLE (batch_id uuid, batch_size integer, max_concurrent integer, claimed integer, in_flight integer)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT b.batch_id, b.batch_size, b.max_concurrent, now.claimed, now.in_flight
    FROM trace_batches b
   CROSS JOIN LATERAL batch_progress(b.batch_id) AS now
   WHERE b.state = 'open' AND now.claimed < b.batch_size
   ORDER BY b.batch_id
$$;
COMMENT ON FUNCTION open_batches() IS 'Batches that still claim, oldest first.';
REVOKE ALL ON FUNCTION open_batches() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_batches() TO tracepool_worker, tracepool_monitor, tracepool_admin;
