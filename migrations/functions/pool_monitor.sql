-- The state of pool and queue as the JSON of pool-monitor, without warnings and recommendation (the monitor's alert
-- rules make those). A cooldown that is over counts as available, whatever status says.
CREATE OR REPLACE FUNCTION pool_monitor() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$ SELECT pool_state(clock_timestamp()) - 'inside' $$;
COMMENT ON FUNCTION pool_monitor() IS 'Pool, queue and performance as one JSON object.';
REVOKE ALL ON FUNCTION pool_monitor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pool_monitor() TO tracepool_monitor, tracepool_admin, tracepool_readonly;
