-- Alerts that last, are told and can be silenced; statistics that thin out; the promises in numbers.
SET LOCAL lock_timeout = '10s';

-- ---- statistics

ALTER TABLE ip_pool_statistics
  ADD COLUMN step_s       integer NOT NULL DEFAULT 0 CHECK (step_s IN (0, 60, 3600)),
  ADD COLUMN edge_answers jsonb   NOT NULL DEFAULT '{}',
  ADD COLUMN promises     jsonb   NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ip_pool_statistics.step_s IS
  'How far it is thinned (thin_statistics): 0 every snapshot, 60 the busiest of its minute, 3600 the busiest of its hour.';
COMMENT ON COLUMN ip_pool_statistics.edge_answers IS
  'Answers to clicks since each host''s edge started: {"host": {"answers", "over_200ms", "over_500ms"}}.';
COMMENT ON COLUMN ip_pool_statistics.promises IS 'What promises() said then.';
COMMENT ON COLUMN ip_pool_statistics.country_breakdown IS
  'By country: the counts of pool_summary, pending and processing requests, and of attempts that ended in the last 5 minutes '
  'avg_wait_time_ms, avg_trace_time_ms, completed and failed.';
CREATE INDEX ip_pool_statistics_every ON ip_pool_statistics (recorded_at) WHERE step_s = 0;
CREATE INDEX ip_pool_statistics_minutes ON ip_pool_statistics (recorded_at) WHERE step_s = 60;

ALTER TABLE trace_policy
  ADD COLUMN history_days integer NOT NULL DEFAULT 366 CHECK (history_days BETWEEN 32 AND 3650);
COMMENT ON COLUMN trace_policy.history_days IS
  'Snapshots (ip_pool_statistics) are kept for so long: all of a day, one a minute for a month, then one an hour.';
COMMENT ON COLUMN trace_policy.statistics_days IS 'Ended batches, resolved alerts and ad views are kept for so many days.';

ALTER TABLE trace_attempts ADD COLUMN reason text;
COMMENT ON COLUMN trace_attempts.reason IS 'In mode auto, the sign that decided between HTTP and browser; NULL in other modes.';

-- ---- alerts

-- What was told to whom is in alert_notices: one row for each receiver.
ALTER TABLE alerts
  DROP COLUMN notified_state,
  DROP COLUMN notify_attempts,
  DROP COLUMN next_notify_at,
  DROP COLUMN last_notify_error,
  ADD COLUMN incident_id     uuid        NOT NULL DEFAULT uuid_v7() UNIQUE,
  ADD COLUMN severity        text        NOT NULL DEFAULT 'warning' CHECK (severity IN ('info', 'warning', 'critical')),
  ADD COLUMN for_s           integer     NOT NULL DEFAULT 0 CHECK (for_s >= 0),
  ADD COLUMN is_posted       boolean     NOT NULL DEFAULT false,
  ADD COLUMN seen_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  ADD COLUMN acknowledged_at timestamptz,
  ADD COLUMN acknowledged_by text,
  ADD COLUMN note            text;
COMMENT ON COLUMN alerts.incident_id IS 'Its name outside: the same in every message about it, and in no other installation.';
COMMENT ON COLUMN alerts.for_s IS 'How long it has to be so before it fires.';
COMMENT ON COLUMN alerts.is_posted IS 'Severe enough for the webhook.';
COMMENT ON COLUMN alerts.since IS 'Beyond its threshold since then, without a gap.';
COMMENT ON COLUMN alerts.seen_at IS 'When a monitor last saw it beyond its threshold.';
COMMENT ON COLUMN alerts.acknowledged_by IS 'Who has taken it over (acknowledge_alert), with what note.';

CREATE TABLE alert_silences (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule       text        NOT NULL CHECK (rule <> ''),
  subject    text,
  until      timestamptz NOT NULL,
  who        text        NOT NULL CHECK (who <> ''),
  note       text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE alert_silences IS 'Alerts that nobody is told about for a while (silence_alert); they are still judged and shown.';
COMMENT ON COLUMN alert_silences.rule IS 'Name of a rule, or * for all.';
COMMENT ON COLUMN alert_silences.subject IS 'NULL: whatever the rule is about.';
CREATE INDEX alert_silences_until ON alert_silences (until);

CREATE TABLE alert_notices (
  id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delivery_id     uuid        NOT NULL DEFAULT uuid_v7(),
  alert_id        bigint      NOT NULL,
  state           text        NOT NULL CHECK (state IN ('firing', 'acknowledged', 'resolved')),
  target          integer     NOT NULL CHECK (target > 0),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts        integer     NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  claimed_by      text,
  claimed_until   timestamptz,
  delivered_at    timestamptz,
  given_up_at     timestamptz,
  last_error      text,
  UNIQUE (alert_id, state, target)
);
COMMENT ON TABLE alert_notices IS 'Outbox of the webhook: one row for each transition and receiver, kept until its alert is pruned.';
COMMENT ON COLUMN alert_notices.delivery_id IS 'Sent along and the same in every attempt: a receiver that has seen it has the message.';
COMMENT ON COLUMN alert_notices.target IS 'Which URL of alerts.webhook_url, from 1; the URL itself is a secret and stays out.';
COMMENT ON COLUMN alert_notices.claimed_until IS 'A monitor that died with it in hand loses it then.';
COMMENT ON COLUMN alert_notices.given_up_at IS 'Nobody took it for a day.';
CREATE INDEX alert_notices_open ON alert_notices (next_attempt_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;

-- ---- what the rules look at

CREATE TABLE target_certificates (
  host       text        NOT NULL PRIMARY KEY,
  not_after  timestamptz NOT NULL,
  issuer     text,
  seen_at    timestamptz NOT NULL
);
COMMENT ON TABLE target_certificates IS 'Certificates of hosts that recent traces came through (note_certificates).';

-- When was the last tracking request tracked, and what went wrong since?
CREATE INDEX tracking_events_ended ON tracking_events (updated_at)
 WHERE mode = 'fire' AND state IN ('tracked', 'failed', 'unknown', 'expired');

GRANT SELECT ON alert_silences, alert_notices, target_certificates TO tracepool_readonly, tracepool_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_silences, alert_notices, target_certificates TO tracepool_admin;

-- The age of other roles' transactions is shown to members of this role only. Where the owner may not give it away
-- (PostgreSQL 16 and newer), a superuser does: GRANT pg_read_all_stats TO tracepool_monitor.
DO $$
BEGIN
  GRANT pg_read_all_stats TO tracepool_monitor;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'for the alert oldest_transaction, as a superuser: GRANT pg_read_all_stats TO tracepool_monitor';
END $$;
