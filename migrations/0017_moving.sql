-- Which way clicks come, offer by offer: while people move over from the original, and afterwards.

COMMENT ON COLUMN active_trace_requests.click_path IS
  'The edge''s path that was called. original: the original system answered the click and traced it (deploy/MOVING.md); '
  'original_open: it answered, and left the trace to us. NULL: a trace asked for without a click.';
COMMENT ON COLUMN trace_archive.click_path IS
  'The edge''s path that was called. original: the original system answered the click and traced it (deploy/MOVING.md); '
  'original_open: it answered, and left the trace to us. NULL: a trace asked for without a click.';

CREATE VIEW offer_clicks AS
SELECT t.offer_name, t.click_path,
       count(*) FILTER (WHERE t.started_at > now() - interval '1 hour') AS clicks_1h,
       count(*) AS clicks_24h,
       count(*) FILTER (WHERE t.status = 'skipped') AS skipped_24h,
       max(t.started_at) AS last_at
  FROM active_trace_requests t
 WHERE t.started_at > now() - interval '24 hours' AND t.click_path IS NOT NULL
 GROUP BY t.offer_name, t.click_path;
COMMENT ON VIEW offer_clicks IS 'Clicks of the last day by offer and path: how far an offer has moved over from the original.';
GRANT SELECT ON offer_clicks TO tracepool_readonly, tracepool_admin;
