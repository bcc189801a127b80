-- What was found out about an offer was found out about where it led: another target begins anew.
CREATE OR REPLACE FUNCTION offer_leads_elsewhere() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  NEW.tracer_detection_result := NULL;
  NEW.updated_at := clock_timestamp();   -- the trigger touch takes this for the tracer's own writing
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION offer_leads_elsewhere() FROM PUBLIC;

CREATE OR REPLACE TRIGGER leads_elsewhere BEFORE UPDATE OF final_url, tracking_urls ON offers
  FOR EACH ROW
  WHEN (OLD.final_url IS DISTINCT FROM NEW.final_url OR OLD.tracking_urls IS DISTINCT FROM NEW.tracking_urls)
  EXECUTE FUNCTION offer_leads_elsewhere();
