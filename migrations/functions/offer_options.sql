-- The trace options that an offer sets; a request's own options go over them. Empty for no or an unknown offer.
CREATE OR REPLACE FUNCTION offer_options(p_offer_id uuid) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce(
    (SELECT jsonb_strip_nulls(jsonb_build_object(
              'mode', o.tracer_mode, 'referrer', o.referrer, 'user_agent', o.user_agent, 'max_hops', o.max_hops,
              'timeout_ms', o.timeout_ms, 'expected_params', o.expected_params, 'extract_only', o.extract_only,
              'block_resources', o.block_resources))
       FROM offers o
      WHERE o.id = p_offer_id), '{}')
$$;
REVOKE ALL ON FUNCTION offer_options(uuid) FROM PUBLIC;
