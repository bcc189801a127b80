-- The pool counted by country, as it really is at p_now: a cooldown that is over is available.
CREATE OR REPLACE FUNCTION pool_by_country(p_now timestamptz)
RETURNS TABLE (country text, total bigint, available bigint, locked bigint, cooldown bigint, healthy bigint,
               unhealthy bigint, failed bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT p.country, count(*),
         count(*) FILTER (WHERE p.status <> 'locked' AND p.is_healthy AND p.locked_until <= p_now),
         count(*) FILTER (WHERE p.status = 'locked'),
         count(*) FILTER (WHERE p.status <> 'locked' AND p.is_healthy AND p.locked_until > p_now),
         count(*) FILTER (WHERE p.is_healthy),
         count(*) FILTER (WHERE NOT p.is_healthy),
         count(*) FILTER (WHERE p.status <> 'locked' AND NOT p.is_healthy)
    FROM ip_rotation_pool p
   GROUP BY p.country
$$;
REVOKE ALL ON FUNCTION pool_by_country(timestamptz) FROM PUBLIC;
