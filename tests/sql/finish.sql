-- finish_traces: the edges of a request's life, the fence, and what is remembered.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
SELECT add_ips('us', 1);

-- Completed, with everything that came out.
SELECT add_request('us', '7 s') AS r \gset
SELECT claim();
UPDATE active_trace_requests SET ip_locked_at = ip_locked_at - interval '3 s', revision = revision + 1;
SELECT is(finish(:'r', 'ok', 'none', 250, '{"final_url": "https://f.example/", "params": {"gclid": "1"},
                  "chain": [{"url": "https://t.example/"}], "mode_used": "http_only", "reason": "http_sufficient",
                  "trace_ms": 2900, "kb": 1.5}'), 'completed', 'ok completes');
SELECT is((SELECT (final_url, extracted_params, redirect_chain, tracer_mode_used, detection_reason, bandwidth_kb,
                   error_code, error_message, outcome)::text FROM active_trace_requests WHERE request_id = :'r'),
          (SELECT ('https://f.example/'::text, '{"gclid": "1"}'::jsonb, '[{"url": "https://t.example/"}]'::jsonb,
                   'http_only'::text, 'http_sufficient'::text, 1.5, NULL::text, NULL::text, 'ok'::text)::text),
          'the result is kept');
SELECT is((request(:'r')).trace_time_ms, 2900, 'trace time is the worker''s, by its monotonic clock');
SELECT is((request(:'r')).total_time_ms / 1000, 7, 'total time counts from the click');
SELECT is(in_seconds((request(:'r')).completed_at), 0, 'it ended now');
SELECT is((request(:'r')).next_attempt_at, NULL, 'nobody claims it again');
SELECT is((ip('us-1')).status, 'cooldown', 'the IP rests');
SELECT is(in_seconds((ip('us-1')).locked_until), 60, 'for its cooldown');
SELECT is((ip('us-1')).locked_by_request, NULL, 'free of its lease');
SELECT is((SELECT (total_uses, success_count, failure_count, avg_response_time_ms, consecutive_failures)::text
             FROM ip_rotation_pool), '(1,1,0,250,0)', 'with its counters');
SELECT results_eq(format('SELECT attempt, ip_address, worker, outcome, error, blame, new_status::text, mode_used, trace_ms, response_ms FROM trace_attempts WHERE request_id = %L', :'r'),
                  $$VALUES (1, 'us-1', 'w1', 'ok', NULL, 'none', 'completed', 'http_only', 2900, 250)$$,
                  'the attempt is remembered');
SELECT add_request() AS other \gset
SELECT is(claimed(), 0::bigint, 'an IP is not used within its cooldown');
SELECT end_cooldowns();
SELECT is(claimed(), 1::bigint, 'and is afterwards, without any sweeper');

-- Finishing is a HOT update: no index is touched.
SELECT n_tup_hot_upd AS hot, n_tup_upd AS all FROM pg_stat_xact_user_tables WHERE relname = 'active_trace_requests' \gset
SELECT is(finish(:'other', 'ok', 'none', 10, jsonb_build_object('chain', repeat('x', 1000))), 'completed', '(one more)');
SELECT results_eq(format('SELECT n_tup_hot_upd - %s, n_tup_upd - %s FROM pg_stat_xact_user_tables WHERE relname = ''active_trace_requests''',
                         :hot, :all), 'VALUES (1::bigint, 1::bigint)', 'finishing a trace is one HOT update');

-- Evidence: of the accepted attempt, as text or as bytes; once.
SELECT add_request() AS seen \gset
SELECT end_cooldowns();
SELECT claim();
SELECT is(finish(:'seen', 'ok', 'none', 10, '{"evidence": [
                  {"kind": "har", "content_type": "application/json", "body": "{\"log\": \"\u00e9\"}"},
                  {"kind": "screenshot", "content_type": "image/webp", "body": "AAEC", "is_base64": true}]}'),
          'completed', '(with evidence)');
SELECT results_eq(format('SELECT attempt, kind, content_type, body FROM trace_evidence WHERE request_id = %L ORDER BY kind', :'seen'),
                  $$VALUES (1, 'har', 'application/json', convert_to('{"log": "é"}', 'UTF8')),
                           (1, 'screenshot', 'image/webp', '\x000102'::bytea)$$, 'evidence is kept with its attempt');
SELECT is(finish(:'seen', 'ok', 'none', 10, '{"evidence": [{"kind": "cookies", "content_type": "text/plain", "body": ""}]}'),
          'refused', '(late)');
SELECT is((SELECT count(*) FROM trace_evidence), 2::bigint, 'a refused result leaves none');

-- The table of outcomes.
CREATE FUNCTION once(p_outcome text, p_blame text DEFAULT 'target') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
BEGIN
  DELETE FROM active_trace_requests;
  UPDATE ip_rotation_pool SET status = 'available';
  v_id := add_request();
  PERFORM claim();
  RETURN finish(v_id, p_outcome, p_blame);
END $$;
SELECT is(once(o.outcome), o.status, o.outcome || ' is ' || o.status)
  FROM (VALUES ('ok', 'completed'), ('external_scheme', 'completed'), ('timeout', 'timeout'), ('loop', 'failed'),
               ('too_many_hops', 'failed'), ('blocked', 'failed'), ('error', 'failed'),
               ('timeout+retry', 'pending'), ('error+retry', 'pending')) AS o (outcome, status);
SELECT is(once('ok+retry'), 'completed', 'success is not tried again');

-- Retries: pause, count, end.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
UPDATE trace_policy SET cooldown_s = 0;
SELECT add_request() AS r \gset
SELECT claim();
SELECT is(finish(:'r', 'timeout+retry', 'target'), 'pending', 'worth another attempt: pending');
SELECT is((request(:'r')).retry_count, 1, 'one retry counted');
SELECT ok((request(:'r')).next_attempt_at - clock_timestamp() BETWEEN interval '3.5 s' AND interval '6.3 s',
          'after the first pause, give or take a quarter');
SELECT is((request(:'r')).error_message, 'target_refused', 'with the reason');
SELECT is((request(:'r')).completed_at, NULL, 'it has not ended');
SELECT is(claimed(), 0::bigint, 'not claimable before');
SELECT end_backoffs();
SELECT claim();
SELECT is((request(:'r')).attempt, 2, 'the second attempt');
SELECT is(finish(:'r', 'timeout+retry', 'target'), 'pending', 'pending again');
SELECT ok((request(:'r')).next_attempt_at - clock_timestamp() BETWEEN interval '7 s' AND interval '12.6 s',
          'after twice the pause');
SELECT end_backoffs();
SELECT claim();
SELECT is(finish(:'r', 'timeout+retry', 'target', 100, '{"detail": "GET https://t.example: no answer"}'), 'timeout',
          'no retries left: timeout');
SELECT is((request(:'r')).retry_count, 2, 'retries never pass their maximum');
SELECT is((request(:'r')).error_message, 'target_refused: GET https://t.example: no answer', 'error and detail');
SELECT is((SELECT count(*) FROM trace_attempts WHERE request_id = :'r'), 3::bigint, 'three attempts remembered');
SELECT is((SELECT success_count FROM ip_rotation_pool), (SELECT total_uses FROM ip_rotation_pool),
          'the target''s fault never counts against the IP');

-- A worker's machine that has run out of ports says nothing about proxy and target, for as long as a request may wait.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available', consecutive_failures = 2;
UPDATE trace_policy SET max_retries = 0;
SELECT add_request() AS r \gset
SELECT claim();
SELECT is(finish(:'r', 'error+retry', 'us', NULL, '{"error": "host_exhausted"}'), 'pending', 'a machine at its end: pending, whatever max_retries says');
SELECT is((SELECT (retry_count, max_retries, error_code)::text FROM active_trace_requests), '(0,0,host_exhausted)', 'no retry is used up');
SELECT ok((request(:'r')).next_attempt_at > clock_timestamp(), 'but it is not tried again at once');
SELECT is((SELECT (status, consecutive_failures, failure_count)::text FROM ip_rotation_pool), '(cooldown,2,0)', 'and the IP''s health stays what it was');
UPDATE active_trace_requests SET next_attempt_at = clock_timestamp(), revision = revision + 1,
       started_at = clock_timestamp() - (SELECT queue_ttl_s FROM trace_policy) * interval '1 s';
SELECT claim();
SELECT is(finish(:'r', 'error+retry', 'us', NULL, '{"error": "host_exhausted"}'), 'failed', 'not for ever');
UPDATE ip_rotation_pool SET consecutive_failures = 0;
UPDATE trace_policy SET cooldown_s = 60, max_retries = 2;

-- The fence: only the attempt that runs, on its IP, for its worker, once.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request() AS r \gset
SELECT claim();
CREATE TEMP TABLE before AS SELECT t::text AS request, p::text AS ip FROM active_trace_requests t, ip_rotation_pool p;
CREATE FUNCTION result(p_more jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_array(jsonb_build_object('request_id', t.request_id, 'attempt', 1, 'ip', 'us-1', 'outcome', 'ok') || p_more)
    FROM active_trace_requests t
$$;
SELECT is((SELECT (accepted, new_status)::text FROM finish_traces(f.worker, result(f.more))), '(f,)', 'refused: ' || f.what)
  FROM (VALUES ('w2', '{}'::jsonb, 'another worker'), ('w1', '{"attempt": 0}', 'an older attempt'),
               ('w1', '{"attempt": 2}', 'an attempt that never was'), ('w1', '{"ip": "us-2"}', 'another IP'),
               ('w1', '{"request_id": "01900000-0000-7000-8000-000000000001"}', 'an unknown request')) AS f (worker, more, what);
SELECT results_eq('SELECT t::text, p::text FROM active_trace_requests t, ip_rotation_pool p', 'SELECT request, ip FROM before',
                  'what was refused changed nothing');
SELECT is((SELECT accepted FROM finish_traces('w1', result('{}'))), true, 'the true result is accepted');
SELECT is((SELECT accepted FROM finish_traces('w1', result('{"outcome": "error"}'))), false, 'once');
SELECT is((request(:'r')).status, 'completed', 'a late result changes nothing');
SELECT is((ip('us-1')).locked_by, NULL, '(the IP rests)');
SELECT throws_ok($$SELECT finish_traces('w1', '[{"request_id": "x"}]')$$, '22P02', NULL, 'nonsense is an error');
SELECT is((SELECT count(*) FROM finish_traces('w1', '[]')), 0::bigint, 'an empty batch is fine');

-- An attempt's number that was reset by hand stops nothing.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request() AS r \gset
SELECT claim(), finish(:'r', 'error', 'target');
UPDATE active_trace_requests SET status = 'pending', attempt = 0;
UPDATE ip_rotation_pool SET status = 'available';
SELECT claim();
SELECT is(finish(:'r', 'ok'), 'completed', 'a result counts though its attempt is remembered already');

-- A lease that ended takes the request's old attempt with it.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request() AS r \gset
SELECT claim();
SELECT end_lease_times();
SELECT cleanup_timed_out_requests();
SELECT end_cooldowns(), end_backoffs();
SELECT claimed(1, 'w2');
SELECT is((SELECT accepted FROM finish_traces('w1', result('{}'))), false, 'the worker that lost its lease is refused');
SELECT is((request(:'r')).claimed_by, 'w2', 'the request belongs to its new owner');
SELECT is((ip('us-1')).locked_by, 'w2', 'and so does the IP');
SELECT is(finish(:'r', 'ok'), 'completed', 'whose result counts');

-- A batch of results, good and stale together.
DELETE FROM active_trace_requests;
INSERT INTO ip_rotation_pool (ip_address, provider) SELECT 'b-' || i, 'other' FROM generate_series(1, 3) AS i;
SELECT add_request() FROM generate_series(1, 3);
SELECT claimed(3);
SELECT results_eq($$SELECT f.accepted, count(*)
    FROM finish_traces('w1', (SELECT jsonb_agg(jsonb_build_object('request_id', request_id, 'ip', ip_assigned, 'outcome', 'ok',
                                               'attempt', CASE WHEN ip_assigned = 'b-2' THEN 9 ELSE attempt END))
                                FROM active_trace_requests)) AS f GROUP BY 1 ORDER BY 1$$,
                  'VALUES (false, 1::bigint), (true, 2::bigint)', 'good results are taken, a stale one beside them is refused');
SELECT results_eq($$SELECT ip_address, status::text FROM ip_rotation_pool WHERE ip_address LIKE 'b-%' ORDER BY 1$$,
                  $$VALUES ('b-1', 'cooldown'), ('b-2', 'locked'), ('b-3', 'cooldown')$$, 'each IP follows its own result');

SELECT * FROM finish();
ROLLBACK;
