-- Leases past their end: the IP rests, its request goes back to the queue or ends as timeout. Cooldowns past their
-- end become available again in name too, so that a raw count by status is right; claims do not need that.
-- Passes over rows that somebody holds (a finish under way). Returns how many IPs changed.
CREATE OR REPLACE FUNCTION release_expired_ip_locks() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_ips    text[] := lock_expired_leases(v_now);
  v_rested integer;
BEGIN
  PERFORM end_leases(v_ips, 'lease_expired', 'no result before the lease''s end', 'released', 'timeout');
  UPDATE ip_rotation_pool p
     SET status = 'available', updated_at = v_now, revision = p.revision + 1
   WHERE p.ip_address IN (SELECT i.ip_address
                            FROM ip_rotation_pool i
                           WHERE i.status = 'cooldown' AND i.locked_until <= v_now
                           ORDER BY i.ip_address
                             FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_rested = ROW_COUNT;
  RETURN coalesce(cardinality(v_ips), 0) + v_rested;
END $$;
COMMENT ON FUNCTION release_expired_ip_locks() IS 'Frees IPs whose lease or cooldown is over; returns how many.';
REVOKE ALL ON FUNCTION release_expired_ip_locks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_expired_ip_locks() TO tracepool_worker, tracepool_monitor, tracepool_admin;
