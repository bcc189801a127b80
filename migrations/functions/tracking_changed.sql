-- Workers hear at once of the kill switch and of changes to the allowed hosts; without it they would within a second.
CREATE OR REPLACE FUNCTION tracking_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM pg_notify('tracepool_tracking', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tracking_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER notify_tracking AFTER UPDATE OF tracking_stopped ON trace_policy
  FOR EACH STATEMENT EXECUTE FUNCTION tracking_changed();
CREATE OR REPLACE TRIGGER notify_tracking AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tracking_allowed_hosts
  FOR EACH STATEMENT EXECUTE FUNCTION tracking_changed();
