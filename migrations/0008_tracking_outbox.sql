-- The outbox at work: ad views, what depends on what, and how an attempt ended.
SET LOCAL lock_timeout = '10s';

ALTER TABLE trace_policy
  ADD COLUMN tracking_retry_s   numeric NOT NULL DEFAULT 1    CHECK (tracking_retry_s BETWEEN 0 AND 3600),
  ADD COLUMN tracking_retries   integer NOT NULL DEFAULT 3    CHECK (tracking_retries BETWEEN 0 AND 19),
  ADD COLUMN tracking_expires_s integer NOT NULL DEFAULT 3600 CHECK (tracking_expires_s BETWEEN 1 AND 604800);
COMMENT ON COLUMN trace_policy.tracking_retry_s IS 'retry_delay of tracking requests: the pause after failed attempt n is this times 2^n, give or take a fifth.';
COMMENT ON COLUMN trace_policy.tracking_retries IS 'Attempts after the first one, for tracking requests that may be repeated.';
COMMENT ON COLUMN trace_policy.tracking_expires_s IS 'A tracking request so much later than its moment is not sent any more.';

CREATE TABLE ad_view_plans (
  ad_view_id       uuid        NOT NULL PRIMARY KEY,
  request_id       uuid        NOT NULL,
  offer_id         uuid,
  ad_index         integer     NOT NULL,
  creative_index   integer     NOT NULL,
  ad_id            text,
  creative_id      text,
  ad_system        text,
  duration_ms      bigint,
  mode             text        NOT NULL CHECK (mode IN ('verify', 'fire')),
  begins_at        timestamptz NOT NULL,
  interrupted_at   timestamptz,
  interrupt_reason text,
  UNIQUE (request_id, ad_index, creative_index)
);
COMMENT ON TABLE ad_view_plans IS 'One row per ad view that a trace found; its events are in tracking_events, the view ad_views sums them up.';
COMMENT ON COLUMN ad_view_plans.ad_view_id IS 'Made of request and place: tracing a request again never makes a second view.';
COMMENT ON COLUMN ad_view_plans.duration_ms IS 'Real duration of the creative; NULL when the document does not say it.';
COMMENT ON COLUMN ad_view_plans.begins_at IS 'The moment of the impression; offsets count from here.';

GRANT SELECT ON ad_view_plans TO tracepool_readonly, tracepool_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON ad_view_plans TO tracepool_admin;

ALTER TABLE tracking_events
  ADD COLUMN is_scheduled boolean NOT NULL DEFAULT true,
  ADD COLUMN is_begun     boolean NOT NULL DEFAULT false,
  ADD COLUMN creative_id  text,
  ADD COLUMN reason       text;
COMMENT ON COLUMN tracking_events.ord IS
  'Step within a view: 0 depends on nothing (impressions, errors); any other needs an impression that was tracked, and waits for the scheduled steps before it.';
COMMENT ON COLUMN tracking_events.is_scheduled IS 'false: sent only when track_event asks for it (clicks, pause, skip, errors).';
COMMENT ON COLUMN tracking_events.is_begun IS 'While sending: the attempt is recorded, so a byte may have left. false there proves that none has.';
COMMENT ON COLUMN tracking_events.reason IS 'Why it was not sent: verify, host, offer, no impression, interrupted, ...';

ALTER TABLE tracking_attempts ADD COLUMN response_ms integer;
COMMENT ON COLUMN tracking_attempts.phase IS 'How far it came: resolve, connect, tls, sent, answered; held (nothing was sent), lost (its worker died).';

-- What was planned before belongs to no view that could be completed.
UPDATE tracking_events SET state = 'expired', reason = 'planned by an older version' WHERE state IN ('pending', 'waiting', 'sending');

CREATE VIEW tracking_event_states AS
SELECT e.id, e.request_id, e.ad_view_id, e.ad_index, e.creative_index, e.creative_id, e.event, e.ord, e.is_scheduled,
       e.is_billing, e.mode, e.state, e.state = 'tracked' AS is_tracked, e.reason, e.host, e.attempts, e.max_attempts,
       a.avg_response_ms, a.http_status, coalesce(e.last_error, a.error) AS last_error, e.due_at, e.sent_at,
       e.expires_at, e.created_at, e.updated_at
  FROM tracking_events e
  LEFT JOIN LATERAL (
         SELECT round(avg(t.response_ms))::integer AS avg_response_ms,
                (array_agg(t.http_status ORDER BY t.attempt DESC))[1] AS http_status,
                (array_agg(t.error ORDER BY t.attempt DESC))[1] AS error
           FROM tracking_attempts t
          WHERE t.event_id = e.id) AS a ON true;
COMMENT ON VIEW tracking_event_states IS 'Every tracking request: was it tracked, in how many attempts, how fast, and if not, why.';

CREATE VIEW ad_views AS
SELECT p.ad_view_id, p.request_id, p.offer_id, p.ad_index, p.creative_index, p.ad_id, p.creative_id, p.ad_system, p.mode,
       p.duration_ms, p.begins_at, p.interrupted_at, p.interrupt_reason,
       CASE WHEN p.mode = 'verify' THEN 'verified'
            WHEN p.interrupted_at IS NOT NULL THEN 'interrupted'
            WHEN s.open > 0 THEN 'playing'
            WHEN s.is_complete THEN 'complete'
            ELSE 'ended' END AS state,
       s.events, s.tracked, s.failed, s.unknown, s.blocked, s.expired, s.skipped, s.open,
       CASE WHEN s.is_complete THEN 100 ELSE s.quartile END AS percent_tracked, s.avg_response_ms, s.attempts,
       s.first_sent_at, s.last_sent_at
  FROM ad_view_plans p
 CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE e.is_scheduled) AS events,
               count(*) FILTER (WHERE e.state = 'tracked') AS tracked,
               count(*) FILTER (WHERE e.state = 'failed') AS failed,
               count(*) FILTER (WHERE e.state = 'unknown') AS unknown,
               count(*) FILTER (WHERE e.state = 'blocked') AS blocked,
               count(*) FILTER (WHERE e.state = 'expired') AS expired,
               count(*) FILTER (WHERE e.state = 'skipped') AS skipped,
               count(*) FILTER (WHERE e.state IN ('pending', 'waiting', 'sending') AND e.due_at < 'infinity') AS open,
               coalesce(bool_or(e.state = 'tracked' AND e.event = 'complete'), false) AS is_complete,
               coalesce(max(CASE e.event WHEN 'firstQuartile' THEN 25 WHEN 'midpoint' THEN 50 WHEN 'thirdQuartile' THEN 75
                                         ELSE 0 END) FILTER (WHERE e.state = 'tracked'), 0) AS quartile,
               round(avg(e.response_ms) FILTER (WHERE e.state = 'tracked'))::integer AS avg_response_ms,
               coalesce(sum(e.attempts), 0) AS attempts,
               min(e.sent_at) AS first_sent_at, max(e.sent_at) AS last_sent_at
          FROM tracking_events e
         WHERE e.ad_view_id = p.ad_view_id) AS s;
COMMENT ON VIEW ad_views IS 'Each ad view summed up: how far it played, what was tracked, how fast.';

GRANT SELECT ON tracking_event_states, ad_views TO tracepool_readonly, tracepool_monitor, tracepool_admin;
