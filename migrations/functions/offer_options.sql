-- The trace options that an offer sets; a request's own options go over them. Empty for no offer.
-- One expression, so that it becomes a part of the claim instead of a call for each request.
DROP FUNCTION IF EXISTS offer_options(uuid);
CREATE OR REPLACE FUNCTION offer_options(o offers) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_strip_nulls(jsonb_build_object(
         'mode', (o).tracer_mode, 'referrer', (o).referrer, 'user_agent', (o).user_agent, 'max_hops', (o).max_hops,
         'timeout_ms', (o).timeout_ms, 'expected_params', (o).expected_params, 'extract_only', (o).extract_only,
         'block_resources', (o).block_resources, 'evidence', nullif((o).evidence, '{}'),
         'learnt', (o).tracer_learnt, 'sample_percent', (o).sample_percent, 'kind', nullif((o).kind, 'link'),
         'vast_provider', (o).vast_provider, 'vast_cache', nullif((o).vast_cache, false)));
REVOKE ALL ON FUNCTION offer_options(offers) FROM PUBLIC;
