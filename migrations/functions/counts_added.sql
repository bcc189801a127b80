-- Two flat objects of numbers, added; what is no number counts as 0. In PL/pgSQL because its plan is kept: this runs
-- some times for each offer that was traced.
CREATE OR REPLACE FUNCTION counts_added(a jsonb, b jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF b IS NULL OR b = '{}' THEN
    RETURN CASE WHEN jsonb_typeof(a) = 'object' THEN a ELSE '{}' END;
  END IF;
  RETURN (SELECT coalesce(jsonb_object_agg(k.key, k.n), '{}')
            FROM (SELECT pair.key, sum(CASE WHEN jsonb_typeof(pair.value) = 'number' THEN pair.value::numeric ELSE 0 END) AS n
                    FROM (SELECT * FROM jsonb_each(CASE WHEN jsonb_typeof(a) = 'object' THEN a ELSE '{}' END)
                          UNION ALL
                          SELECT * FROM jsonb_each(b)) AS pair
                   GROUP BY pair.key) AS k);
END $$;
COMMENT ON FUNCTION counts_added(jsonb, jsonb) IS 'Two objects of numbers, added key by key.';
REVOKE ALL ON FUNCTION counts_added(jsonb, jsonb) FROM PUBLIC;
