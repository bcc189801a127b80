-- Seconds since the oldest open transaction of this database began, prepared ones included; 0 when there is none.
-- With the caller's rights: without pg_read_all_stats only the caller's own transactions have an age.
CREATE OR REPLACE FUNCTION oldest_transaction_s() RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT round(greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - open.began)), 0))::numeric, 3)
    FROM (SELECT a.xact_start AS began
            FROM pg_stat_activity a
           WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
          UNION ALL
          SELECT p.prepared
            FROM pg_prepared_xacts p
           WHERE p.database = current_database()) AS open
$$;
COMMENT ON FUNCTION oldest_transaction_s() IS 'Age of the oldest open transaction in seconds, as far as the caller may see it.';
REVOKE ALL ON FUNCTION oldest_transaction_s() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oldest_transaction_s() TO tracepool_monitor, tracepool_admin, tracepool_readonly;
