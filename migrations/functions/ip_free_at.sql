-- free_at follows locked_until while an IP is not locked. The functions that let go of many IPs write it themselves,
-- so that this runs only for what a person writes. The name puts it behind the other triggers.
CREATE OR REPLACE FUNCTION ip_free_at() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  NEW.free_at := NEW.locked_until;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION ip_free_at() FROM PUBLIC;

CREATE OR REPLACE TRIGGER z_free_at BEFORE INSERT OR UPDATE ON ip_rotation_pool
  FOR EACH ROW
  WHEN (NEW.status <> 'locked' AND NEW.free_at IS DISTINCT FROM NEW.locked_until)
  EXECUTE FUNCTION ip_free_at();
