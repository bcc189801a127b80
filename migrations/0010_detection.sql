-- What the tracer learns about its modes: kept with each attempt, counted for each offer (learn_from_traces).
SET LOCAL lock_timeout = '10s';

ALTER TABLE trace_attempts
  ADD COLUMN offer_id   uuid,
  ADD COLUMN http_ms    integer,
  ADD COLUMN browser_ms integer,
  ADD COLUMN compared   jsonb;
COMMENT ON COLUMN trace_attempts.offer_id IS 'Whose trace it was; not an enforced reference.';
COMMENT ON COLUMN trace_attempts.http_ms IS 'Time that HTTP took; NULL when it did not run.';
COMMENT ON COLUMN trace_attempts.browser_ms IS 'Time that the browser took; NULL when it did not run to an end.';
COMMENT ON COLUMN trace_attempts.compared IS
  'Mode auto, where both ran to an end: did both find the same (agreed, and final_host, final_url, params, hosts, status apart); '
  'if not, the difference and both final URLs.';

ALTER TABLE trace_policy
  ADD COLUMN learn_missed_after integer NOT NULL DEFAULT 2     CHECK (learn_missed_after BETWEEN 0 AND 10),
  ADD COLUMN learn_needed_after integer NOT NULL DEFAULT 20    CHECK (learn_needed_after BETWEEN 0 AND 1000000),
  ADD COLUMN learn_for_s        integer NOT NULL DEFAULT 86400 CHECK (learn_for_s BETWEEN 1 AND 31536000);
COMMENT ON COLUMN trace_policy.learn_missed_after IS
  'Mode auto: an offer takes the browser at once when it went further than HTTP in so many of its last 10 samples; 0 never.';
COMMENT ON COLUMN trace_policy.learn_needed_after IS
  'Mode auto: an offer takes the browser at once when so many traces in a row needed it; 0 never.';
COMMENT ON COLUMN trace_policy.learn_for_s IS 'How long that holds after the last trace that spoke for it.';

ALTER TABLE offers
  ADD COLUMN sample_percent integer CHECK (sample_percent BETWEEN 0 AND 100),
  ADD COLUMN tracer_learnt  text GENERATED ALWAYS AS (tracer_detection_result #>> '{learnt,reason}') STORED;
COMMENT ON COLUMN offers.tracer_detection_result IS
  'What mode auto found out: traces by mode and reason, times, samples and their agreement, what was learnt. Kept by '
  'learn_from_traces; set it to NULL to begin anew.';
COMMENT ON COLUMN offers.sample_percent IS
  'Mode auto: share of its traces that visit the target a second time, with the browser, to compare; NULL is the worker''s auto.sample_percent.';
COMMENT ON COLUMN offers.tracer_learnt IS 'Why mode auto takes the browser at once, from tracer_detection_result; NULL: it does not.';
-- Counts change every few seconds while an offer is traced.
ALTER TABLE offers SET (fillfactor = 70);

CREATE TABLE detection_progress (
  only_row   boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  counted_to timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO detection_progress DEFAULT VALUES;
COMMENT ON TABLE detection_progress IS 'How far learn_from_traces has come, in one row.';
COMMENT ON COLUMN detection_progress.counted_to IS 'trace_attempts.ended_at of the last attempt that was counted.';
GRANT SELECT ON detection_progress TO tracepool_readonly, tracepool_monitor, tracepool_admin;

CREATE VIEW tracer_detection AS
WITH kept AS (
  SELECT o.offer_name, o.tracer_mode, o.tracer_learnt AS learnt, o.tracer_detection_result AS r
    FROM offers o
   WHERE o.tracer_detection_result ->> 'version' = '1'
), counts AS (
  SELECT k.offer_name, k.tracer_mode, k.learnt, k.r #>> '{learnt,until}' AS learnt_until, k.r ->> 'since' AS since,
         (k.r #>> '{traces,http_only}')::numeric AS http_only, (k.r #>> '{traces,browser}')::numeric AS browser,
         (k.r #>> '{samples,traces}')::numeric AS sampled, (k.r #>> '{samples,agreed}')::numeric AS agreed,
         (k.r #>> '{samples,missed}')::numeric AS missed, (k.r #>> '{browser,compared}')::numeric AS compared,
         (k.r #>> '{browser,needed}')::numeric AS needed,
         (k.r #>> '{http_ms,sum}')::numeric AS http_sum, (k.r #>> '{http_ms,traces}')::numeric AS http_n,
         (k.r #>> '{browser_ms,sum}')::numeric AS browser_sum, (k.r #>> '{browser_ms,traces}')::numeric AS browser_n
    FROM kept k
)
SELECT c.offer_name, min(c.tracer_mode) AS tracer_mode, min(c.since)::timestamptz AS since,
       sum(c.http_only + c.browser)::bigint AS traces, sum(c.http_only)::bigint AS http_only, sum(c.browser)::bigint AS browser,
       round(100 * sum(c.http_only) / nullif(sum(c.http_only + c.browser), 0), 1) AS http_only_percent,
       sum(c.sampled)::bigint AS sampled, round(100 * sum(c.agreed) / nullif(sum(c.sampled), 0), 1) AS agreed_percent,
       sum(c.missed)::bigint AS missed,
       sum(c.compared)::bigint AS browser_compared, round(100 * sum(c.needed) / nullif(sum(c.compared), 0), 1) AS browser_needed_percent,
       round(sum(c.http_sum) / nullif(sum(c.http_n), 0))::integer AS http_avg_ms,
       round(sum(c.browser_sum) / nullif(sum(c.browser_n), 0))::integer AS browser_avg_ms,
       CASE WHEN c.offer_name IS NULL THEN count(c.learnt)::text ELSE min(c.learnt) END AS learnt,
       CASE WHEN c.offer_name IS NOT NULL THEN min(c.learnt_until)::timestamptz END AS learnt_until
  FROM counts c
 GROUP BY GROUPING SETS ((c.offer_name), ())
 ORDER BY c.offer_name NULLS FIRST;
COMMENT ON VIEW tracer_detection IS
  'Mode auto by offer, and in the first row (offer_name NULL) over all: the share that HTTP alone was enough for, how often a sample '
  'agreed, how often the browser was needed where it was used, both times, what was learnt. The first row counts learnt offers.';
GRANT SELECT ON tracer_detection TO tracepool_readonly, tracepool_monitor, tracepool_admin;
