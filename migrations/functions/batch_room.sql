-- How many requests a batch may still claim now: what is left of its size, at most what is left of its concurrency.
-- Locks the batch until the end of the transaction, so that claims of all workers for it come one after the other.
CREATE OR REPLACE FUNCTION batch_room(p_batch uuid) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_batch trace_batches;
  v_room  integer;
BEGIN
  SELECT * INTO v_batch FROM trace_batches WHERE batch_id = p_batch AND state = 'open' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  SELECT least(v_batch.batch_size - b.claimed, v_batch.max_concurrent - b.in_flight)
    INTO v_room
    FROM batch_progress(p_batch) AS b;
  RETURN v_room;
END $$;
REVOKE ALL ON FUNCTION batch_room(uuid) FROM PUBLIC;
