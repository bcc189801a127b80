-- What a person writes into active_trace_requests takes effect: this trigger completes it.
--
-- Functions raise revision with every change and insert with 1, so the WHEN clauses below cost them one comparison and
-- this body never runs for them. An INSERT or UPDATE that leaves revision alone is a person's (or an old script's):
--   status = 'pending'       requeues: claimable now, with a fresh count of retries
--   status = a final one     ends it: no worker claims it, and a worker that has it gets its late result refused;
--                            the IP comes back when that worker's lease ends
--   status = 'processing'    the person traces it; lock_available_ip() gives such a trace its lease, and without a
--                            lease only a person ends it
CREATE OR REPLACE FUNCTION request_written_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now     timestamptz := clock_timestamp();
  v_changed boolean := TG_OP = 'INSERT' OR NEW.status <> OLD.status;
BEGIN
  NEW.target_country := lower(btrim(NEW.target_country));
  NEW.inbound_params := coalesce(NEW.inbound_params, '{}');
  NEW.max_retries := coalesce(NEW.max_retries,
                              (SELECT o.max_retries FROM offers o WHERE o.id = NEW.offer_id),
                              (SELECT policy.max_retries FROM trace_policy policy));

  IF TG_OP = 'UPDATE' THEN
    NEW.revision := OLD.revision + 1;
    IF v_changed THEN
      NEW := request_status_by_hand(OLD, NEW, v_now);
    END IF;
  END IF;

  IF NEW.status = 'pending' THEN
    NEW.next_attempt_at := coalesce(NEW.next_attempt_at, v_now);
  ELSE
    NEW.next_attempt_at := NULL;
  END IF;
  -- An ended request that is written down with its end (deploy/moving) stays as it was.
  IF v_changed AND NEW.status NOT IN ('pending', 'processing') AND (TG_OP = 'UPDATE' OR NEW.completed_at IS NULL) THEN
    NEW.completed_at := coalesce(NEW.completed_at, v_now);
    NEW.total_time_ms := coalesce(NEW.total_time_ms, ms_between(NEW.started_at, NEW.completed_at));
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION request_written_by_hand() FROM PUBLIC;

CREATE OR REPLACE TRIGGER insert_by_hand BEFORE INSERT ON active_trace_requests
  FOR EACH ROW
  WHEN (NEW.revision = 0)
  EXECUTE FUNCTION request_written_by_hand();

CREATE OR REPLACE TRIGGER update_by_hand BEFORE UPDATE ON active_trace_requests
  FOR EACH ROW
  WHEN (NEW.revision = OLD.revision)
  EXECUTE FUNCTION request_written_by_hand();
