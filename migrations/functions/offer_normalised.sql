-- Country codes are kept in lower case, however a person wrote them.
CREATE OR REPLACE FUNCTION offer_normalised() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  NEW.target_country := lower(btrim(NEW.target_country));
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION offer_normalised() FROM PUBLIC;

CREATE OR REPLACE TRIGGER normalise BEFORE INSERT OR UPDATE OF target_country ON offers
  FOR EACH ROW EXECUTE FUNCTION offer_normalised();
