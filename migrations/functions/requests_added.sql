-- One NOTIFY per INSERT statement that made something claimable; PostgreSQL folds those of one transaction into one.
CREATE OR REPLACE FUNCTION requests_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM added WHERE next_attempt_at IS NOT NULL) THEN
    PERFORM pg_notify('tracepool_requests', '');
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION requests_added() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_added AFTER INSERT ON active_trace_requests
  REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION requests_added();
