-- Ends the batches that are done: none of their traces in flight, and their size reached or nothing left to claim
-- now (a request without a free IP is not claimable). Passes over batches that somebody is claiming for.
-- Returns how many it ended.
--
-- The clock is read after the statement has its view of the tables: by an older one an IP that was given back
-- just now would still rest, and a batch would end before its last request.
CREATE OR REPLACE FUNCTION settle_batches() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_batch trace_batches;
  v_count integer := 0;
BEGIN
  FOR v_batch IN
    SELECT * FROM trace_batches WHERE state = 'open' ORDER BY batch_id FOR UPDATE SKIP LOCKED
  LOOP
    IF EXISTS (SELECT
                 FROM batch_progress(v_batch.batch_id) AS now
                WHERE now.in_flight = 0
                  AND (now.claimed >= v_batch.batch_size OR NOT anything_claimable(clock_timestamp()))) THEN
      UPDATE trace_batches SET state = 'done', ended_at = clock_timestamp() WHERE batch_id = v_batch.batch_id;
      v_count := v_count + 1;
    END IF;
  END LOOP;
  IF v_count > 0 THEN
    PERFORM pg_notify('tracepool_batches', '');
  END IF;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION settle_batches() IS 'Marks batches done that have nothing in flight and nothing more to claim.';
REVOKE ALL ON FUNCTION settle_batches() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle_batches() TO tracepool_worker, tracepool_monitor, tracepool_admin;
