-- The IPs whose lease was over at p_now, locked; rows that somebody else holds are left to him.
-- A processing request holds exactly one IP, so this small table is the list of all leases: the large table of
-- requests needs no index on timeouts.
DROP FUNCTION IF EXISTS lock_expired_leases(timestamptz);
CREATE FUNCTION lock_expired_leases(p_now timestamptz) RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT array_agg(expired.ip_address)
    FROM (SELECT p.ip_address
            FROM ip_rotation_pool p
           WHERE p.status = 'locked' AND p.locked_until < p_now
           ORDER BY p.ip_address
             FOR UPDATE SKIP LOCKED) AS expired
$$;
REVOKE ALL ON FUNCTION lock_expired_leases(timestamptz) FROM PUBLIC;
