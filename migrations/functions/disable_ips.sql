-- People take IPs out of rotation and bring them back. A trace that runs on one goes on to its end; afterwards the IP
-- is not used, and not probed, until it is enabled. Rows are locked in the order of their addresses, as everywhere.

CREATE OR REPLACE FUNCTION disable_ips(p_addresses text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_count integer;
BEGIN
  WITH chosen AS MATERIALIZED (
    SELECT p.ip_address FROM ip_rotation_pool p WHERE p.ip_address = ANY (p_addresses) ORDER BY p.ip_address FOR UPDATE
  )
  UPDATE ip_rotation_pool p
     SET is_healthy = false, next_probe_at = 'infinity'
    FROM chosen
   WHERE p.ip_address = chosen.ip_address;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION disable_ips(text[]) IS 'Takes IPs out of rotation until enable_ips; returns how many there were.';
REVOKE ALL ON FUNCTION disable_ips(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION disable_ips(text[]) TO tracepool_admin;

CREATE OR REPLACE FUNCTION enable_ips(p_addresses text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_count integer;
BEGIN
  WITH chosen AS MATERIALIZED (
    SELECT p.ip_address FROM ip_rotation_pool p WHERE p.ip_address = ANY (p_addresses) ORDER BY p.ip_address FOR UPDATE
  )
  UPDATE ip_rotation_pool p
     SET is_healthy = true, retired_at = NULL,
         status = CASE WHEN p.status = 'failed' THEN 'available' ELSE p.status END
    FROM chosen
   WHERE p.ip_address = chosen.ip_address;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION enable_ips(text[]) IS 'Brings IPs back into rotation, their failures forgotten; returns how many there were.';
REVOKE ALL ON FUNCTION enable_ips(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enable_ips(text[]) TO tracepool_admin;
