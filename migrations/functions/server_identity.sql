-- Which database this is, and on which branch of its history: the system's identifier and the WAL timeline, which grows
-- when a standby is promoted or a backup is restored. A managed server that shows neither answers with its start time,
-- so each of its restarts counts as such a change.
CREATE OR REPLACE FUNCTION server_identity() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_function OR object_not_in_prerequisite_state THEN
  RETURN 'started ' || extract(epoch FROM pg_postmaster_start_time());
END $$;
COMMENT ON FUNCTION server_identity() IS 'Changes when the database may lack what it had: after a failover or a restore.';
REVOKE ALL ON FUNCTION server_identity() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION server_identity() TO tracepool_edge, tracepool_admin;
