-- By hand: the least recently used free IP of a country, leased to a request. No row when none is free. Waits for
-- nobody. Workers use claim_traces(); unlike it, this gives out IPs of providers that are not configured too: who
-- asks by hand knows how to use them. A request that is then set to processing belongs to this lease.
CREATE OR REPLACE FUNCTION lock_available_ip(p_country text, p_request_id uuid,
                                             p_lock_duration_seconds integer DEFAULT 90)
RETURNS TABLE (ip_address text, ip_port text, provider text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
  UPDATE ip_rotation_pool p
     SET status = 'locked', locked_until = v_now + p_lock_duration_seconds * interval '1 s',
         locked_by_request = p_request_id, locked_by = NULL, locked_for_batch = NULL,
         updated_at = v_now, revision = p.revision + 1
   WHERE p.ip_address = (SELECT i.ip_address
                           FROM ip_rotation_pool i
                          WHERE i.country = lower(p_country) AND i.is_healthy AND i.status <> 'locked'
                            AND i.free_at <= v_now
                          ORDER BY i.free_at
                          LIMIT 1
                            FOR UPDATE SKIP LOCKED)
  RETURNING p.ip_address, p.ip_port, p.provider;
END $$;
COMMENT ON FUNCTION lock_available_ip(text, uuid, integer) IS 'Leases the least recently used free IP of a country; no row when none is free.';
REVOKE ALL ON FUNCTION lock_available_ip(text, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_available_ip(text, uuid, integer) TO tracepool_admin;
