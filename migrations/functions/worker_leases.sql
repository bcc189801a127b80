-- What a worker holds, as the pool has it. A worker asks after a claim whose answer got lost, and hands back what it
-- knows nothing of.
CREATE OR REPLACE FUNCTION worker_leases(p_worker text)
RETURNS TABLE (request_id uuid, attempt integer, ip_address text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT t.request_id, t.attempt, p.ip_address
    FROM ip_rotation_pool p
    JOIN active_trace_requests t ON t.request_id = p.locked_by_request
   WHERE p.status = 'locked' AND p.locked_by = p_worker
$$;
COMMENT ON FUNCTION worker_leases(text) IS 'Requests and IPs that a worker holds.';
REVOKE ALL ON FUNCTION worker_leases(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION worker_leases(text) TO tracepool_worker, tracepool_admin;
