-- A house that has been at work for long: psql variables archived, live (numbers of traces). Deterministic.
\set ON_ERROR_STOP 1
SET synchronous_commit = off;
SET jit = off;

INSERT INTO offers (offer_name, tracking_urls, target_country)
SELECT 'offer-' || i, jsonb_build_array(jsonb_build_object('url', 'https://go.n' || i % 7 || '.example/c/' || i || '?cid={click_id}')),
       (ARRAY['us', 'us', 'us', 'gb', 'de', 'ca'])[1 + i % 6]
  FROM generate_series(1, 500) AS i;
INSERT INTO ip_rotation_pool (ip_address, country, provider, total_uses, success_count, failure_count, avg_response_time_ms, last_used_at, is_healthy)
SELECT 'ip-' || i, (ARRAY['us', 'us', 'us', 'gb', 'de', 'ca'])[1 + i % 6], 'other', 1000 + i, 990 + i, 10, 100 + i % 400, now() - i * interval '1 s', i % 37 <> 0
  FROM generate_series(1, 2000) AS i;
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = now() + interval '50 s' WHERE substr(ip_address, 4)::int % 3 = 0 AND is_healthy;

-- What a trace found, one of each offer, so that a row costs no work to make.
CREATE UNLOGGED TABLE bench_found AS
SELECT o.id AS offer_id, o.offer_name, o.target_country, row_number() OVER (ORDER BY o.offer_name) - 1 AS n,
       (SELECT jsonb_agg(jsonb_build_object('url', u, 'status', CASE WHEN place < 3 THEN 302 ELSE 200 END, 'via', CASE WHEN place = 1 THEN 'start' ELSE 'http_302' END,
                                            'timing_ms', jsonb_build_object('dns', 2, 'connect', 30, 'first_byte', 110, 'total', 120), 'notes', '[]'::jsonb) ORDER BY place)
          FROM unnest(ARRAY[o.tracking_urls->0->>'url', 'https://r.net.example/go?cid=x', 'https://shop-' || o.offer_name || '.example/p?order=7&cid=x'])
               WITH ORDINALITY AS h (u, place)) AS chain
  FROM offers o;
ALTER TABLE bench_found ADD PRIMARY KEY (n);

BEGIN;   -- tables made by the same transaction need no log
SELECT add_archive_day((now() AT TIME ZONE 'UTC')::date - 8 - day) FROM generate_series(0, 29) AS day;
INSERT INTO trace_archive (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, status, ip_assigned, final_url, extracted_params,
                           redirect_chain, retry_count, started_at, completed_at, trace_time_ms, tracer_mode_used, detection_reason, ip_locked_at, wait_time_ms,
                           total_time_ms, max_retries, created_at, priority, attempt, outcome, options, revision, attempts)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid, f.offer_id, f.offer_name,
       f.chain->0->>'url', f.target_country, '{"gclid": "x"}', CASE WHEN i % 20 = 0 THEN 'failed' ELSE 'completed' END::trace_status, 'ip-' || 1 + i % 2000,
       f.chain->2->>'url', '{"cid": "x", "order": "7"}', f.chain, 0, at, at + interval '2 s', 1000 + i % 4000, CASE WHEN i % 5 = 0 THEN 'browser' ELSE 'http_only' END,
       'http_sufficient', at + interval '1 s', 1000, 2000, 2, at, 0, 1, 'ok', '{}', 2, '[]'
  FROM (SELECT i, date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '8 days' - (i::float8 / :archived) * interval '29 days' AS at
          FROM generate_series(1, :archived) AS i) AS click
  JOIN bench_found f ON f.n = click.i % 500;
COMMIT;

-- Live: a week, the last hour as busy as a fifth of it, some waiting.
INSERT INTO active_trace_requests (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, status, ip_assigned, final_url, extracted_params,
                                   redirect_chain, started_at, completed_at, trace_time_ms, tracer_mode_used, detection_reason, ip_locked_at, wait_time_ms,
                                   total_time_ms, max_retries, next_attempt_at, attempt, outcome)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '9000' || lpad(to_hex(i), 12, '0'))::uuid, f.offer_id, f.offer_name,
       f.chain->0->>'url', f.target_country, '{"gclid": "x"}',
       CASE WHEN is_waiting THEN 'pending' WHEN i % 20 = 0 THEN 'failed' ELSE 'completed' END::trace_status, CASE WHEN NOT is_waiting THEN 'ip-' || 1 + i % 2000 END,
       f.chain->2->>'url', '{"cid": "x", "order": "7"}', f.chain, at, CASE WHEN NOT is_waiting THEN at + interval '2 s' END, 1000 + i % 4000,
       CASE WHEN i % 5 = 0 THEN 'browser' ELSE 'http_only' END, 'http_sufficient', at, 1000, 2000, 2, CASE WHEN is_waiting THEN at END, 1, 'ok'
  FROM (SELECT i, i % 33 = 0 AS is_waiting,
               now() - interval '3 s' - CASE WHEN i % 5 = 0 THEN i::float8 / :live * interval '1 hour' ELSE i::float8 / :live * interval '6 days 22 hours' END AS at
          FROM generate_series(1, :live) AS i) AS click
  JOIN bench_found f ON f.n = click.i % 500;
INSERT INTO trace_attempts (request_id, attempt, ip_address, worker, started_at, ended_at, outcome, error, detail, blame, new_status, mode_used, trace_ms, response_ms, wait_ms)
SELECT t.request_id, 1, t.ip_assigned, 'w.1.1', t.ip_locked_at, t.completed_at, 'ok', CASE WHEN t.status = 'failed' THEN 'target_refused' END, NULL,
       CASE WHEN t.status = 'failed' THEN 'target' ELSE 'none' END, t.status, t.tracer_mode_used, t.trace_time_ms, 100, t.wait_time_ms
  FROM active_trace_requests t
 WHERE t.status <> 'pending';

INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued, avg_wait_time_ms,
                                avg_trace_time_ms, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown)
SELECT at, 2000, 1200, 300, 400, 50, 40, 30, 500, 2500, 35, 18000, 900, 95, (SELECT pool_monitor()->'pool_summary')
  FROM (SELECT generate_series(now() - interval '1 day', now(), interval '10 s') UNION ALL
        SELECT generate_series(now() - interval '31 days', now() - interval '1 day', interval '1 minute') UNION ALL
        SELECT generate_series(now() - interval '1 year', now() - interval '31 days', interval '1 hour')) AS moment (at);
SELECT process_heartbeat(jsonb_build_object('incarnation', 'host-' || i || '.1.1', 'program', CASE WHEN i % 3 = 0 THEN 'edge' ELSE 'worker' END, 'host', 'host-' || i, 'pid', i, 'counters', '{}'::jsonb))
  FROM generate_series(1, 60) AS i;
DROP TABLE bench_found;
SET client_min_messages = error;   -- the catalogs are not ours to look at
ANALYZE;
