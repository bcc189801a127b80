-- A row written into the view pool_csv: a new address joins the pool; of one that is there, port, country, provider and
-- notes are corrected while its counters, health and lease stay. Empty fields take the pool's defaults.
CREATE OR REPLACE FUNCTION pool_csv_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  INSERT INTO ip_rotation_pool AS p (ip_address, ip_port, country, provider, notes)
  VALUES (btrim(NEW.ip_address), coalesce(nullif(btrim(NEW.ip_port), ''), '7000'),
          coalesce(nullif(lower(btrim(NEW.country)), ''), 'us'), coalesce(nullif(btrim(NEW.provider), ''), 'other'), NEW.notes)
      ON CONFLICT (ip_address) DO UPDATE
     SET ip_port = excluded.ip_port, country = excluded.country, provider = excluded.provider,
         notes = coalesce(excluded.notes, p.notes), retired_at = NULL, updated_at = clock_timestamp(),
         revision = p.revision + 1;   -- a correction, no order to free or take out
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION pool_csv_row() FROM PUBLIC;

CREATE OR REPLACE TRIGGER row_written INSTEAD OF INSERT ON pool_csv
  FOR EACH ROW EXECUTE FUNCTION pool_csv_row();
