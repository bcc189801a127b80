-- Adds addresses to the pool, each once; those that are there stay as they are. Returns how many were new.
CREATE OR REPLACE FUNCTION add_ips(p_addresses text[], p_country text DEFAULT 'us', p_provider text DEFAULT 'other',
                                   p_port text DEFAULT '7000')
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_count integer;
BEGIN
  INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
  SELECT DISTINCT btrim(given.address), p_port, p_country, p_provider
    FROM unnest(p_addresses) AS given (address)
      ON CONFLICT (ip_address) DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION add_ips(text[], text, text, text) IS 'Adds addresses to the pool; returns how many were new.';
REVOKE ALL ON FUNCTION add_ips(text[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_ips(text[], text, text, text) TO tracepool_admin;
