-- How a chain that was seen differs from an expected one, one sentence each; empty when it is all right.
--
-- Names: another final host, a new host, one that is gone, another order, more or fewer hops, https that became http
-- (not the reverse), another issuer of a certificate where both are known, and a parameter that does not arrive: one
-- that the chain used to add, or one that the link had and that used to come through. Further parameters are no drift.
-- A host that was pinned without a scheme stands for both.
CREATE OR REPLACE FUNCTION chain_differences(p_expected jsonb, p_seen jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_varies   boolean := jsonb_typeof(p_expected->'hops') IS DISTINCT FROM 'array';
  v_want     text[] := CASE WHEN v_varies THEN ARRAY[p_expected->>'final']
                            ELSE ARRAY(SELECT jsonb_array_elements_text(p_expected->'hops')) END;
  v_have     text[] := ARRAY(SELECT jsonb_array_elements_text(p_seen->'hops'));
  v_want_hosts text[] := ARRAY(SELECT regexp_replace(hop, '^https?://', '') FROM unnest(v_want) AS hop);
  v_have_hosts text[] := ARRAY(SELECT regexp_replace(hop, '^https?://', '') FROM unnest(v_have) AS hop);
  v_want_n   integer := cardinality(v_want);
  v_have_n   integer := cardinality(v_have);
  v_found    text[] := '{}';
BEGIN
  IF v_want_hosts[v_want_n] IS DISTINCT FROM v_have_hosts[v_have_n] AND v_want_hosts[v_want_n] IS NOT NULL THEN
    v_found := v_found || format('final host: %s instead of %s', v_have_hosts[v_have_n], v_want_hosts[v_want_n]);
  END IF;
  IF NOT v_varies AND v_want_hosts <> v_have_hosts THEN
    v_found := v_found
      || ARRAY(SELECT 'new host: ' || host FROM unnest(v_have_hosts[:v_have_n - 1]) WITH ORDINALITY AS h (host, place)
                WHERE host <> ALL (v_want_hosts) GROUP BY host ORDER BY min(place))
      || ARRAY(SELECT 'host gone: ' || host FROM unnest(v_want_hosts[:v_want_n - 1]) WITH ORDINALITY AS h (host, place)
                WHERE host <> ALL (v_have_hosts) GROUP BY host ORDER BY min(place));
    IF v_have_n <> v_want_n THEN
      v_found := v_found || format('%s: %s hops instead of %s', CASE WHEN v_have_n > v_want_n THEN 'longer' ELSE 'shorter' END,
                                   v_have_n, v_want_n);
    ELSIF cardinality(v_found) = 0 THEN
      v_found := v_found || 'the same hosts in another order'::text;
    END IF;
  END IF;
  v_found := v_found
    || ARRAY(SELECT 'no TLS any more: ' || split_part(want, '://', 2)
               FROM unnest(v_want) AS want
              WHERE want LIKE 'https://%'
                AND 'http://' || split_part(want, '://', 2) = ANY (v_have) AND 'http://' || split_part(want, '://', 2) <> ALL (v_want)
              GROUP BY want ORDER BY want)
    || ARRAY(SELECT format('certificate of %s: issued by %s instead of %s', now.host, now.names->>0, was.names->>0)
               FROM jsonb_each(p_expected->'issuers') AS was (host, names)
               JOIN jsonb_each(p_seen->'issuers') AS now (host, names) ON now.host = was.host
              WHERE NOT was.names @> now.names
              ORDER BY now.host)
    || ARRAY(SELECT 'lost parameter: ' || name
               FROM (SELECT jsonb_array_elements_text(p_expected->'params') AS name
                     UNION
                     SELECT carried.name FROM jsonb_array_elements_text(p_expected->'carried') AS carried (name)
                      WHERE p_seen->'sent' ? carried.name) AS wanted
              WHERE NOT p_seen->'params' ? name
              ORDER BY name);
  RETURN v_found;
END $$;
COMMENT ON FUNCTION chain_differences(jsonb, jsonb) IS 'What is different between an expected chain and one that was seen.';
REVOKE ALL ON FUNCTION chain_differences(jsonb, jsonb) FROM PUBLIC;
