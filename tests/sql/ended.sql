-- What ended, counted by ten seconds (count_attempts, ended_by_*): a window says exactly what reading all attempts in it would.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
SELECT setseed(0.22);

SELECT add_ips('us', 3), add_ips('ca', 2);
INSERT INTO active_trace_requests (tracking_url, status, next_attempt_at, completed_at, max_retries, offer_name)
SELECT 'https://t.example/', 'failed', NULL, now(), 0, (ARRAY['shoes', 'boots', NULL])[1 + i % 3] FROM generate_series(1, 30) AS i;

-- Attempts of every kind that ended within p_within before now, some by IPs or of requests that are gone.
CREATE FUNCTION end_attempts(p_count integer, p_within interval, p_after interval DEFAULT '0') RETURNS void LANGUAGE sql AS $$
  INSERT INTO trace_attempts (request_id, attempt, ip_address, ended_at, outcome, error, blame, new_status, mode_used, reason, trace_ms, wait_ms)
  SELECT coalesce((SELECT t.request_id FROM active_trace_requests t WHERE dice.d % 4 > 0 OFFSET dice.d % 29 LIMIT 1), gen_random_uuid()),
         (SELECT coalesce(max(attempt), 0) FROM trace_attempts) + dice.i, (ARRAY['us-1', 'us-2', 'us-3', 'ca-1', 'ca-2', 'gone', NULL])[1 + dice.d % 7],
         clock_timestamp() - p_after - random() * (p_within - p_after), (ARRAY['ok', 'error', 'timeout', 'loop'])[1 + dice.d % 4],
         (ARRAY[NULL, 'target_tls', 'target_refused'])[1 + dice.d % 3], 'none',
         (ARRAY['completed', 'completed', 'completed', 'failed', 'timeout', 'pending'])[1 + dice.d % 6]::trace_status,
         (ARRAY['http_only', 'browser', NULL])[1 + dice.d % 3], (ARRAY['http_sufficient', 'js_redirect', NULL])[1 + dice.d % 3],
         CASE WHEN dice.d % 5 > 0 THEN dice.d % 40000 END, CASE WHEN dice.d % 8 > 0 THEN dice.d % 90000 END
    FROM (SELECT i, floor(random() * 1000000)::integer AS d FROM generate_series(1, p_count) AS i) AS dice
$$;

-- Both ways over the same time: {} when they agree.
CREATE FUNCTION kinds_differ(p_from timestamptz, p_to timestamptz) RETURNS SETOF record LANGUAGE sql AS $$
  (SELECT k.mode_used, k.outcome, k.new_status, k.is_auto, sum(k.attempts)::bigint, sum(k.traced)::bigint, sum(k.trace_ms)::bigint, sum(k.waited)::bigint, sum(k.wait_ms)::bigint
     FROM ended_by_kind(p_from, p_to) AS k GROUP BY 1, 2, 3, 4)
  EXCEPT
  (SELECT a.mode_used, a.outcome, a.new_status, a.reason IS NOT NULL, count(*), count(a.trace_ms), coalesce(sum(a.trace_ms), 0), count(a.wait_ms), coalesce(sum(a.wait_ms), 0)
     FROM trace_attempts a WHERE a.ended_at >= p_from AND a.ended_at < p_to GROUP BY 1, 2, 3, 4)
$$;
CREATE FUNCTION attempts_missed(p_from timestamptz, p_to timestamptz) RETURNS bigint LANGUAGE sql AS $$
  SELECT (SELECT count(*) FROM trace_attempts a WHERE a.ended_at >= p_from AND a.ended_at < p_to)
         - (SELECT coalesce(sum(k.attempts), 0) FROM ended_by_kind(p_from, p_to) AS k)
$$;
CREATE FUNCTION countries_differ(p_from timestamptz) RETURNS SETOF record LANGUAGE sql AS $$
  (SELECT c.country, sum(c.attempts)::bigint, sum(c.completed)::bigint, sum(c.failed)::bigint, round(sum(c.trace_ms) / nullif(sum(c.traced), 0)), round(sum(c.wait_ms) / nullif(sum(c.waited), 0))
     FROM ended_by_country(p_from) AS c GROUP BY 1)
  EXCEPT
  (SELECT p.country, count(*), count(*) FILTER (WHERE a.new_status = 'completed'), count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout')),
          round(avg(a.trace_ms) FILTER (WHERE a.new_status = 'completed')), round(avg(a.wait_ms))
     FROM trace_attempts a LEFT JOIN ip_rotation_pool p USING (ip_address) WHERE a.ended_at >= p_from GROUP BY 1)
$$;
-- Windows of all lengths up to an hour, so that their ends lie anywhere in their ten seconds.
CREATE TEMP TABLE stretches AS
SELECT now() - length.s * interval '1 s' AS first, now() - length.s * ends.part * interval '1 s' AS last
  FROM (SELECT generate_series(3, 3600, 211.7) AS s) AS length CROSS JOIN (VALUES (-1.0), (0.0), (0.3), (0.9)) AS ends (part);
CREATE FUNCTION agrees(p_what text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT is((SELECT count(*) FROM stretches AS s WHERE attempts_missed(s.first, s.last) <> 0), 0::bigint, p_what || ': every attempt is there')
   UNION ALL
  SELECT is((SELECT count(*) FROM stretches AS s
              CROSS JOIN LATERAL kinds_differ(s.first, s.last) AS d (a text, b text, c trace_status, d boolean, e bigint, f bigint, g bigint, h bigint, i bigint)),
            0::bigint, p_what || ': with all that is counted by kind')
   UNION ALL
  SELECT is((SELECT count(*) FROM stretches AS s CROSS JOIN LATERAL countries_differ(s.first) AS d (a text, b bigint, c bigint, d bigint, e numeric, f numeric)),
            0::bigint, p_what || ': and by country');
$$;

-- A call counts ten minutes at most.
CREATE FUNCTION count_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 7 LOOP
    PERFORM count_attempts();
  END LOOP;
END $$;

SELECT is((SELECT count(*) FROM ended_by_kind(now() - interval '1 hour')) + (SELECT count(*) FROM ended_by_country(now() - interval '1 hour')), 0::bigint, 'nothing ended');
SELECT end_attempts(3000, '70 minutes');
SELECT agrees('before anything was counted');
SELECT count_attempts();
SELECT agrees('while only some of it is counted');
SELECT count_all();
SELECT ok((SELECT counted_to BETWEEN now() - interval '20 s' AND clock_timestamp() - interval '10 s' FROM attempts_counted),
          'counted as far as all will have been committed');
SELECT ok((SELECT count(*) FROM attempts_by_kind) > 100 AND (SELECT count(*) FROM attempts_by_country) > 100, 'an hour is counted');
SELECT ok((SELECT min(at) FROM attempts_by_kind) >= now() - interval '62 minutes', 'and no more than that');
SELECT is((SELECT count(*) FROM attempts_by_kind WHERE at <> date_bin('10 s', at, 'epoch')), 0::bigint, 'by tens of seconds');
SELECT agrees('counted');
SELECT end_attempts(200, '5 s');
SELECT agrees('with what ended since');
SELECT count_all();
SELECT agrees('counted twice is counted once');

-- The numbers that are made of them, as they were when each of them read all attempts. None ends where a window of these
-- begins, so that it does not matter how long the test takes.
DELETE FROM trace_attempts a
 WHERE a.ended_at > now() - interval '65 s'
    OR a.ended_at BETWEEN now() - interval '301 s' AND now() - interval '240 s';
UPDATE attempts_counted SET counted_to = '-infinity';
SELECT count_all(), end_attempts(100, '2 s');
SELECT is((SELECT pool_monitor()->'performance'), (
  SELECT jsonb_build_object(
           'completed_last_5min', count(*) FILTER (WHERE a.new_status = 'completed'),
           'avg_trace_time_ms', coalesce(round(avg(a.trace_ms) FILTER (WHERE a.new_status = 'completed')), 0),
           'http_only_count', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'http_only'),
           'browser_count', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'browser'))
    FROM trace_attempts a WHERE a.ended_at > clock_timestamp() - interval '5 minutes'), 'pool_monitor: performance');
SELECT is((SELECT pool_monitor() #>> '{health,success_rate_5min}'), (
  SELECT round(100.0 * count(*) FILTER (WHERE a.new_status = 'completed') / count(*) FILTER (WHERE a.new_status <> 'pending'))::text
    FROM trace_attempts a WHERE a.ended_at > clock_timestamp() - interval '5 minutes'), 'pool_monitor: success rate');
SELECT record_pool_statistics();
SELECT is((SELECT (completed_requests_1h, failed_requests_1h)::text FROM ip_pool_statistics), (
  SELECT (count(*) FILTER (WHERE a.new_status = 'completed'), count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout')))::text
    FROM trace_attempts a, ip_pool_statistics s WHERE a.ended_at > s.recorded_at - interval '1 hour'), 'a snapshot: the hour');
SELECT is((SELECT avg_wait_time_ms FROM ip_pool_statistics), (
  SELECT round(avg(a.wait_ms))::integer FROM trace_attempts a, ip_pool_statistics s WHERE a.ended_at > s.recorded_at - interval '5 minutes'), 'a snapshot: waits');
SELECT is((SELECT last_minute - 'clicks' - 'skipped' FROM ip_pool_statistics), (
  SELECT jsonb_build_object('http_only', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'http_only'),
                            'browser', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'browser'),
                            'failed', count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout')))
    FROM trace_attempts a, ip_pool_statistics s WHERE a.ended_at > s.recorded_at - interval '1 minute'), 'a snapshot: the last minute');
SELECT is((SELECT jsonb_object_agg(c.key, c.value - '{total,available,locked,cooldown,healthy,unhealthy,pending,processing}'::text[])
             FROM ip_pool_statistics, jsonb_each(country_breakdown) AS c), (
  SELECT jsonb_object_agg(g.country, to_jsonb(g) - 'country')
    FROM (SELECT p.country, round(avg(a.wait_ms)) AS avg_wait_time_ms, round(avg(a.trace_ms) FILTER (WHERE a.new_status = 'completed')) AS avg_trace_time_ms,
                 count(*) FILTER (WHERE a.new_status = 'completed') AS completed, count(*) FILTER (WHERE a.new_status IN ('failed', 'timeout')) AS failed
            FROM ip_pool_statistics s, trace_attempts a JOIN ip_rotation_pool p USING (ip_address)
           WHERE a.ended_at > s.recorded_at - interval '5 minutes' GROUP BY 1) AS g), 'a snapshot: countries');
SELECT is((SELECT promises->'http_only'->>'traces' FROM ip_pool_statistics), (
  SELECT count(*)::text FROM trace_attempts a, ip_pool_statistics s
   WHERE a.ended_at > s.recorded_at - interval '5 minutes' AND a.reason IS NOT NULL AND a.new_status = 'completed'), 'promises: traces of mode auto');
SELECT is((SELECT promises - '{edge,utilization}'::text[] FROM ip_pool_statistics), promises(pool_monitor()) - '{edge,utilization}'::text[], 'promises, counted along or by themselves');
SELECT is((SELECT (promises #>> '{throughput,per_minute}')::numeric FROM ip_pool_statistics), (
  SELECT round(count(*) / 5.0, 2) FROM trace_attempts a, ip_pool_statistics s
   WHERE a.ended_at > s.recorded_at - interval '5 minutes' AND a.new_status <> 'pending'), 'promises: throughput');
SELECT is((SELECT jsonb_object_agg(l.subject, l.value) FROM alert_levels(pool_monitor(), '{}', 30000, 0) AS l WHERE l.rule = 'certificate_errors'), (
  SELECT jsonb_object_agg(g.offer, g.n) FROM (SELECT coalesce(t.offer_name, '') AS offer, count(*) AS n FROM trace_attempts a JOIN active_trace_requests t USING (request_id)
   WHERE a.ended_at > clock_timestamp() - interval '5 minutes' AND a.error = 'target_tls' GROUP BY 1) AS g), 'certificate errors by offer');
SELECT is((SELECT dashboard_overview(30000)->'ends'), (
  SELECT jsonb_agg(to_jsonb(e) ORDER BY e.traces DESC, e.mode, e.outcome, e.status)
    FROM (SELECT coalesce(a.mode_used, 'none') AS mode, a.outcome, a.new_status AS status, count(*) AS traces FROM trace_attempts a
           WHERE a.ended_at > clock_timestamp() - interval '5 minutes' AND a.new_status <> 'pending' GROUP BY 1, 2, 3) AS e), 'dashboard: how traces ended');
SELECT is((SELECT (dashboard_overview(30000)->'traces') - '{wait_ms,trace_ms}'::text[]), (
  SELECT jsonb_build_object('last_minute', count(*) FILTER (WHERE a.new_status <> 'pending' AND a.ended_at > clock_timestamp() - interval '1 minute'),
                            'retries', count(*) FILTER (WHERE a.new_status = 'pending'),
                            'http_only', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'http_only'),
                            'browser', count(*) FILTER (WHERE a.new_status = 'completed' AND a.mode_used = 'browser'))
    FROM trace_attempts a WHERE a.ended_at > clock_timestamp() - interval '5 minutes'), 'dashboard: rates');

-- A commit that came after its ten seconds were counted
SELECT end_attempts(50, '160 s', '140 s');
SELECT isnt(attempts_missed(now() - interval '5 minutes', 'infinity'), 0::bigint, 'a result that was committed late is not there at once');
UPDATE attempts_counted SET counted_to = counted_to - interval '40 s';   -- as if the monitor had looked a little earlier
SELECT count_all();
SELECT agrees('two minutes later it is');

-- A monitor that was away, and a clock that was turned back
UPDATE attempts_counted SET counted_to = counted_to - interval '20 minutes';
DELETE FROM attempts_by_kind WHERE at >= (SELECT counted_to FROM attempts_counted);
DELETE FROM attempts_by_country WHERE at >= (SELECT counted_to FROM attempts_counted);
SELECT agrees('while nobody counts');
SELECT count_all();
SELECT agrees('what was missed is made up for');
UPDATE attempts_counted SET counted_to = counted_to - interval '1 day';
SELECT count_all();
SELECT agrees('after a day too');
UPDATE attempts_counted SET counted_to = counted_to + interval '1 hour';
UPDATE attempts_by_kind SET at = at + interval '1 hour';
UPDATE attempts_by_country SET at = at + interval '1 hour';
SELECT count_all();
SELECT agrees('counted by a clock that was ahead');

-- The counts go by themselves
UPDATE attempts_by_kind SET at = at - interval '30 minutes';
UPDATE attempts_by_country SET at = at - interval '30 minutes';
UPDATE attempts_counted SET counted_to = counted_to - interval '30 minutes';
SELECT count_all();
SELECT ok((SELECT min(at) FROM attempts_by_kind) >= now() - interval '62 minutes', 'none is older than an hour');

SELECT * FROM finish();
ROLLBACK;
