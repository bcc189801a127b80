-- Asks for one trace, now: a new request, or one that is there already, which goes before all others if it waits.
--
-- p_ask: {"request_id", "offer_id", "tracking_url", "target_country", "inbound_params", "options"}, each optional but a
-- request that is not known needs a tracking_url. What it leaves open comes from the offer. Returns the request's id and
-- whether it was made here. What cannot be done is told in a sentence (SQLSTATE P0002 not found, 22023 not usable).
CREATE OR REPLACE FUNCTION request_trace(p_ask jsonb) RETURNS TABLE (request_id uuid, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  c_first CONSTANT integer := 1000;
  v_now   timestamptz := clock_timestamp();
  v_id    uuid := coalesce((p_ask->>'request_id')::uuid, uuid_v7());
  v_offer offers;
BEGIN
  UPDATE active_trace_requests t
     SET priority = greatest(t.priority, c_first), next_attempt_at = least(t.next_attempt_at, v_now), revision = t.revision + 1
   WHERE t.request_id = v_id AND t.status = 'pending';
  IF FOUND OR EXISTS (SELECT FROM traces t WHERE t.request_id = v_id) THEN
    PERFORM pg_notify('tracepool_requests', '');
    RETURN QUERY SELECT v_id, false;
    RETURN;
  END IF;

  IF p_ask->>'tracking_url' IS NULL THEN
    RAISE EXCEPTION 'request % is not known, and without a tracking_url it cannot be made', v_id USING ERRCODE = 'P0002';
  END IF;
  IF p_ask ? 'offer_id' THEN
    SELECT * INTO v_offer FROM offers o WHERE o.id = (p_ask->>'offer_id')::uuid;
    IF v_offer.id IS NULL THEN
      RAISE EXCEPTION 'there is no offer %', p_ask->>'offer_id' USING ERRCODE = 'P0002';
    END IF;
  END IF;
  INSERT INTO active_trace_requests (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, options, priority, max_retries, click_path)
  VALUES (v_id, v_offer.id, v_offer.offer_name, p_ask->>'tracking_url', coalesce(p_ask->>'target_country', v_offer.target_country, 'us'),
          coalesce(p_ask->'inbound_params', '{}'), coalesce(p_ask->'options', '{}'), c_first, NULL, NULL)
  ON CONFLICT DO NOTHING;   -- two that ask for the same id at once: one makes it, both wait for it
  RETURN QUERY SELECT v_id, FOUND;
END $$;
COMMENT ON FUNCTION request_trace(jsonb) IS 'Asks for one trace at once, of a new request or of one that waits.';
REVOKE ALL ON FUNCTION request_trace(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_trace(jsonb) TO tracepool_monitor, tracepool_admin;
