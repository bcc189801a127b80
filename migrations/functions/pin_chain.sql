-- Says by hand what an offer's chain looks like; what was learnt counts no more while anything is pinned. Several calls
-- pin several ways. Hosts are given in order, first to final, with a scheme (https://shop.example) where TLS matters.
-- Without hosts, what was learnt or accepted is pinned as it is. Returns how many ways are pinned now.
CREATE OR REPLACE FUNCTION pin_chain(p_offer text, p_hosts text[] DEFAULT NULL, p_params text[] DEFAULT '{}',
                                     p_country text DEFAULT '', p_start_url text DEFAULT '')
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_offer uuid;
  v_hops  text[];
BEGIN
  SELECT o.id INTO v_offer FROM offers o WHERE o.offer_name = p_offer;
  IF v_offer IS NULL THEN
    RAISE EXCEPTION 'there is no offer named "%"', p_offer USING ERRCODE = 'no_data_found';
  END IF;
  IF p_hosts IS NULL THEN
    UPDATE chain_expectations SET source = 'pinned', created_by = session_user WHERE offer_id = v_offer;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'nothing has been learnt about the chain of "%" yet: name its hosts', p_offer USING ERRCODE = 'no_data_found';
    END IF;
  ELSE
    IF cardinality(p_hosts) NOT BETWEEN 1 AND 100 OR array_position(p_hosts, NULL) IS NOT NULL THEN
      RAISE EXCEPTION 'a chain has 1 to 100 hosts, not %', cardinality(p_hosts) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_hops := ARRAY(SELECT CASE WHEN host LIKE '%://%' THEN chain_hop(host) ELSE host_pattern(host) END
                      FROM unnest(p_hosts) WITH ORDINALITY AS h (host, place) ORDER BY place);
    INSERT INTO chain_expectations (offer_id, country, start_url, source, shape)
    VALUES (v_offer, lower(p_country), p_start_url, 'pinned',
            jsonb_build_object('hops', v_hops, 'final', v_hops[cardinality(v_hops)], 'params', p_params, 'carried', '[]'::jsonb,
                               'issuers', '{}'::jsonb));
  END IF;
  RETURN (SELECT count(*) FROM chain_expectations WHERE offer_id = v_offer AND source = 'pinned');
END $$;
COMMENT ON FUNCTION pin_chain(text, text[], text[], text, text) IS 'Fixes by hand what an offer''s chain is expected to look like.';
REVOKE ALL ON FUNCTION pin_chain(text, text[], text[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pin_chain(text, text[], text[], text, text) TO tracepool_admin;

-- Forgets what is expected of an offer's chain, pinned or learnt: the next traces teach it anew. Returns how many ways
-- were forgotten.
CREATE OR REPLACE FUNCTION unpin_chain(p_offer text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_offer uuid;
  v_count integer;
BEGIN
  SELECT o.id INTO v_offer FROM offers o WHERE o.offer_name = p_offer;
  IF v_offer IS NULL THEN
    RAISE EXCEPTION 'there is no offer named "%"', p_offer USING ERRCODE = 'no_data_found';
  END IF;
  DELETE FROM chain_lessons WHERE offer_id = v_offer;
  DELETE FROM chain_expectations WHERE offer_id = v_offer;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION unpin_chain(text) IS 'Forgets what an offer''s chain is expected to look like; it is learnt anew.';
REVOKE ALL ON FUNCTION unpin_chain(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unpin_chain(text) TO tracepool_admin;
