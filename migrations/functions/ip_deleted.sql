-- Deleting an IP never fails and loses no request: a trace that ran on it goes back to the queue.
CREATE OR REPLACE FUNCTION ip_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM requeue_without_lease(OLD.locked_by_request, OLD.ip_address, OLD.locked_by, 'the IP was deleted');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION ip_deleted() FROM PUBLIC;

CREATE OR REPLACE TRIGGER lease_deleted AFTER DELETE ON ip_rotation_pool
  FOR EACH ROW
  WHEN (OLD.status = 'locked')
  EXECUTE FUNCTION ip_deleted();
