-- An ad server's base_url is where clicks of its offers go: edges read the offers anew.
CREATE OR REPLACE FUNCTION vast_providers_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM pg_notify('tracepool_offers', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION vast_providers_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF provider, base_url ON vast_providers
  FOR EACH STATEMENT EXECUTE FUNCTION vast_providers_changed();
