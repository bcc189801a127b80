-- Who may connect, the words that columns are written in, and the one row of rules.
--
-- Roles belong to the whole cluster, so each is created only when it is absent: a second tracepool
-- database beside the first one shares them. They have no password; the operator gives one
-- (\password tracepool_edge) or lets them in by peer or certificate.

DO $$
DECLARE
  wanted text;
BEGIN
  IF current_setting('server_version_num')::integer < 140000 THEN
    RAISE EXCEPTION 'tracepool needs PostgreSQL 14 or newer, this is %', current_setting('server_version');
  END IF;

  FOREACH wanted IN ARRAY ARRAY['tracepool_edge', 'tracepool_worker', 'tracepool_monitor',
                                'tracepool_admin', 'tracepool_readonly']
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', wanted);
    END IF;
  END LOOP;

  -- Before version 15 everybody could create objects in public; a function found there by name could
  -- then be somebody else's.
  IF current_setting('server_version_num')::integer < 150000 THEN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
END $$;

GRANT USAGE ON SCHEMA public
   TO tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin, tracepool_readonly;

CREATE TYPE trace_status AS ENUM ('pending', 'processing', 'completed', 'failed', 'timeout', 'skipped');
COMMENT ON TYPE trace_status IS
  'Life of a trace request: pending (waits for a worker and an IP), processing (one worker holds it), then one '
  'of completed, failed, timeout; skipped is a click that was redirected and is not to be traced.';

CREATE TYPE ip_status AS ENUM ('available', 'locked', 'cooldown', 'failed');
COMMENT ON TYPE ip_status IS
  'State of a pool IP: available, locked (leased to one request), cooldown (rests until locked_until; counts as '
  'available afterwards, no sweeper needed), failed (unhealthy, probed now and then).';

-- Table defaults need it before the other functions are there.
\ir functions/uuid_v7.sql

CREATE TABLE trace_policy (
  only_row            boolean  NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  cooldown_s          integer  NOT NULL DEFAULT 60     CHECK (cooldown_s BETWEEN 0 AND 86400),
  unhealthy_after     integer  NOT NULL DEFAULT 5      CHECK (unhealthy_after BETWEEN 1 AND 1000),
  probe_pause_s       integer  NOT NULL DEFAULT 300    CHECK (probe_pause_s BETWEEN 1 AND 86400),
  probe_pause_max_s   integer  NOT NULL DEFAULT 21600  CHECK (probe_pause_max_s BETWEEN 1 AND 604800),
  max_retries         integer  NOT NULL DEFAULT 2      CHECK (max_retries BETWEEN 0 AND 100),
  retry_backoff_s     numeric  NOT NULL DEFAULT 5      CHECK (retry_backoff_s BETWEEN 0 AND 3600),
  retry_backoff_max_s numeric  NOT NULL DEFAULT 600    CHECK (retry_backoff_max_s BETWEEN 0 AND 86400),
  queue_ttl_s         integer  NOT NULL DEFAULT 86400  CHECK (queue_ttl_s BETWEEN 1 AND 31536000),
  retention_days      integer  NOT NULL DEFAULT 7      CHECK (retention_days BETWEEN 1 AND 3650),
  archive_keep_days   integer  NOT NULL DEFAULT 0      CHECK (archive_keep_days BETWEEN 0 AND 36500),
  statistics_days     integer  NOT NULL DEFAULT 90     CHECK (statistics_days BETWEEN 1 AND 3650),
  tracking_stopped    boolean  NOT NULL DEFAULT false
);
INSERT INTO trace_policy DEFAULT VALUES;

COMMENT ON TABLE trace_policy IS
  'The rules that the SQL functions obey, in one row: UPDATE it and the next call follows. What belongs to a '
  'process (ports, children, timeouts) is in tracepool.ini instead.';
COMMENT ON COLUMN trace_policy.only_row IS 'Always true: the table holds one row.';
COMMENT ON COLUMN trace_policy.cooldown_s IS 'How long an IP rests after each use.';
COMMENT ON COLUMN trace_policy.unhealthy_after IS 'An IP turns unhealthy after so many failures in a row for which the proxy is to blame.';
COMMENT ON COLUMN trace_policy.probe_pause_s IS 'An unhealthy IP is tried again after this pause, which doubles with each failed probe.';
COMMENT ON COLUMN trace_policy.probe_pause_max_s IS 'The longest pause between two probes.';
COMMENT ON COLUMN trace_policy.max_retries IS 'Attempts after the first one, where the error is worth another; an offer may say otherwise.';
COMMENT ON COLUMN trace_policy.retry_backoff_s IS 'Pause before the first retry; doubles with each, give or take a quarter.';
COMMENT ON COLUMN trace_policy.retry_backoff_max_s IS 'The longest pause before a retry.';
COMMENT ON COLUMN trace_policy.queue_ttl_s IS 'A request that stayed claimable for so long without being claimed ends as timeout; an offer may say otherwise.';
COMMENT ON COLUMN trace_policy.retention_days IS 'Finished requests move to the archive after so many days.';
COMMENT ON COLUMN trace_policy.archive_keep_days IS 'Archived days older than this are dropped; 0 keeps them.';
COMMENT ON COLUMN trace_policy.statistics_days IS 'Rows of ip_pool_statistics, ended batches and resolved alerts are kept for so many days.';
COMMENT ON COLUMN trace_policy.tracking_stopped IS 'The kill switch: true stops all firing of tracking requests.';
