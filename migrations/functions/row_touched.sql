-- Keeps updated_at.
CREATE OR REPLACE FUNCTION row_touched() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION row_touched() FROM PUBLIC;

-- What the tracer finds out changes every few seconds, and is no change of the offer.
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON offers
  FOR EACH ROW WHEN (OLD.tracer_detection_result IS NOT DISTINCT FROM NEW.tracer_detection_result)
  EXECUTE FUNCTION row_touched();
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON proxy_providers
  FOR EACH ROW EXECUTE FUNCTION row_touched();
CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON vast_providers
  FOR EACH ROW EXECUTE FUNCTION row_touched();
