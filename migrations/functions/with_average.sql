-- {"traces","sum"} with its average; none for no traces.
CREATE OR REPLACE FUNCTION with_average(counts jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN (counts - 'average')
         || jsonb_build_object('average', round((counts ->> 'sum')::numeric / nullif((counts ->> 'traces')::numeric, 0)));
END $$;
COMMENT ON FUNCTION with_average(jsonb) IS 'Adds the average to {"traces","sum"}.';
REVOKE ALL ON FUNCTION with_average(jsonb) FROM PUBLIC;
