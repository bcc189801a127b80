-- What only a superuser can close, in one database: psql -d tracepool -v owner=tracepool -f deploy/harden.sql
--
-- By default PostgreSQL lets everybody who may connect write large objects, which fill the disk, and take advisory locks,
-- which hold up a migration or the archive. tracepool's programs do neither by themselves; its owner takes such locks
-- in migrations/apply.sh and archive_traces(). Safe to run twice. A managed database without a superuser can go without.
\set ON_ERROR_STOP 1
BEGIN;
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace
   AND (p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_open', 'lo_truncate', 'lo_truncate64')
        OR p.proname ~ '^pg_(try_)?advisory_') \gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, :'owner')
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_' \gexec
COMMIT;
