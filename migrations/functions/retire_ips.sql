-- Removes IPs for good: at once, or, where one is leased, after its trace (prune_history deletes it then). What was
-- traced through them stays. Returns how many there were.
CREATE OR REPLACE FUNCTION retire_ips(p_addresses text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_count integer := disable_ips(p_addresses);   -- and locks them
BEGIN
  DELETE FROM ip_rotation_pool WHERE ip_address = ANY (p_addresses) AND status <> 'locked';
  UPDATE ip_rotation_pool p
     SET retired_at = clock_timestamp(), revision = p.revision + 1
   WHERE p.ip_address = ANY (p_addresses);
  RETURN v_count;
END $$;
COMMENT ON FUNCTION retire_ips(text[]) IS 'Removes IPs from the pool for good, leased ones after their trace; returns how many there were.';
REVOKE ALL ON FUNCTION retire_ips(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retire_ips(text[]) TO tracepool_admin;
