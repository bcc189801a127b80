-- A provider that is configured now makes its IPs claimable: wake the workers.
CREATE OR REPLACE FUNCTION providers_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM pg_notify('tracepool_requests', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION providers_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_changed AFTER INSERT OR UPDATE ON proxy_providers
  FOR EACH STATEMENT EXECUTE FUNCTION providers_changed();
