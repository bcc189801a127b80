-- What ended, counted by ten seconds, so that numbers of the last minutes and the last hour cost the same however much ended
-- in them: count_attempts() reads each attempt twice, and a window adds up its whole tens and reads attempts at its two ends.
SET LOCAL lock_timeout = '10s';

CREATE TABLE attempts_by_kind (
  at         timestamptz  NOT NULL,
  mode_used  text,
  outcome    text         NOT NULL,
  new_status trace_status NOT NULL,
  is_auto    boolean      NOT NULL,
  attempts   integer      NOT NULL,
  traced     integer      NOT NULL,
  trace_ms   bigint       NOT NULL,
  waited     integer      NOT NULL,
  wait_ms    bigint       NOT NULL
);
COMMENT ON TABLE attempts_by_kind IS
  'Attempts that ended, of the last hour, counted by ten seconds and by how they ended; count_attempts() writes it, ended_by_kind() reads it.';
COMMENT ON COLUMN attempts_by_kind.at IS 'Where the ten seconds of ended_at begin.';
COMMENT ON COLUMN attempts_by_kind.is_auto IS 'Mode auto decided: they have a reason.';
COMMENT ON COLUMN attempts_by_kind.traced IS 'Of how many attempts trace_ms is the sum.';
COMMENT ON COLUMN attempts_by_kind.waited IS 'Of how many attempts wait_ms is the sum.';
CREATE INDEX attempts_by_kind_at ON attempts_by_kind (at);

CREATE TABLE attempts_by_country (
  at          timestamptz NOT NULL,
  country     text,
  untrusted   text,
  attempts    integer     NOT NULL,
  completed   integer     NOT NULL,
  failed      integer     NOT NULL,
  traced      integer     NOT NULL,
  trace_ms    bigint      NOT NULL,
  waited      integer     NOT NULL,
  wait_ms     bigint      NOT NULL
);
COMMENT ON TABLE attempts_by_country IS
  'The same attempts as in attempts_by_kind, by the country of their IP; ended_by_country() reads it.';
COMMENT ON COLUMN attempts_by_country.country IS 'NULL where the pool does not know the IP.';
COMMENT ON COLUMN attempts_by_country.untrusted IS 'Where the target''s certificate was refused, the offer: an empty one is none. NULL otherwise.';
COMMENT ON COLUMN attempts_by_country.failed IS 'For good: failed or timeout.';
COMMENT ON COLUMN attempts_by_country.traced IS 'Of how many completed ones trace_ms is the sum.';
COMMENT ON COLUMN attempts_by_country.waited IS 'Of how many attempts wait_ms is the sum.';
CREATE INDEX attempts_by_country_at ON attempts_by_country (at);

CREATE TABLE attempts_counted (
  only_row   boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  counted_to timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO attempts_counted DEFAULT VALUES;
COMMENT ON TABLE attempts_counted IS 'How far count_attempts has come, in one row.';
COMMENT ON COLUMN attempts_counted.counted_to IS 'Attempts that ended before are in attempts_by_kind and attempts_by_country; -infinity counts the last hour anew.';

GRANT SELECT ON attempts_by_kind, attempts_by_country, attempts_counted TO tracepool_readonly, tracepool_admin;
GRANT UPDATE ON attempts_counted TO tracepool_admin;

-- The busiest moment of a day is asked for with every snapshot, of ten thousand of them.
CREATE INDEX ip_pool_statistics_peak ON ip_pool_statistics (recorded_at) INCLUDE (pool_utilization_percent, completed_requests_1h);
DROP INDEX ip_pool_statistics_recorded;
ALTER TABLE ip_pool_statistics SET (autovacuum_vacuum_insert_scale_factor = 0);   -- an index alone answers for pages that were vacuumed
