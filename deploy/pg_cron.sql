-- Batches asked for by the database itself: schedules them with pg_cron (Debian: postgresql-15-cron).
--
--   psql -d tracepool -f deploy/pg_cron.sql                                       every two minutes, 20 traces, 10 at once
--   psql -d tracepool -v schedule='* * * * *' -v size=50 -v at_once=25 -f deploy/pg_cron.sql
--
-- The jobs are those of the role that runs this, and pg_cron connects as that role: with Debian's settings, postgres over
-- the socket. Run it again to change them. postgresql.conf before that, and one restart:
--
--   shared_preload_libraries = 'pg_cron'
--   cron.database_name = 'tracepool'
--   cron.use_background_workers = off      -- before pg_cron 1.5 one slow job holds up all the others otherwise
--   cron.host = '/var/run/postgresql'      -- where it connects; the folder of the socket, or a host with a .pgpass
--
-- A job only asks: request_trace_batch() returns at once, and the workers do the rest. Schedules with seconds
-- ('10 seconds') came with pg_cron 1.5; before that a minute is the shortest.
\set ON_ERROR_STOP 1
\if :{?schedule}
\else
  \set schedule '*/2 * * * *'
\endif
\if :{?size}
\else
  \set size 20
\endif
\if :{?at_once}
\else
  \set at_once 10
\endif
CREATE EXTENSION IF NOT EXISTS pg_cron;
SELECT cron.schedule('trace-worker', :'schedule', format('SELECT public.request_trace_batch(%s, %s)', :size::integer, :at_once::integer)) AS job;
-- pg_cron keeps a row of every run for ever.
SELECT cron.schedule('forget-old-runs', '17 3 * * *', $$DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'$$) AS job;
