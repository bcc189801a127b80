-- Every country that the pool has an IP for. Jumps from country to country in the two partial indexes instead of
-- reading the pool. In PL/pgSQL, which keeps the plan: as an SQL function it was planned anew for each claim, which took
-- half of a claim's time.
CREATE OR REPLACE FUNCTION pool_countries() RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
  RETURN (
  WITH RECURSIVE healthy AS (
    (SELECT country FROM ip_rotation_pool WHERE is_healthy ORDER BY country LIMIT 1)
    UNION ALL
    SELECT (SELECT p.country FROM ip_rotation_pool p
             WHERE p.is_healthy AND p.country > healthy.country ORDER BY p.country LIMIT 1)
      FROM healthy
     WHERE healthy.country IS NOT NULL
  ), unhealthy AS (
    (SELECT country FROM ip_rotation_pool WHERE NOT is_healthy ORDER BY country LIMIT 1)
    UNION ALL
    SELECT (SELECT p.country FROM ip_rotation_pool p
             WHERE NOT p.is_healthy AND p.country > unhealthy.country ORDER BY p.country LIMIT 1)
      FROM unhealthy
     WHERE unhealthy.country IS NOT NULL
  )
  SELECT array_agg(country)
    FROM (SELECT country FROM healthy UNION SELECT country FROM unhealthy) AS found
   WHERE country IS NOT NULL);
END $$;
REVOKE ALL ON FUNCTION pool_countries() FROM PUBLIC;
