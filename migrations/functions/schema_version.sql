-- The highest numbered migration: programs compare it with the one they were built with.
CREATE OR REPLACE FUNCTION schema_version() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT max(version) FROM schema_migrations
$$;
COMMENT ON FUNCTION schema_version() IS 'Number of the last migration that was applied.';
REVOKE ALL ON FUNCTION schema_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION schema_version()
   TO tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin, tracepool_readonly;
