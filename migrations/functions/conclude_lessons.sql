-- Makes expectations of what the first traces of a link taught, and forgets them. Every way that at least a fifth took
-- is expected: links rotate. Where no way is that usual, the final host alone is, if four in five ended there; otherwise
-- nothing is, so that nothing raises an event. A parameter is expected when all traces of a way had it.
CREATE OR REPLACE FUNCTION conclude_lessons(p_offer uuid, p_country text, p_start text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_total integer;
BEGIN
  SELECT sum(l.traces) INTO v_total
    FROM chain_lessons l WHERE l.offer_id = p_offer AND l.country = p_country AND l.start_url = p_start;

  WITH lesson AS (
    DELETE FROM chain_lessons l WHERE l.offer_id = p_offer AND l.country = p_country AND l.start_url = p_start
    RETURNING l.shape, l.traces
  ), usual AS (
    SELECT l.shape->'hops' AS hops, sum(l.traces) AS traces FROM lesson l GROUP BY 1 HAVING sum(l.traces) * 5 >= v_total
  ), final AS (
    SELECT l.shape->'hops'->>-1 AS hop FROM lesson l GROUP BY 1 HAVING sum(l.traces) * 5 >= v_total * 4
  ), learnt AS (
    SELECT u.hops, u.traces, u.hops->>-1 AS final, ARRAY(SELECT l.shape FROM lesson l WHERE l.shape->'hops' = u.hops) AS shapes
      FROM usual u
    UNION ALL
    SELECT 'null', v_total, (SELECT final.hop FROM final), '{}' WHERE NOT EXISTS (SELECT FROM usual)
  )
  INSERT INTO chain_expectations (offer_id, country, start_url, source, traces, shape)
  SELECT p_offer, p_country, p_start, 'learnt', learnt.traces,
         jsonb_build_object(
           'hops', learnt.hops, 'final', learnt.final,
           'params', (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]')
                        FROM (SELECT name FROM unnest(learnt.shapes) AS s, jsonb_array_elements_text(s->'params') AS name
                               GROUP BY name
                              HAVING count(*) = cardinality(learnt.shapes) AND NOT bool_or(s->'sent' ? name)) AS added),
           'carried', (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]')
                         FROM (SELECT name FROM unnest(learnt.shapes) AS s, jsonb_array_elements_text(s->'sent') AS name
                                GROUP BY name
                               HAVING bool_and(s->'params' ? name)) AS kept),
           'issuers', (SELECT coalesce(jsonb_object_agg(known.host, known.names), '{}')
                         FROM (SELECT i.host, jsonb_agg(DISTINCT name) AS names
                                 FROM unnest(learnt.shapes) AS s, jsonb_each(s->'issuers') AS i (host, names), jsonb_array_elements(i.names) AS name
                                GROUP BY i.host) AS known))
    FROM learnt;
END $$;
REVOKE ALL ON FUNCTION conclude_lessons(uuid, text, text) FROM PUBLIC;
