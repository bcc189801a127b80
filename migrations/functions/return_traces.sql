-- A draining worker hands back what it had claimed: [{"request_id","attempt","ip"}]. The request is claimable at once
-- and no retry is counted; the IP rests, since it may have been used. Fenced like finish_traces(); returns how many.
CREATE OR REPLACE FUNCTION return_traces(p_worker text, p_items jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  v_ips text[];
BEGIN
  SELECT array_agg(held.ip_address)
    INTO v_ips
    FROM (SELECT p.ip_address
            FROM jsonb_to_recordset(p_items) AS i (request_id uuid, attempt integer, ip text)
            JOIN ip_rotation_pool p ON p.ip_address = i.ip
            JOIN active_trace_requests t ON t.request_id = i.request_id
           WHERE p.status = 'locked' AND p.locked_by_request = i.request_id AND p.locked_by = p_worker
             AND t.status = 'processing' AND t.attempt = i.attempt
           ORDER BY p.ip_address
             FOR UPDATE OF p) AS held;
  RETURN end_leases(v_ips, 'shutdown', 'given back by a draining worker', 'returned', NULL);
END $$;
COMMENT ON FUNCTION return_traces(text, jsonb) IS 'Hands back claimed requests without counting an attempt as failed.';
REVOKE ALL ON FUNCTION return_traces(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION return_traces(text, jsonb) TO tracepool_worker, tracepool_admin;
