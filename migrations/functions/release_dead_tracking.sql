-- What a worker held that is known to be dead. Returns how many tracking requests.
CREATE OR REPLACE FUNCTION release_dead_tracking(p_worker text) RETURNS integer
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT lose_tracking_leases(p_worker, 'worker_died') WHERE p_worker IS NOT NULL
$$;
COMMENT ON FUNCTION release_dead_tracking(text) IS 'Ends the tracking leases of a dead worker; returns how many.';
REVOKE ALL ON FUNCTION release_dead_tracking(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_dead_tracking(text) TO tracepool_worker, tracepool_admin;
