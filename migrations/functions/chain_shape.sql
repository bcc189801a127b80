-- What is compared of a trace: its hops in order, the parameters that the link had and those that arrived, and who had
-- issued the certificates, by host. A trace that kept no chain (extract_only) has its two ends.
CREATE OR REPLACE FUNCTION chain_shape(p_chain jsonb, p_final_url text, p_tracking_url text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN (
  WITH hop AS (
    SELECT h.place, chain_hop(h.hop->>'url') AS hop,
           coalesce(substring(h.hop #>> '{tls,issuer}' FROM '(?:^|[,/;] *)O ?= ?"?([^,/;"]+)'), h.hop #>> '{tls,issuer}') AS issuer
      FROM jsonb_array_elements(CASE WHEN jsonb_typeof(p_chain) = 'array' AND jsonb_array_length(p_chain) > 0 THEN p_chain
                                     ELSE jsonb_build_array(jsonb_build_object('url', p_tracking_url),
                                                            jsonb_build_object('url', coalesce(p_final_url, p_tracking_url))) END)
           WITH ORDINALITY AS h (hop, place)
     WHERE h.place <= 100
  )
  SELECT jsonb_build_object(
           'hops', (SELECT jsonb_agg(hop.hop ORDER BY hop.place) FROM hop),
           'sent', query_names(p_tracking_url),
           'params', query_names(p_final_url),
           'issuers', (SELECT coalesce(jsonb_object_agg(known.host, known.issuers), '{}')
                         FROM (SELECT split_part(hop.hop, '://', 2) AS host, jsonb_agg(DISTINCT left(hop.issuer, 200)) AS issuers
                                 FROM hop
                                WHERE hop.issuer IS NOT NULL
                                GROUP BY 1) AS known)));
END $$;
COMMENT ON FUNCTION chain_shape(jsonb, text, text) IS 'Hops, parameters and certificate issuers of a trace, for comparing.';
REVOKE ALL ON FUNCTION chain_shape(jsonb, text, text) FROM PUBLIC;
