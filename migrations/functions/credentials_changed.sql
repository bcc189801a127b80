-- Another user name or another file is another credential, whoever writes it: that moment is kept, unless one was
-- written with it. A new password in the same file is not seen from here; credentials_rotated() notes it.
CREATE OR REPLACE FUNCTION credentials_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  NEW.credentials_rotated_at := clock_timestamp();
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION credentials_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER credentials_changed BEFORE UPDATE ON proxy_providers
  FOR EACH ROW
  WHEN ((OLD.secret_name, OLD.user_template) IS DISTINCT FROM (NEW.secret_name, NEW.user_template)
        AND OLD.credentials_rotated_at IS NOT DISTINCT FROM NEW.credentials_rotated_at)
  EXECUTE FUNCTION credentials_changed();
