-- Providers of the pool that have no row in proxy_providers: their IPs are never claimed.
CREATE OR REPLACE FUNCTION unknown_providers() RETURNS TABLE (provider text, ips bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT p.provider, count(*)
    FROM ip_rotation_pool p
   WHERE NOT EXISTS (SELECT FROM proxy_providers v WHERE v.provider = p.provider)
   GROUP BY p.provider
   ORDER BY p.provider
$$;
COMMENT ON FUNCTION unknown_providers() IS 'Providers whose IPs are never claimed, because proxy_providers does not name them.';
REVOKE ALL ON FUNCTION unknown_providers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unknown_providers() TO tracepool_worker, tracepool_monitor, tracepool_admin;
