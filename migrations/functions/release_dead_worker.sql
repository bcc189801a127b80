-- Everything that this incarnation had claimed: requests go back to pending at once (a retry is counted, so one that
-- kills its workers ends as failed), IPs rest without blame. Returns how many requests.
--
-- Its last statement may still be under way: the server notices a dead client only when it wants to answer. A claim
-- would become leases of nobody then. So this waits, a second at most, until no backend bears its name; what takes
-- longer is left to the lease's end.
CREATE OR REPLACE FUNCTION release_dead_worker(p_worker text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_until timestamptz := clock_timestamp() + interval '1 s';
  v_ips   text[];
BEGIN
  WHILE clock_timestamp() < v_until
        AND EXISTS (SELECT FROM pg_stat_activity a
                     WHERE a.application_name = left('tracepool-worker ' || p_worker, 63) AND a.pid <> pg_backend_pid()) LOOP
    PERFORM pg_sleep(0.01);
    PERFORM pg_stat_clear_snapshot();
  END LOOP;
  SELECT array_agg(held.ip_address)
    INTO v_ips
    FROM (SELECT p.ip_address
            FROM ip_rotation_pool p
           WHERE p.status = 'locked' AND p.locked_by = p_worker
           ORDER BY p.ip_address
             FOR UPDATE) AS held;
  IF v_ips IS NULL THEN
    RETURN 0;
  END IF;
  RETURN end_leases(v_ips, 'worker_died', p_worker, 'released', 'failed');
END $$;
COMMENT ON FUNCTION release_dead_worker(text) IS 'Returns the leases of a worker that is known to be dead.';
REVOKE ALL ON FUNCTION release_dead_worker(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_dead_worker(text) TO tracepool_worker, tracepool_admin;
