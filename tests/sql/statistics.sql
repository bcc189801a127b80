-- Snapshots: what they hold of each country and of the promises, and how they thin out.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- Countries
SELECT add_ips('us', 4), add_ips('ca', 2);
SELECT add_request('us', '10 s') FROM generate_series(1, 3);
SELECT add_request('ca', '30 s');
SELECT add_request('fr', '1 hour');
SELECT claimed(4);
SELECT finish(request_id, 'ok', 'none', 50, '{"mode_used": "http_only", "reason": "http_sufficient", "trace_ms": 2000}')
  FROM active_trace_requests WHERE ip_assigned = 'us-1';
SELECT finish(request_id, 'error', 'target', 50, '{"trace_ms": 9000}') FROM active_trace_requests WHERE ip_assigned = 'us-2';
SELECT finish(request_id, 'ok', 'none', 50, '{"mode_used": "browser", "reason": "js_redirect", "trace_ms": 6000}')
  FROM active_trace_requests WHERE ip_assigned = 'ca-1';
SELECT record_pool_statistics();
CREATE FUNCTION place(p_country text) RETURNS jsonb LANGUAGE sql AS $$ SELECT country_breakdown->p_country FROM ip_pool_statistics $$;
SELECT is(place('us') - 'avg_wait_time_ms', '{"total": 4, "available": 1, "locked": 1, "cooldown": 2, "healthy": 4, "unhealthy": 0,
            "pending": 0, "processing": 1, "avg_trace_time_ms": 2000, "completed": 1, "failed": 1}', 'a country: pool, queue, times');
SELECT ok((place('us')->>'avg_wait_time_ms')::integer BETWEEN 10000 AND 12000, 'its waits, from the click to the claim');
SELECT ok((place('ca')->>'avg_wait_time_ms')::integer BETWEEN 30000 AND 32000, 'which are each country''s own');
SELECT is((place('ca')->>'avg_trace_time_ms')::integer, 6000, 'and its times');
SELECT is(place('fr'), '{"total": 0, "available": 0, "locked": 0, "cooldown": 0, "healthy": 0, "unhealthy": 0, "pending": 1,
            "processing": 0, "avg_wait_time_ms": null, "avg_trace_time_ms": null, "completed": 0, "failed": 0}', 'a country without an IP');

-- Promises
CREATE FUNCTION promised(VARIADIC p_path text[]) RETURNS text LANGUAGE sql AS $$ SELECT promises(pool_monitor()) #>> p_path $$;
SELECT is(promised('http_only'), '{"traces": 2, "percent": 50.0, "expected_percent": 80}', 'of the auto traces, half needed no browser');
SELECT is((SELECT reason FROM trace_attempts WHERE ip_address = 'us-2'), NULL, 'a trace in another mode is none of them');
SELECT is(promised('throughput'), '{"percent": 10.9, "per_minute": 0.60, "ceiling_per_minute": 5.48}',
          'three in 5 minutes; six IPs could do one each in 60 s of cooldown and the mean time');
SELECT is(promised('utilization', 'percent'), '67', 'the pool is busy');
SELECT is((SELECT promises #>> '{http_only,percent}' FROM ip_pool_statistics), '50.0', 'snapshots keep them');

CREATE FUNCTION edge_says(p_host text, p_answers integer, p_200 integer, p_500 integer, p_incarnation text DEFAULT 'e1')
RETURNS void LANGUAGE sql AS $$
  SELECT process_heartbeat(jsonb_build_object('incarnation', p_host || p_incarnation, 'program', 'edge', 'host', p_host, 'pid', 1, 'counters',
    jsonb_build_object('tracepool_edge_answer_seconds_count', p_answers,
      'tracepool_edge_answer_seconds_bucket{le="0.2"}', p_answers - p_200, 'tracepool_edge_answer_seconds_bucket{le="0.5"}', p_answers - p_500)));
  SELECT record_pool_statistics();
$$;
DELETE FROM ip_pool_statistics;
SELECT is(promised('edge', 'answers'), NULL, 'no edge, no answers');
SELECT edge_says('a', 10000, 5, 2);
SELECT is(promised('edge', 'answers'), '0', 'what was answered before anybody looked does not count');
SELECT edge_says('a', 10800, 13, 3);
SELECT edge_says('a', 11000, 13, 3);
SELECT is(promised('edge'), '{"answers": 1000, "over_200ms": 8, "over_500ms": 1, "over_200ms_percent": 0.8000, "over_500ms_percent": 0.1000}',
          'from then on it does');
SELECT edge_says('b', 500, 0, 0);
SELECT edge_says('b', 700, 1, 1);
SELECT is(promised('edge', 'answers'), '1200', 'hosts are added up');
SELECT is(promised('edge', 'over_500ms'), '2', 'and their slow answers');
DELETE FROM process_heartbeats WHERE host = 'a';
SELECT edge_says('a', 100, 1, 0, 'e2');
SELECT is(promised('edge', 'answers'), '1300', 'an edge that was restarted counts from nothing');
SELECT edge_says('a', 90, 1, 0, 'e3');
SELECT is((SELECT edge_answers->'a'->>'answers' FROM ip_pool_statistics ORDER BY id DESC LIMIT 1), '100',
          'of children of one edge, who all tell the same, the newest word counts');
UPDATE ip_pool_statistics SET recorded_at = recorded_at - interval '5 minutes';
SELECT is(promised('edge', 'answers'), NULL, 'five minutes ago is past');

-- Thinning
DELETE FROM ip_pool_statistics;
CREATE FUNCTION add_snapshots(p_from timestamptz, p_count integer, p_every interval) RETURNS void LANGUAGE sql AS $$
  INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests,
                                  requests_queued, pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min,
                                  country_breakdown)
  SELECT p_from + i * p_every, 100, 50, i % 37, 50, 0, 0, 0, 50, 0, 0, 100, '{}' FROM generate_series(0, p_count - 1) AS i
$$;
CREATE FUNCTION thinned() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_total integer := 0;
  v_count integer;
BEGIN
  FOR i IN 1..1000 LOOP
    v_count := thin_statistics();
    v_total := v_total + v_count;
    EXIT WHEN v_count = 0 AND i > 100;
  END LOOP;
  RETURN v_total;
END $$;
CREATE FUNCTION kept(p_from interval, p_to interval) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM ip_pool_statistics WHERE recorded_at >= date_trunc('hour', now()) - p_from AND recorded_at < date_trunc('hour', now()) - p_to
$$;
SELECT add_snapshots(date_trunc('hour', now()) - interval '50 hours', 360 * 50, '10 s');
SELECT is(thin_statistics(60), 300, 'a slice of 60 minutes: five of six snapshots in each');
SELECT is((SELECT count(*) FROM ip_pool_statistics WHERE step_s = 60), 60::bigint, 'and the sixth is kept as the minute''s');
SELECT ok(thinned() > 0, 'the rest of them');
SELECT is(kept('23 hours', '0'), 360 * 23::bigint, 'the last day has every snapshot');
SELECT is(kept('50 hours', '25 hours'), 60 * 25::bigint, 'before, one a minute');
SELECT is((SELECT count(*) FROM (SELECT FROM ip_pool_statistics WHERE step_s = 60 GROUP BY date_trunc('minute', recorded_at) HAVING count(*) > 1) AS twice),
          0::bigint, 'never two of a minute');
SELECT is((SELECT max(locked_ips) FROM ip_pool_statistics WHERE step_s = 60), 36, 'the busiest: peaks are kept');
SELECT is(thinned(), 0, 'done is done');
DELETE FROM ip_pool_statistics;
SELECT add_snapshots(date_trunc('hour', now()) - interval '33 days', 1440 * 3, '1 minute');
SELECT ok(thinned() > 0, 'older than a month');
SELECT is(kept('33 days', '31 days 1 hour'), 47::bigint, 'one an hour');
SELECT is(kept('31 days', '30 days'), 1440::bigint, 'within a month one a minute');
SELECT add_snapshots(now() - interval '400 days', 10, '1 hour');
SELECT ok(thinned() > 0, 'older than trace_policy.history_days');
SELECT is(kept('500 days', '367 days'), 0::bigint, 'nothing');
SELECT is((SELECT count(*) FROM ip_pool_statistics WHERE recorded_at > now() - interval '33 days' - interval '1 hour') > 1000, true, 'and no more than that');

-- Certificates
SELECT add_request('us');
SELECT end_cooldowns();
SELECT claimed(1);
SELECT finish(request_id, 'ok', 'none', 50, '{"chain": [
  {"url": "https://A.test:8443/x", "tls": {"not_after": "2030-01-31T12:00:00Z", "issuer": "CN=Some CA"}},
  {"url": "https://user@b.test/", "tls": {"not_after": "2031-01-31T12:00:00Z"}},
  {"url": "https://c.test/", "tls": {"not_after": "soon"}}, {"url": "http://d.test/", "tls": null}]}')
  FROM active_trace_requests WHERE status = 'processing' AND ip_assigned NOT IN ('us-4');
SELECT finish(request_id, 'ok', 'none', 50, '{"chain": "no list"}') FROM active_trace_requests WHERE status = 'processing';
SELECT ok(note_certificates() >= 0, 'certificates of the newest traces');
SELECT ok((SELECT count(*) FROM target_certificates WHERE host IN ('c.test', 'd.test')) = 0, 'what tells no end is none');

SELECT * FROM finish();
ROLLBACK;
