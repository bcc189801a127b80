-- Deletes up to p_limit pieces of evidence whose time is over, the oldest first. Returns how many: call it again while
-- that is p_limit. What somebody else deletes right now is passed over.
CREATE OR REPLACE FUNCTION prune_evidence(p_limit integer DEFAULT 500) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off   -- the index knows the few that are due
SET jit = off
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_count integer;
BEGIN
  DELETE FROM trace_evidence e
   WHERE e.ctid = ANY (ARRAY(SELECT old.ctid
                               FROM trace_evidence old
                              WHERE old.keep_until < v_now
                              ORDER BY old.keep_until
                              LIMIT p_limit
                                FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION prune_evidence(integer) IS 'Deletes evidence whose time (keep_until) is over; returns how many.';
REVOKE ALL ON FUNCTION prune_evidence(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_evidence(integer) TO tracepool_monitor, tracepool_admin;
