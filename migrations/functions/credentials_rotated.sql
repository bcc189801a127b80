-- Notes that a provider's password was changed (the worker reads the new file by itself, without a restart). Given a
-- name, the provider takes its password from that file from now on. False for a provider that is not known.
CREATE OR REPLACE FUNCTION credentials_rotated(p_provider text, p_secret_name text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  UPDATE proxy_providers
     SET credentials_rotated_at = clock_timestamp(), secret_name = coalesce(p_secret_name, secret_name)
   WHERE provider = p_provider;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION credentials_rotated(text, text) IS 'Notes that a provider''s password was changed, and optionally its file''s new name.';
REVOKE ALL ON FUNCTION credentials_rotated(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credentials_rotated(text, text) TO tracepool_admin;
