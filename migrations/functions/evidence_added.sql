-- Fills keep_until, whoever keeps the evidence. By index alone: a farm keeps millions of requests.
CREATE OR REPLACE FUNCTION evidence_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_keep interval := (SELECT o.evidence_keep
                        FROM offers o
                       WHERE o.id = (SELECT t.offer_id FROM active_trace_requests t WHERE t.request_id = NEW.request_id));
BEGIN
  IF v_keep IS NULL THEN
    SELECT nullif(p.evidence_keep_days, 0) * interval '1 day' INTO v_keep FROM trace_policy p;
  END IF;
  NEW.keep_until := coalesce(NEW.keep_until, NEW.created_at + v_keep);
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION evidence_added() FROM PUBLIC;

CREATE OR REPLACE TRIGGER added BEFORE INSERT ON trace_evidence
  FOR EACH ROW EXECUTE FUNCTION evidence_added();
