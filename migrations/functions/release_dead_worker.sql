-- Everything that this incarnation had claimed: requests go back to pending at once (a retry is counted, so one that
-- kills its workers ends as failed), IPs rest without blame. Waits for a last statement of the dead worker that
-- still runs on the server, and then takes what is left. Returns how many requests.
CREATE OR REPLACE FUNCTION release_dead_worker(p_worker text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_ips uuid[];
BEGIN
  SELECT array_agg(held.id)
    INTO v_ips
    FROM (SELECT p.id
            FROM ip_rotation_pool p
           WHERE p.status = 'locked' AND p.locked_by = p_worker
           ORDER BY p.id
             FOR UPDATE) AS held;
  IF v_ips IS NULL THEN
    RETURN 0;
  END IF;
  RETURN end_leases(v_ips, 'worker_died', p_worker, 'released', 'failed');
END $$;
COMMENT ON FUNCTION release_dead_worker(text) IS 'Returns the leases of a worker that is known to be dead.';
REVOKE ALL ON FUNCTION release_dead_worker(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_dead_worker(text) TO tracepool_worker, tracepool_admin;
