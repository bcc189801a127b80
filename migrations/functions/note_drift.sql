-- Counts traces that went another way on the open event of that way, or opens one. Ten ways of one link are enough for
-- a person to look at: what differs in still another one is counted on the latest of them.
CREATE OR REPLACE FUNCTION note_drift(p_offer uuid, p_name text, p_country text, p_start text, p_expectation bigint,
                                      p_seen jsonb, p_differences text[], p_traces bigint, p_first uuid, p_last uuid, p_at timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_key  text := md5((p_seen->'hops')::text || p_differences::text);
  v_open integer;
BEGIN
  UPDATE chain_drift_events e
     SET traces = e.traces + p_traces, last_request_id = p_last, last_at = p_at
   WHERE e.offer_id = p_offer AND e.country = p_country AND e.start_url = p_start AND e.shape_key = v_key AND e.state = 'open';
  IF FOUND THEN
    RETURN;
  END IF;
  SELECT count(*) INTO v_open
    FROM chain_drift_events e WHERE e.offer_id = p_offer AND e.country = p_country AND e.start_url = p_start AND e.state = 'open';
  IF v_open < 10 THEN
    INSERT INTO chain_drift_events (offer_id, offer_name, country, start_url, shape_key, expectation_id, expected, seen, differences, traces,
                                    first_request_id, last_request_id, first_at, last_at)
    SELECT p_offer, p_name, p_country, p_start, v_key, x.id, x.shape, p_seen, p_differences, p_traces, p_first, p_last, p_at, p_at
      FROM chain_expectations x
     WHERE x.id = p_expectation;
  ELSE
    UPDATE chain_drift_events e
       SET others = e.others + p_traces, last_at = p_at
     WHERE e.id = (SELECT max(o.id) FROM chain_drift_events o
                    WHERE o.offer_id = p_offer AND o.country = p_country AND o.start_url = p_start AND o.state = 'open');
  END IF;
END $$;
REVOKE ALL ON FUNCTION note_drift(uuid, text, text, text, bigint, jsonb, text[], bigint, uuid, uuid, timestamptz) FROM PUBLIC;
