-- Edges keep the offers in memory: one NOTIFY per statement that changed something that they serve.
CREATE OR REPLACE FUNCTION offers_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM pg_notify('tracepool_offers', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION offers_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_changed
  AFTER INSERT OR DELETE OR TRUNCATE
     OR UPDATE OF offer_name, final_url, tracking_urls, allowed_hosts, target_country, country_from, pass_params,
                  trace_click_ids, fallback_url, redirect_param, is_active, kind, vast_provider
  ON offers
  FOR EACH STATEMENT EXECUTE FUNCTION offers_changed();
