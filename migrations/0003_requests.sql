-- Trace requests: the queue, what became of each attempt, batches, and the archive.
--
-- No index of active_trace_requests, and no index predicate, names status or anything else that changes when a
-- trace ends: so ending one is a HOT update, which touches no index (research and numbers: README.md).

CREATE TABLE active_trace_requests (
  request_id       uuid         NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
  offer_id         uuid,
  tracking_url     text         NOT NULL,
  target_country   text         NOT NULL DEFAULT 'us',
  inbound_params   jsonb        NOT NULL DEFAULT '{}',
  status           trace_status NOT NULL DEFAULT 'pending',
  ip_assigned      text,
  final_url        text,
  extracted_params jsonb,
  redirect_chain   jsonb,
  error_message    text,
  retry_count      integer      NOT NULL DEFAULT 0,
  started_at       timestamptz  NOT NULL DEFAULT clock_timestamp(),
  completed_at     timestamptz,
  timeout_at       timestamptz,
  trace_time_ms    integer,
  tracer_mode_used text,
  detection_reason text,
  ip_locked_at     timestamptz,
  wait_time_ms     integer,
  total_time_ms    integer,
  max_retries      integer      NOT NULL CHECK (max_retries >= 0),
  created_at       timestamptz  NOT NULL DEFAULT clock_timestamp(),
  next_attempt_at  timestamptz  DEFAULT clock_timestamp(),
  priority         integer      NOT NULL DEFAULT 0 CHECK (priority >= 0),
  attempt          integer      NOT NULL DEFAULT 0,
  claimed_by       text,
  batch_id         uuid,
  outcome          text,
  error_code       text,
  bandwidth_kb     numeric,
  offer_name       text,
  options          jsonb        NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
  raw_query        text,
  click_path       text,
  skip_reason      text,
  duplicate_of     uuid,
  revision         integer      NOT NULL DEFAULT 0,
  CONSTRAINT claimable_while_pending CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL))
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE active_trace_requests IS
  'One row per click (or trace asked for by hand): what is to be traced, and what came out. Finished rows move to '
  'trace_archive after trace_policy.retention_days; the view traces shows both.';
COMMENT ON COLUMN active_trace_requests.request_id IS 'UUIDv7, made by the edge: a click shipped twice is one row.';
COMMENT ON COLUMN active_trace_requests.offer_id IS 'Not an enforced reference: a click of a deleted offer still lands.';
COMMENT ON COLUMN active_trace_requests.tracking_url IS 'What is traced: placeholders filled, the visitor''s click ids left out unless the offer says otherwise.';
COMMENT ON COLUMN active_trace_requests.status IS 'Written by hand it takes effect: pending requeues, a final status ends the request.';
COMMENT ON COLUMN active_trace_requests.ip_assigned IS 'IP of the attempt that runs or ran last; not an enforced reference.';
COMMENT ON COLUMN active_trace_requests.error_message IS 'What the last failed attempt ended with: its error''s name, then what was tried.';
COMMENT ON COLUMN active_trace_requests.started_at IS 'The click.';
COMMENT ON COLUMN active_trace_requests.ip_locked_at IS 'The claim: a worker and an IP were found.';
COMMENT ON COLUMN active_trace_requests.timeout_at IS 'End of the lease, set at claim; time in the queue does not count.';
COMMENT ON COLUMN active_trace_requests.wait_time_ms IS 'From the click to the claim.';
COMMENT ON COLUMN active_trace_requests.trace_time_ms IS 'From the claim to the end.';
COMMENT ON COLUMN active_trace_requests.total_time_ms IS 'From the click to the end.';
COMMENT ON COLUMN active_trace_requests.max_retries IS 'Attempts after the first; filled from the offer or trace_policy.';
COMMENT ON COLUMN active_trace_requests.next_attempt_at IS 'Claimable from then on; NULL unless pending; infinity holds a request back.';
COMMENT ON COLUMN active_trace_requests.priority IS 'Above 0 goes before everything else of its country.';
COMMENT ON COLUMN active_trace_requests.attempt IS 'Grows with each claim; a result of an older attempt is refused.';
COMMENT ON COLUMN active_trace_requests.claimed_by IS 'Incarnation of the worker that holds or held it.';
COMMENT ON COLUMN active_trace_requests.outcome IS 'How the trace ended: ok, external_scheme, timeout, loop, too_many_hops, blocked, error.';
COMMENT ON COLUMN active_trace_requests.error_code IS 'Name of the last error (common/err.h).';
COMMENT ON COLUMN active_trace_requests.options IS 'mode, referrer, user_agent, max_hops, timeout_ms, expected_params, extract_only, block_resources: over the offer''s.';
COMMENT ON COLUMN active_trace_requests.click_path IS 'The edge''s path that was called.';
COMMENT ON COLUMN active_trace_requests.skip_reason IS 'Why a skipped click is not traced.';
COMMENT ON COLUMN active_trace_requests.duplicate_of IS 'The earlier click that this one repeats.';
COMMENT ON COLUMN active_trace_requests.revision IS
  'Grows with each change by a function. A change without it was made by hand, and a trigger completes it.';

CREATE INDEX active_trace_requests_due ON active_trace_requests (target_country, next_attempt_at)
 WHERE next_attempt_at IS NOT NULL;
CREATE INDEX active_trace_requests_first ON active_trace_requests (target_country, priority DESC, next_attempt_at)
 WHERE next_attempt_at IS NOT NULL AND priority > 0;
-- For people, the dashboard and the archive; started_at never changes.
CREATE INDEX active_trace_requests_started ON active_trace_requests (started_at);

CREATE TABLE trace_attempts (
  request_id  uuid         NOT NULL,
  attempt     integer      NOT NULL,
  ip_address  text,
  worker      text,
  batch_id    uuid,
  started_at  timestamptz,
  ended_at    timestamptz  NOT NULL,
  outcome     text         NOT NULL,
  error       text,
  detail      text,
  blame       text         NOT NULL CHECK (blame IN ('none', 'proxy', 'target', 'caller', 'us')),
  new_status  trace_status NOT NULL,
  mode_used   text,
  trace_ms    integer,
  response_ms integer,
  wait_ms     integer,
  PRIMARY KEY (request_id, attempt)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
COMMENT ON TABLE trace_attempts IS 'Every attempt that ended, whoever ended it; written once, never changed.';
COMMENT ON COLUMN trace_attempts.outcome IS
  'As reported by the worker, or released (its lease ended without a result), returned (by a draining worker), by_hand.';
COMMENT ON COLUMN trace_attempts.error IS 'Name of the error (common/err.h), NULL when there was none.';
COMMENT ON COLUMN trace_attempts.blame IS 'Whose fault; only proxy costs an IP its health.';
COMMENT ON COLUMN trace_attempts.new_status IS 'Status of the request after this attempt; pending is a retry to come.';
COMMENT ON COLUMN trace_attempts.response_ms IS 'The proxy''s response time; NULL when it never answered.';
CREATE INDEX trace_attempts_ended ON trace_attempts (ended_at);
CREATE INDEX trace_attempts_batch ON trace_attempts (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE trace_evidence (
  request_id   uuid        NOT NULL,
  attempt      integer     NOT NULL,
  kind         text        NOT NULL CHECK (kind IN ('screenshot', 'har', 'cookies', 'console', 'vast')),
  content_type text        NOT NULL,
  body         bytea       NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (request_id, attempt, kind)
);
COMMENT ON TABLE trace_evidence IS 'What an offer asked to keep beyond the chain; goes when its archived day is dropped.';

CREATE TABLE trace_batches (
  batch_id       uuid        NOT NULL DEFAULT uuid_v7() PRIMARY KEY,
  batch_size     integer     NOT NULL CHECK (batch_size BETWEEN 1 AND 10000),
  max_concurrent integer     NOT NULL CHECK (max_concurrent BETWEEN 1 AND 10000),
  state          text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'abandoned')),
  reason         text,
  requested_by   text        NOT NULL DEFAULT session_user,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at       timestamptz
);
COMMENT ON TABLE trace_batches IS
  'Batches asked of the farm. Nothing is counted here: what a batch has in flight are leases in ip_rotation_pool, '
  'what it has behind it are rows of trace_attempts.';
COMMENT ON COLUMN trace_batches.state IS 'open until its size is reached or nothing is left to claim, and every attempt has ended.';
COMMENT ON COLUMN trace_batches.reason IS 'Why it was abandoned.';
CREATE INDEX trace_batches_open ON trace_batches (batch_id) WHERE state = 'open';

CREATE TABLE trace_archive (
  LIKE active_trace_requests INCLUDING COMMENTS,
  attempts    jsonb,
  archived_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (started_at);
COMMENT ON TABLE trace_archive IS
  'Finished requests, one partition per day (UTC) of the click, named trace_archive_YYYYMMDD; archive_traces() moves them here.';
COMMENT ON COLUMN trace_archive.attempts IS 'The request''s rows of trace_attempts.';
CREATE INDEX trace_archive_request ON trace_archive (request_id);
CREATE INDEX trace_archive_started ON trace_archive (started_at);

CREATE VIEW traces AS
SELECT request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, status, ip_assigned, final_url,
       extracted_params, redirect_chain, error_message, error_code, outcome, retry_count, max_retries, attempt,
       started_at, ip_locked_at, completed_at, timeout_at, wait_time_ms, trace_time_ms, total_time_ms,
       tracer_mode_used, detection_reason, bandwidth_kb, options, priority, next_attempt_at, claimed_by, batch_id,
       raw_query, click_path, skip_reason, duplicate_of, created_at, false AS is_archived
  FROM active_trace_requests
UNION ALL
SELECT request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, status, ip_assigned, final_url,
       extracted_params, redirect_chain, error_message, error_code, outcome, retry_count, max_retries, attempt,
       started_at, ip_locked_at, completed_at, timeout_at, wait_time_ms, trace_time_ms, total_time_ms,
       tracer_mode_used, detection_reason, bandwidth_kb, options, priority, next_attempt_at, claimed_by, batch_id,
       raw_query, click_path, skip_reason, duplicate_of, created_at, true AS is_archived
  FROM trace_archive;
COMMENT ON VIEW traces IS 'Every request, active or archived.';
