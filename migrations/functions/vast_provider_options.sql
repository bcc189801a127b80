-- What a worker has to know of an ad server, for the options of a claimed request: {"vast": its row}, with the columns'
-- names; {} for one that the table does not have, which is the worker's ini to know.
CREATE OR REPLACE FUNCTION vast_provider_options(p_provider text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce((SELECT jsonb_build_object('vast', jsonb_strip_nulls(to_jsonb(v)) - 'notes' - 'created_at' - 'updated_at'
                                                     || jsonb_build_object('macros', v.macros))
                     FROM vast_providers v
                    WHERE v.provider = p_provider), '{}')
$$;
COMMENT ON FUNCTION vast_provider_options(text) IS 'An ad server as the options of a request have it.';
REVOKE ALL ON FUNCTION vast_provider_options(text) FROM PUBLIC;
