-- What the operator looks at: statistics, living processes, clicks that could not be stored, alerts.

CREATE TABLE ip_pool_statistics (
  id                       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recorded_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  total_ips                integer     NOT NULL,
  available_ips            integer     NOT NULL,
  locked_ips               integer     NOT NULL,
  cooldown_ips             integer     NOT NULL,
  failed_ips               integer     NOT NULL,
  active_requests          integer     NOT NULL,
  requests_queued          integer     NOT NULL,
  avg_wait_time_ms         integer,
  avg_trace_time_ms        integer,
  pool_utilization_percent integer     NOT NULL,
  completed_requests_1h    integer     NOT NULL,
  failed_requests_1h       integer     NOT NULL,
  success_rate_5min        integer     NOT NULL,
  country_breakdown        jsonb       NOT NULL
);
COMMENT ON TABLE ip_pool_statistics IS 'One row per snapshot; record_pool_statistics() writes it.';
COMMENT ON COLUMN ip_pool_statistics.available_ips IS 'Healthy, not locked, cooldown over.';
COMMENT ON COLUMN ip_pool_statistics.failed_ips IS 'Unhealthy and not locked.';
COMMENT ON COLUMN ip_pool_statistics.active_requests IS 'Pending and processing.';
COMMENT ON COLUMN ip_pool_statistics.requests_queued IS 'Pending; an estimate above 10,000 in one country.';
COMMENT ON COLUMN ip_pool_statistics.avg_wait_time_ms IS 'Click to claim, of attempts that ended in the last 5 minutes.';
COMMENT ON COLUMN ip_pool_statistics.avg_trace_time_ms IS 'Claim to end, of traces completed in the last 5 minutes.';
COMMENT ON COLUMN ip_pool_statistics.pool_utilization_percent IS '(locked + cooldown) / total.';
COMMENT ON COLUMN ip_pool_statistics.failed_requests_1h IS 'Ended as failed or timeout.';
COMMENT ON COLUMN ip_pool_statistics.country_breakdown IS 'pool_summary of pool_monitor(): counts by country.';
CREATE INDEX ip_pool_statistics_recorded ON ip_pool_statistics (recorded_at);

CREATE TABLE process_heartbeats (
  incarnation text        NOT NULL PRIMARY KEY,
  program     text        NOT NULL CHECK (program IN ('edge', 'worker', 'monitor')),
  host        text        NOT NULL,
  pid         integer     NOT NULL,
  version     text,
  started_at  timestamptz NOT NULL,
  seen_at     timestamptz NOT NULL,
  counters    jsonb       NOT NULL DEFAULT '{}',
  spool_age_s numeric
) WITH (fillfactor = 50);
COMMENT ON TABLE process_heartbeats IS 'Every running process, by an incarnation that is never used again.';
COMMENT ON COLUMN process_heartbeats.seen_at IS 'Its last sign of life, by the database''s clock.';
COMMENT ON COLUMN process_heartbeats.spool_age_s IS 'Edge: age of the oldest click that is not in the database yet.';

CREATE TABLE spool_quarantine (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id     uuid        UNIQUE,
  edge           text,
  error          text        NOT NULL,
  payload        bytea       NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE spool_quarantine IS 'Clicks that the database refused, as the edge had spooled them; a person looks at each.';
COMMENT ON COLUMN spool_quarantine.request_id IS 'When it could be read; a click quarantined twice is one row.';
COMMENT ON COLUMN spool_quarantine.edge IS 'Incarnation of the edge.';
COMMENT ON COLUMN spool_quarantine.payload IS 'The spooled bytes.';

CREATE TABLE alerts (
  id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule             text        NOT NULL,
  subject          text        NOT NULL DEFAULT '',
  state            text        NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
  value            numeric,
  threshold        numeric,
  message          text,
  advice           text,
  since            timestamptz NOT NULL DEFAULT clock_timestamp(),
  fired_at         timestamptz,
  resolved_at      timestamptz,
  notified_state   text,
  notify_attempts  integer     NOT NULL DEFAULT 0,
  next_notify_at   timestamptz,
  last_notify_error text,
  updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE alerts IS 'Alerts and what became of them: pending (not for long enough yet), firing, resolved.';
COMMENT ON COLUMN alerts.subject IS 'What it is about when a rule looks at several things, e.g. a country.';
COMMENT ON COLUMN alerts.notified_state IS 'The state that the webhook was last told.';
CREATE UNIQUE INDEX alerts_unresolved ON alerts (rule, subject) WHERE state <> 'resolved';
