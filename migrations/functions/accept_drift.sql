-- Makes what an event saw the expected chain, in place of the one that it was compared with, or beside it (p_beside:
-- both are all right). Other open events of that link which are all right now are closed as well. Returns how many
-- events were closed.
CREATE OR REPLACE FUNCTION accept_drift(p_event bigint, p_beside boolean DEFAULT false) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_event chain_drift_events;
  v_old   chain_expectations;
  v_shape jsonb;
  v_count integer;
BEGIN
  SELECT * INTO v_event FROM chain_drift_events WHERE id = p_event AND state = 'open' FOR UPDATE;
  IF v_event.id IS NULL THEN
    RAISE EXCEPTION 'there is no open drift event %', p_event USING ERRCODE = 'no_data_found';
  END IF;
  SELECT * INTO v_old FROM chain_expectations WHERE id = v_event.expectation_id;
  v_shape := jsonb_build_object(
    'hops', v_event.seen->'hops', 'final', v_event.seen->'hops'->-1,
    'params', (SELECT coalesce(jsonb_agg(name), '[]') FROM jsonb_array_elements_text(v_event.seen->'params') AS name WHERE NOT v_event.seen->'sent' ? name),
    'carried', (SELECT coalesce(jsonb_agg(name), '[]') FROM jsonb_array_elements_text(v_event.seen->'params') AS name WHERE v_event.seen->'sent' ? name),
    'issuers', v_event.seen->'issuers');
  IF NOT p_beside THEN
    DELETE FROM chain_expectations WHERE id = v_old.id;
  END IF;
  INSERT INTO chain_expectations (offer_id, country, start_url, source, shape, created_by)
  VALUES (v_event.offer_id, CASE WHEN v_old.source = 'pinned' THEN v_old.country ELSE v_event.country END,
          CASE WHEN v_old.source = 'pinned' THEN v_old.start_url ELSE v_event.start_url END,
          CASE WHEN v_old.source = 'pinned' THEN 'pinned' ELSE 'accepted' END, v_shape, session_user);
  UPDATE chain_drift_events e
     SET state = 'accepted', closed_at = clock_timestamp(), closed_by = session_user
   WHERE e.offer_id = v_event.offer_id AND e.country = v_event.country AND e.start_url = v_event.start_url AND e.state = 'open'
     AND (e.id = p_event OR chain_differences(v_shape, e.seen) = '{}');
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION accept_drift(bigint, boolean) IS 'The chain of that event is the expected one from now on.';
REVOKE ALL ON FUNCTION accept_drift(bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accept_drift(bigint, boolean) TO tracepool_admin;

-- Closes an event without changing what is expected; the same chain seen again opens another.
CREATE OR REPLACE FUNCTION dismiss_drift(p_event bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  UPDATE chain_drift_events
     SET state = 'dismissed', closed_at = clock_timestamp(), closed_by = session_user
   WHERE id = p_event AND state = 'open';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no open drift event %', p_event USING ERRCODE = 'no_data_found';
  END IF;
END $$;
COMMENT ON FUNCTION dismiss_drift(bigint) IS 'Closes a drift event; what is expected stays.';
REVOKE ALL ON FUNCTION dismiss_drift(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dismiss_drift(bigint) TO tracepool_admin;
