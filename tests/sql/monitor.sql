-- pool_monitor, record_pool_statistics and what they count with.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
CREATE FUNCTION shown(p_path text[]) RETURNS text LANGUAGE sql AS $$ SELECT pool_monitor() #>> p_path $$;

-- An empty house
SELECT is(pool_monitor() - 'timestamp', '{
  "pool_summary": {}, "active_requests": {"total": 0, "pending": 0, "processing": 0, "by_country": {}},
  "performance": {"completed_last_5min": 0, "avg_trace_time_ms": 0, "http_only_count": 0, "browser_count": 0},
  "health": {"pool_utilization_percent": 0, "available_ips": 0, "queue_depth": 0, "success_rate_5min": 100}}',
  'nothing there: zeros, and all well');
SELECT matches(pool_monitor()->>'timestamp', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'an ISO time');
SELECT lives_ok('SELECT record_pool_statistics()', 'a snapshot of nothing');

-- The original's example, small: 10 US IPs, of which 2 locked, 3 resting, 1 unhealthy; requests in two countries.
SELECT add_ips('us', 10), add_ips('ca', 2);
SELECT add_request('us') FROM generate_series(1, 5);
SELECT claimed(5);
SELECT finish(request_id, 'ok', 'none', 50, '{"mode_used": "http_only", "trace_ms": 3000}')
  FROM active_trace_requests WHERE ip_assigned IN ('us-1', 'us-2');
SELECT finish(request_id, 'ok', 'none', 50, '{"mode_used": "browser", "trace_ms": 6000}')
  FROM active_trace_requests WHERE ip_assigned = 'us-3';
UPDATE ip_rotation_pool SET is_healthy = false WHERE ip_address = 'us-10';
SELECT add_request('ca') FROM generate_series(1, 3);
SELECT add_request('fr', '-1 hour');
SELECT is(pool_monitor()->'pool_summary', '{
  "us": {"total": 10, "available": 4, "locked": 2, "cooldown": 3, "healthy": 9, "unhealthy": 1},
  "ca": {"total": 2, "available": 2, "locked": 0, "cooldown": 0, "healthy": 2, "unhealthy": 0}}', 'the pool by country');
SELECT is(pool_monitor()->'active_requests',
          '{"total": 6, "pending": 4, "processing": 2, "by_country": {"us": 2, "ca": 3, "fr": 1}}', 'the requests');
SELECT is(pool_monitor()->'performance',
          '{"completed_last_5min": 3, "avg_trace_time_ms": 4000, "http_only_count": 2, "browser_count": 1}', 'the performance');
SELECT is(shown('{health,pool_utilization_percent}'), '42', '(locked + cooldown) / total');
SELECT is(shown('{health,available_ips}'), '6', 'IPs that can be used now');
SELECT is(shown('{health,queue_depth}'), '4', 'the queue''s depth is what is pending, whenever it is due');
SELECT is(shown('{health,success_rate_5min}'), '100', 'all went well');
SELECT finish(request_id, 'timeout', 'target') FROM active_trace_requests WHERE ip_assigned = 'us-4';
SELECT is(shown('{health,success_rate_5min}'), '75', 'three of four');
SELECT finish(request_id, 'error+retry', 'target') FROM active_trace_requests WHERE ip_assigned = 'us-5';
SELECT is(shown('{health,success_rate_5min}'), '75', 'a retry to come is no failure yet');
SELECT end_cooldowns();
SELECT is(shown('{pool_summary,us,available}'), '9', 'a cooldown that is over counts as available');
SELECT is(shown('{pool_summary,us,cooldown}'), '0', 'whatever status says');
UPDATE trace_attempts SET ended_at = ended_at - interval '6 min';
UPDATE attempts_counted SET counted_to = '-infinity';   -- what is counted is counted
SELECT is(shown('{performance,completed_last_5min}'), '0', 'five minutes ago is past');
SELECT is(shown('{health,success_rate_5min}'), '100', 'nothing ended: 100');

-- Snapshots
DELETE FROM ip_pool_statistics;
SELECT record_pool_statistics();
SELECT is((SELECT (total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued,
                   completed_requests_1h, failed_requests_1h, pool_utilization_percent)::text FROM ip_pool_statistics),
          '(12,11,0,0,1,5,5,3,1,0)', 'a snapshot has the same numbers, and the hour''s');
SELECT is((SELECT country_breakdown->'ca'->'total' FROM ip_pool_statistics), '2', 'and the countries');

-- Counting a long queue
SELECT results_eq('SELECT * FROM queue_depths() ORDER BY country', $$VALUES ('ca', 3::bigint), ('fr', 1::bigint), ('us', 1::bigint)$$,
                  'small queues are counted');
INSERT INTO active_trace_requests (tracking_url, target_country, max_retries)
SELECT 'https://t.example/', 'us', 2 FROM generate_series(1, 10100);
SELECT ok((SELECT pending FROM queue_depths() WHERE country = 'us') >= 10000, 'a long one is at least as long as was counted');
SELECT is((SELECT pending FROM queue_depths() WHERE country = 'ca'), 3::bigint, 'beside a short one that is exact');
SELECT is(ARRAY(SELECT * FROM queue_countries() ORDER BY 1), '{ca,fr,us}', 'countries of the queue');
SELECT is(ARRAY(SELECT unnest(pool_countries()) ORDER BY 1), '{ca,us}', 'countries of the pool');
UPDATE ip_rotation_pool SET is_healthy = false WHERE country = 'ca';
SELECT is(ARRAY(SELECT unnest(pool_countries()) ORDER BY 1), '{ca,us}', 'with those where all are unhealthy');
DELETE FROM ip_rotation_pool;
SELECT is(pool_countries(), NULL, 'none in an empty pool');

-- What `check` names
INSERT INTO ip_rotation_pool (ip_address, provider) VALUES ('a', 'other'), ('b', 'nobody'), ('c', 'nobody');
SELECT results_eq('SELECT * FROM unknown_providers()', $$VALUES ('nobody', 2::bigint)$$, 'providers that are not configured');

-- Signs of life
SELECT process_heartbeat('{"incarnation": "h.1.1", "program": "edge", "host": "h", "pid": 1, "version": "0.1",
                           "started_ms_ago": 5000, "counters": {"clicks": 1}, "spool_age_s": 0.5}');
SELECT process_heartbeat('{"incarnation": "h.1.1", "program": "edge", "host": "h", "pid": 1, "version": "0.1",
                           "started_ms_ago": 9000, "counters": {"clicks": 7}, "spool_age_s": null}');
SELECT is((SELECT (program, host, pid, version, in_seconds(started_at), in_seconds(seen_at), counters, spool_age_s)::text
             FROM process_heartbeats), '(edge,h,1,0.1,-5,0,"{""clicks"": 7}",)', 'one row per incarnation, kept up to date');
SELECT throws_ok($$SELECT process_heartbeat('{"incarnation": "x", "program": "other", "host": "h", "pid": 1}')$$, '23514', NULL,
                 'from our own programs');

SELECT * FROM finish();
ROLLBACK;
