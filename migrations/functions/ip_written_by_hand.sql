-- What a person writes into ip_rotation_pool takes effect: this trigger completes it. (How it knows a person:
-- revision, as in request_written_by_hand.sql.)
--   status = 'available'   free at once and healthy again; a lease on it ends
--   status = 'cooldown'    rests from now, or until the locked_until that was written with it
--   status = 'failed'      the same as is_healthy = false
--   status = 'locked'      taken out for the seconds that a lock lasts, unless a locked_until says for how long
--   is_healthy = false     out of rotation and not probed, until a person says otherwise
--   is_healthy = true      back in rotation, failures forgotten
--   locked_until = NULL    free since ever
-- Where status and is_healthy were both written and disagree, is_healthy counts.
CREATE OR REPLACE FUNCTION ip_written_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now         timestamptz := clock_timestamp();
  v_was_status  ip_status := 'available';
  v_was_healthy boolean := true;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_was_status := OLD.status;
    v_was_healthy := OLD.is_healthy;
    NEW.revision := OLD.revision + 1;
    NEW.updated_at := v_now;
  END IF;
  NEW.country := lower(btrim(NEW.country));
  NEW.locked_until := coalesce(NEW.locked_until, '-infinity');

  IF NEW.is_healthy = v_was_healthy AND NEW.status <> v_was_status THEN
    NEW.is_healthy := CASE NEW.status WHEN 'failed' THEN false WHEN 'locked' THEN v_was_healthy ELSE true END;
  END IF;
  IF NEW.is_healthy AND NEW.status = 'failed' THEN
    NEW.status := 'available';
  ELSIF NOT NEW.is_healthy AND NEW.status <> 'locked' THEN
    NEW.status := 'failed';
  END IF;

  IF NEW.is_healthy AND NOT v_was_healthy THEN
    NEW.consecutive_failures := 0;
    NEW.next_probe_at := NULL;
  ELSIF v_was_healthy AND NOT NEW.is_healthy THEN
    NEW.next_probe_at := coalesce(NEW.next_probe_at, 'infinity');
  END IF;

  IF NEW.status <> v_was_status AND NEW.locked_until <= v_now THEN
    NEW.locked_until := CASE NEW.status
      WHEN 'cooldown' THEN v_now + (SELECT policy.cooldown_s FROM trace_policy policy) * interval '1 s'
      WHEN 'locked' THEN v_now + interval '90 s'
      ELSE '-infinity' END;
  ELSIF NEW.status <> v_was_status AND NEW.status IN ('available', 'failed') THEN
    NEW.locked_until := '-infinity';
  ELSIF NEW.status = 'cooldown' AND v_was_status = 'locked' AND NEW.locked_until = OLD.locked_until THEN
    NEW.locked_until := v_now + (SELECT policy.cooldown_s FROM trace_policy policy) * interval '1 s';
  END IF;

  IF NEW.status <> 'locked' THEN
    NEW.locked_by_request := NULL;
    NEW.locked_by := NULL;
    NEW.locked_for_batch := NULL;
    IF v_was_status = 'locked' AND TG_OP = 'UPDATE' THEN
      PERFORM requeue_without_lease(OLD.locked_by_request, OLD.ip_address, OLD.locked_by, 'the IP was unlocked by hand');
    END IF;
  END IF;
  PERFORM pg_notify('tracepool_requests', '');
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION ip_written_by_hand() FROM PUBLIC;

CREATE OR REPLACE TRIGGER insert_by_hand BEFORE INSERT ON ip_rotation_pool
  FOR EACH ROW EXECUTE FUNCTION ip_written_by_hand();

CREATE OR REPLACE TRIGGER update_by_hand BEFORE UPDATE ON ip_rotation_pool
  FOR EACH ROW
  WHEN (NEW.revision = OLD.revision)
  EXECUTE FUNCTION ip_written_by_hand();
