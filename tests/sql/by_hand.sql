-- SQL as the original's users write it runs as written and takes effect.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- The original's INSERTs into the pool.
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
VALUES
  ('user-12345678', '7000', 'us', 'luna'),
  ('user-23456789', '7000', 'us', 'luna'),
  ('user-34567890', '7000', 'us', 'luna');
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
VALUES
  ('user-canada1', '7000', 'ca', 'luna'),
  ('user-uk1', '7000', 'GB', 'luna');
INSERT INTO proxy_providers (provider, host_template, user_template) VALUES ('luna', 'gw.example', '{ip}');
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE status = 'available' AND is_healthy), 5::bigint, 'new IPs are available');
SELECT is((ip('user-uk1')).country, 'gb', 'country codes are kept in lower case');
INSERT INTO active_trace_requests (tracking_url, target_country) VALUES ('https://t.example/', 'GB');
SELECT is((SELECT ip FROM claim() AS c (id uuid, ip text)), 'user-uk1', 'and claimable, for a request inserted by hand');
DELETE FROM active_trace_requests;

-- Inserting requests with the original's columns only.
INSERT INTO active_trace_requests (request_id, offer_id, tracking_url, target_country, inbound_params, status)
VALUES ('01900000-0000-7000-8000-000000000001', NULL, 'https://t.example/', 'us', NULL, 'pending');
SELECT is((SELECT (status, max_retries, inbound_params, next_attempt_at IS NOT NULL)::text FROM active_trace_requests),
          '(pending,2,{},t)', 'a request by hand is complete');
INSERT INTO active_trace_requests (tracking_url, status) VALUES ('https://done.example/', 'completed');
SELECT is((SELECT (next_attempt_at IS NULL, completed_at IS NOT NULL)::text FROM active_trace_requests WHERE status = 'completed'),
          '(t,t)', 'one that has ended is not claimable');
SELECT is(claimed(5), 1::bigint, 'only the pending one is claimed');

-- The original's diagnostics.
SELECT lives_ok($$
  SELECT request_id, status, trace_time_ms, tracer_mode_used
  FROM active_trace_requests
  WHERE started_at > NOW() - INTERVAL '5 minutes'
  ORDER BY started_at DESC
  LIMIT 20;
$$, 'recent traces');
SELECT lives_ok($$
  SELECT ip_address, consecutive_failures, success_count, failure_count
  FROM ip_rotation_pool
  WHERE is_healthy = false
  ORDER BY consecutive_failures DESC;
$$, 'consistently failing IPs');
UPDATE ip_rotation_pool SET consecutive_failures = 11, total_uses = 20, success_count = 5, is_healthy = false
 WHERE ip_address = 'user-canada1';
SELECT lives_ok($$
  DELETE FROM ip_rotation_pool
  WHERE consecutive_failures > 10
    AND (success_count::float / NULLIF(total_uses, 0)) < 0.5;
$$, 'removing permanently failed IPs');
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE country = 'ca'), 0::bigint, 'removes them');

-- The original's functions in the original's order.
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available', locked_until = NULL, locked_by_request = NULL;
SELECT is((ip('user-uk1')).locked_until, '-infinity', 'locked_until NULL is free since ever');
SELECT add_request() AS r \gset
SELECT ip_address AS ip FROM lock_available_ip('us', :'r', 90) \gset
UPDATE active_trace_requests SET status = 'processing', ip_assigned = :'ip' WHERE request_id = :'r';
UPDATE active_trace_requests SET status = 'completed', final_url = 'https://f.example/', completed_at = now(),
       trace_time_ms = 1234, tracer_mode_used = 'http_only' WHERE request_id = :'r';
SELECT is(release_ip(:'ip', true, 1234), true, 'lock, trace, complete and release by hand');
SELECT is((SELECT (status, trace_time_ms, final_url)::text FROM request(:'r')), '(completed,1234,https://f.example/)',
          'the result stands');
SELECT is((pool_monitor() #>> '{performance,completed_last_5min}')::integer, 1, 'statistics see it');
SELECT is((pool_monitor() #>> '{performance,avg_trace_time_ms}')::integer, 1234, 'with its time');
SELECT is((ip(:'ip')).status, 'cooldown', 'the IP rests');
SELECT lives_ok('SELECT release_expired_ip_locks()', 'release_expired_ip_locks()');
SELECT lives_ok('SELECT cleanup_timed_out_requests()', 'cleanup_timed_out_requests()');
SELECT lives_ok('SELECT record_pool_statistics()', 'record_pool_statistics()');

-- A request's status by hand.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 2);
SELECT add_request() AS r \gset
UPDATE active_trace_requests SET status = 'failed', error_message = 'given up' WHERE request_id = :'r';
SELECT is(claimed(), 0::bigint, 'ended by hand: no worker claims it');
SELECT is((SELECT (completed_at IS NOT NULL, total_time_ms IS NOT NULL, next_attempt_at)::text FROM request(:'r')), '(t,t,)',
          'it has ended');
UPDATE active_trace_requests SET status = 'pending', retry_count = 2 WHERE request_id = :'r';
SELECT is((request(:'r')).retry_count, 2, 'requeued by hand: a count written with it stays');
UPDATE active_trace_requests SET status = 'timeout' WHERE request_id = :'r';
UPDATE active_trace_requests SET status = 'pending' WHERE request_id = :'r';
SELECT is((SELECT (retry_count, completed_at, error_code, next_attempt_at <= clock_timestamp())::text FROM request(:'r')),
          '(0,,,t)', 'otherwise retries begin anew');
SELECT is(claimed(), 1::bigint, 'and a worker claims it');

-- Ended by hand while a worker has it: its result is refused, its IP comes back when the lease ends.
UPDATE active_trace_requests SET status = 'failed' WHERE request_id = :'r';
SELECT is((ip('us-1')).status, 'locked', 'the IP is still in use: it is not freed under the worker''s feet');
SELECT is(finish(:'r', 'ok'), 'refused', 'the late result is refused');
SELECT is((request(:'r')).status, 'failed', 'what the person wrote stands');
SELECT is(release_expired_ip_locks(), 0, 'the IP is not released before its lease ends');
SELECT end_lease_times();
SELECT is(release_expired_ip_locks(), 1, 'and is afterwards');
SELECT is((SELECT (status, locked_by_request)::text FROM ip('us-1')), '(cooldown,)', 'to rest');
SELECT is((request(:'r')).status, 'failed', 'without touching the request');
SELECT is((SELECT array_agg(outcome ORDER BY attempt) FROM trace_attempts WHERE request_id = :'r'),
          '{by_hand,by_hand,by_hand}', 'each end by hand is remembered');

-- Requeued by hand while a worker has it: the next claim gets another IP, the first worker is refused.
SELECT end_cooldowns();
UPDATE active_trace_requests SET status = 'pending' WHERE request_id = :'r';
SELECT claim();
SELECT (request(:'r')).attempt AS attempt, (request(:'r')).ip_assigned AS ip \gset
UPDATE active_trace_requests SET status = 'pending' WHERE request_id = :'r';
SELECT claimed(1, 'w2');
SELECT isnt((request(:'r')).ip_assigned, :'ip', 'a second worker traces it through another IP');
SELECT is((SELECT accepted FROM finish_traces('w1', jsonb_build_array(jsonb_build_object('request_id', :'r'::uuid,
           'attempt', :attempt, 'ip', :'ip', 'outcome', 'ok')))), false, 'the first worker''s result is refused');
SELECT is(finish(:'r', 'ok'), 'completed', 'the second one''s counts');
SELECT end_lease_times();
SELECT is(cleanup_timed_out_requests(), 0, 'the first lease''s end touches no request');
SELECT is((ip(:'ip')).status, 'cooldown', 'and frees its IP');

-- Held back, and let go.
SELECT add_request() AS r \gset
UPDATE active_trace_requests SET next_attempt_at = 'infinity' WHERE request_id = :'r';
UPDATE ip_rotation_pool SET status = 'available';
SELECT is(claimed(), 0::bigint, 'next_attempt_at = infinity holds a request back');
UPDATE active_trace_requests SET next_attempt_at = NULL WHERE request_id = :'r';
SELECT is(claimed(), 1::bigint, 'NULL lets it go');

-- An IP's status by hand; what a worker had on it goes back to the queue.
UPDATE ip_rotation_pool SET status = 'available' WHERE ip_address = (request(:'r')).ip_assigned;
SELECT is((SELECT (status, retry_count, error_message)::text FROM request(:'r')),
          '(pending,0,"lease_expired: the IP was unlocked by hand")', 'unlocked by hand: its request waits again');
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE locked_by IS NOT NULL OR locked_by_request IS NOT NULL), 0::bigint,
          'no lease is left');
SELECT claim();
SELECT release_ip((request(:'r')).ip_assigned);
SELECT is((request(:'r')).status, 'pending', 'released by hand: the same');
SELECT claim();
DELETE FROM ip_rotation_pool WHERE ip_address = (request(:'r')).ip_assigned;
SELECT is((request(:'r')).status, 'pending', 'deleted: the same');
DELETE FROM ip_rotation_pool;
DELETE FROM active_trace_requests;
SELECT add_ips('us', 1);
UPDATE ip_rotation_pool SET status = 'cooldown';
SELECT is(in_seconds((ip('us-1')).locked_until), 60, 'cooldown by hand lasts a cooldown');
UPDATE ip_rotation_pool SET status = 'available';
UPDATE ip_rotation_pool SET status = 'cooldown', locked_until = clock_timestamp() + interval '10 min';
SELECT is(in_seconds((ip('us-1')).locked_until), 600, 'or as long as written');
UPDATE ip_rotation_pool SET status = 'available';
SELECT is((ip('us-1')).locked_until, '-infinity', 'available by hand is free at once');
UPDATE ip_rotation_pool SET status = 'failed';
SELECT is((SELECT (is_healthy, next_probe_at)::text FROM ip('us-1')), '(f,infinity)', 'failed by hand is unhealthy');
SELECT add_request();
SELECT is(claimed(), 0::bigint, 'and not claimed');
UPDATE ip_rotation_pool SET status = 'available';
SELECT is((SELECT (is_healthy, consecutive_failures)::text FROM ip('us-1')), '(t,0)', 'available by hand is healthy again');
SELECT is(claimed(), 1::bigint, 'and claimed');
UPDATE ip_rotation_pool SET is_healthy = false;
SELECT is((SELECT (status, locked_by)::text FROM ip('us-1')), '(locked,w1)', 'taken out while in use: the trace ends first');
SELECT finish(request_id, 'ok') FROM active_trace_requests;
SELECT is((SELECT (status, is_healthy)::text FROM ip('us-1')), '(failed,f)', 'then it is out');
UPDATE ip_rotation_pool SET is_healthy = true, consecutive_failures = 0;
SELECT is((SELECT (status, next_probe_at)::text FROM ip('us-1')), '(available,)', 'and back when the person says so');
UPDATE ip_rotation_pool SET status = 'locked';
SELECT is(in_seconds((ip('us-1')).locked_until), 90, 'locked by hand ends by itself');
UPDATE ip_rotation_pool SET status = 'available', is_healthy = false;
SELECT is((ip('us-1')).status, 'failed', 'where the two disagree, health counts');
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request();
SELECT claim();
UPDATE ip_rotation_pool SET notes = 'seen', country = 'US', locked_until = locked_until + interval '1 min';
SELECT is((SELECT (status, locked_by, country, notes, in_seconds(locked_until) / 10)::text FROM ip('us-1')), '(locked,w1,us,seen,18)',
          'other columns by hand change nothing but themselves');

-- Every edge of a request's life, by hand: from the state that programs brought it to, to any other.
CREATE FUNCTION in_state(p_state trace_status) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
BEGIN
  DELETE FROM active_trace_requests;
  UPDATE ip_rotation_pool SET status = 'available', is_healthy = true;
  v_id := add_request('us', '10 s');
  IF p_state = 'skipped' THEN
    UPDATE active_trace_requests SET status = 'skipped', next_attempt_at = NULL, completed_at = started_at, skip_reason = 'bot', revision = revision + 1;
  ELSIF p_state <> 'pending' THEN
    PERFORM claim();
    IF p_state <> 'processing' THEN
      PERFORM finish(v_id, CASE p_state WHEN 'completed' THEN 'ok' WHEN 'timeout' THEN 'timeout' ELSE 'error' END);
    END IF;
    UPDATE active_trace_requests SET completed_at = completed_at - interval '5 s', revision = revision + 1;
  END IF;
  RETURN v_id;
END $$;
CREATE FUNCTION moved(p_from trace_status, p_to trace_status) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := in_state(p_from);
BEGIN
  UPDATE active_trace_requests SET status = p_to WHERE request_id = v_id;
  UPDATE ip_rotation_pool SET status = 'available' WHERE status = 'cooldown';
  RETURN (SELECT concat_ws(' ', status, CASE WHEN num_nonnulls(completed_at, total_time_ms) > 0 THEN 'ended' END,
                           CASE WHEN claimed(1, 'w9') = 1 THEN 'claimable' END) FROM request(v_id));
END $$;
UPDATE trace_policy SET max_retries = 0;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 2);
SELECT is(moved(before, after), after || CASE WHEN after = 'pending' THEN ' claimable' WHEN after = 'processing' THEN '' ELSE ' ended' END,
          before || ' -> ' || after)
  FROM unnest(enum_range(NULL::trace_status)) AS before, unnest(enum_range(NULL::trace_status)) AS after
 WHERE before <> after;
SELECT in_state('failed') AS r \gset
UPDATE active_trace_requests SET status = 'processing';
UPDATE active_trace_requests SET status = 'completed';
SELECT is(in_seconds((request(:'r')).completed_at), 0, 'traced anew by hand, it ended when that ended');

-- And of an IP's: what it is then, and whether a claim takes it.
CREATE FUNCTION ip_in_state(p_state ip_status) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM active_trace_requests;
  DELETE FROM ip_rotation_pool;
  PERFORM add_ips('us', 1);
  IF p_state <> 'available' THEN
    PERFORM add_request(), claim();
    IF p_state <> 'locked' THEN
      UPDATE ip_rotation_pool SET consecutive_failures = CASE p_state WHEN 'failed' THEN 99 ELSE 0 END, revision = revision + 1;
      PERFORM finish(request_id, 'error', 'proxy') FROM active_trace_requests;
    END IF;
  END IF;
  DELETE FROM active_trace_requests WHERE status <> 'processing';
END $$;
CREATE FUNCTION ip_moved(p_from ip_status, p_to ip_status) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ip_in_state(p_from);
  UPDATE ip_rotation_pool SET status = p_to;
  PERFORM add_request();
  RETURN (SELECT concat_ws(' ', p.status, CASE WHEN NOT p.is_healthy THEN 'unhealthy' END, CASE WHEN p.locked_by_request IS NOT NULL THEN 'leased' END,
                           CASE WHEN p.locked_until > clock_timestamp() THEN 'for a time' END, CASE WHEN claimed() = 1 THEN 'claimable' END) FROM ip('us-1') AS p);
END $$;
SELECT is(ip_moved(before, after), CASE after WHEN 'available' THEN 'available claimable' WHEN 'failed' THEN 'failed unhealthy'
                                              WHEN 'locked' THEN CASE WHEN before = 'failed' THEN 'locked unhealthy for a time' ELSE 'locked for a time' END
                                              ELSE 'cooldown for a time' END, before || ' -> ' || after)
  FROM unnest(enum_range(NULL::ip_status)) AS before, unnest(enum_range(NULL::ip_status)) AS after
 WHERE before <> after;

SELECT * FROM finish();
ROLLBACK;
