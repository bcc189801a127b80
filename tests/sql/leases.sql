-- Every way a lease ends without a result: returned, its worker dead or silent, its time over. And the queue's own time.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
SELECT add_ips('us', 3);

-- return_traces: a draining worker
SELECT add_request() AS r \gset
SELECT claim();
SELECT is(return_traces('w2', jsonb_build_array(jsonb_build_object('request_id', :'r'::uuid, 'attempt', 1, 'ip', 'us-1'))), 0,
          'nobody returns what another worker holds');
SELECT is(return_traces('w1', jsonb_build_array(jsonb_build_object('request_id', :'r'::uuid, 'attempt', 2, 'ip', 'us-1'))), 0,
          'nor an attempt that is not his');
SELECT is((request(:'r')).status, 'processing', 'it still runs');
SELECT is(return_traces('w1', jsonb_build_array(jsonb_build_object('request_id', :'r'::uuid, 'attempt', 1, 'ip', 'us-1'))), 1,
          'a draining worker returns its own');
SELECT is((SELECT (status, retry_count)::text FROM request(:'r')), '(pending,0)', 'pending, without a retry counted');
SELECT ok((request(:'r')).next_attempt_at <= clock_timestamp(), 'at once');
SELECT is((SELECT (status, is_healthy, consecutive_failures, in_seconds(locked_until))::text FROM ip('us-1')), '(cooldown,t,0,60)',
          'its IP rests, without blame');
SELECT is((SELECT (outcome, error, blame, new_status)::text FROM trace_attempts WHERE request_id = :'r'),
          '(returned,shutdown,us,pending)', 'and it is remembered');
SELECT is(return_traces('w1', '[]'), 0, 'nothing to return is fine');

-- release_dead_worker
SELECT claimed(1, 'dead');
SELECT is((SELECT array_agg(ip_address) FROM worker_leases('dead')), '{us-2}', '(the worker holds one)');
SELECT is(release_dead_worker('w1'), 0, 'a worker without leases has nothing to release');
SELECT is(release_dead_worker('dead'), 1, 'a dead worker''s request goes back');
SELECT is((SELECT (status, retry_count, error_code)::text FROM request(:'r')), '(pending,1,worker_died)', 'as a retry');
SELECT ok((request(:'r')).next_attempt_at <= clock_timestamp(), 'at once');
SELECT is((SELECT (status, is_healthy, consecutive_failures, failure_count, locked_by)::text FROM ip('us-2')), '(cooldown,t,0,0,)',
          'its IP rests, without blame');
SELECT is(release_dead_worker('dead'), 0, 'once');
SELECT is((SELECT accepted FROM finish_traces('dead', jsonb_build_array(jsonb_build_object('request_id', :'r'::uuid,
           'attempt', 2, 'ip', 'us-2', 'outcome', 'ok')))), false, 'a result that it had sent is refused afterwards');
SELECT end_cooldowns();
SELECT claimed(1, 'dead'), release_dead_worker('dead'), end_cooldowns();
SELECT claimed(1, 'dead'), release_dead_worker('dead'), end_cooldowns();
SELECT is((SELECT (status, retry_count, error_message)::text FROM request(:'r')), '(failed,2,"worker_died: dead")',
          'a request that kills its workers ends as failed');
SELECT isnt((request(:'r')).completed_at, NULL, 'with its time');

-- rescue_silent_workers: only in a cluster that has been up for longer than the silence
CREATE FUNCTION beats(p_incarnation text, p_seen_ago interval) RETURNS void LANGUAGE sql AS $$
  SELECT process_heartbeat(jsonb_build_object('incarnation', p_incarnation, 'program', 'worker', 'host', 'h', 'pid', 1,
                                              'started_ms_ago', 1000));
  UPDATE process_heartbeats SET seen_at = clock_timestamp() - p_seen_ago WHERE incarnation = p_incarnation
$$;
DELETE FROM active_trace_requests;
SELECT add_request() FROM generate_series(1, 3);
SELECT claimed(1, 'silent'), claimed(1, 'alive'), claimed(1, 'connected');
SELECT pg_sleep(greatest(0, 5 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())));
SELECT beats('silent', '1 min'), beats('alive', '0 s'), beats('connected', '1 min');
SELECT is(rescue_silent_workers(1000000000), 0, 'after a restart of the server everybody has been silent: nobody is rescued');
SET LOCAL application_name = 'tracepool-worker connected';
SELECT is(rescue_silent_workers(5000), 1, 'one silent worker without a connection');
SELECT results_eq('SELECT claimed_by, status::text FROM active_trace_requests ORDER BY 1',
                  $$VALUES ('alive', 'processing'), ('connected', 'processing'), ('silent', 'pending')$$,
                  'is dead; one that beats or is connected is not');
SET LOCAL application_name = 'psql';
SELECT pg_stat_clear_snapshot();   -- as a later transaction would see it
SELECT is(rescue_silent_workers(5000), 1, 'its connection gone, the other is dead too');
UPDATE process_heartbeats SET program = 'edge', seen_at = seen_at - interval '1 hour' WHERE incarnation = 'alive';
SELECT is(rescue_silent_workers(5000), 0, 'only workers are looked at');

-- The lease's end.
DELETE FROM active_trace_requests;
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 3);
SELECT add_request() AS r \gset
SELECT claim();
SELECT is(cleanup_timed_out_requests(), 0, 'a lease that runs is left alone');
SELECT is(release_expired_ip_locks(), 0, 'by both functions');
SELECT end_lease_times();
SELECT is(cleanup_timed_out_requests(), 1, 'one past its end is cleaned up');
SELECT is((SELECT (status, retry_count, error_code)::text FROM request(:'r')), '(pending,1,lease_expired)', 'pending, a retry counted');
SELECT ok((request(:'r')).next_attempt_at > clock_timestamp() + interval '3 s', 'after a pause');
SELECT is((SELECT (status, is_healthy, consecutive_failures)::text FROM ip('us-1')), '(cooldown,t,0)', 'the IP rests, without blame');
SELECT end_cooldowns(), end_backoffs();
SELECT claim(), end_lease_times();
SELECT is(release_expired_ip_locks() > 0, true, 'release_expired_ip_locks does the same');
SELECT is((SELECT (status, retry_count)::text FROM request(:'r')), '(pending,2)', 'for the request too');
SELECT end_backoffs(), claim();
SELECT end_lease_times();
SELECT cleanup_timed_out_requests();
SELECT is((SELECT (status, error_message)::text FROM request(:'r')), '(timeout,"lease_expired: no result before the lease''s end")',
          'without retries left it ends as timeout');
SELECT is((SELECT count(*) FROM trace_attempts WHERE request_id = :'r' AND outcome = 'released'), 3::bigint, 'three attempts remembered');

-- Cooldowns past their end, in name.
UPDATE ip_rotation_pool SET status = 'cooldown';
SELECT is(release_expired_ip_locks(), 0, 'a cooldown that runs is left alone');
SELECT end_cooldowns();
SELECT is(release_expired_ip_locks(), 3, 'those that are over are counted');
SELECT is((SELECT count(*) FROM ip_rotation_pool WHERE status = 'available'), 3::bigint, 'and available in name too');

-- Leases by hand.
DELETE FROM ip_rotation_pool;
SELECT add_ips('us', 3);
SELECT uuid_v7() AS mine \gset
SELECT results_eq(format('SELECT * FROM lock_available_ip(''US'', %L)', :'mine'), $$VALUES ('us-1', '7000', 'other')$$,
                  'lock_available_ip gives the IP that rested longest');
SELECT is((SELECT (status, locked_by_request, locked_by, in_seconds(locked_until))::text FROM ip('us-1')),
          format('(locked,%s,,90)', :'mine'), 'locked for 90 s');
SELECT is((SELECT ip_address FROM lock_available_ip('us', uuid_v7(), 10)), 'us-2', 'then the next');
SELECT is(in_seconds((ip('us-2')).locked_until), 10, 'for as long as asked');
SELECT lock_available_ip('us', uuid_v7());
SELECT is((SELECT count(*) FROM lock_available_ip('us', uuid_v7())), 0::bigint, 'no row when none is free');
SELECT is((SELECT count(*) FROM lock_available_ip('fr', uuid_v7())), 0::bigint, 'or none is of that country');
SELECT end_lease_times();
SELECT is(release_expired_ip_locks(), 3, 'leases by hand end as well');
DELETE FROM active_trace_requests;
UPDATE ip_rotation_pool SET status = 'available';
SELECT add_request() AS r \gset
SELECT lock_available_ip('us', :'r');
UPDATE active_trace_requests SET status = 'processing';
SELECT is((SELECT (attempt, in_seconds(timeout_at), next_attempt_at)::text FROM request(:'r')), '(1,90,)', 'a trace by hand is an attempt');
SELECT is(claimed(), 0::bigint, 'that no worker claims');
SELECT end_lease_times();
SELECT is(cleanup_timed_out_requests(), 1, 'and that ends with its lease');
SELECT is((request(:'r')).status, 'pending', 'to be tried again');

-- The queue's time is not the trace's.
DELETE FROM active_trace_requests;
INSERT INTO offers (offer_name, queue_ttl_s) VALUES ('patient', 200000), ('hasty', 60);
INSERT INTO active_trace_requests (tracking_url, target_country, offer_id, started_at, next_attempt_at)
SELECT o.offer_name, 'fr', o.id, now() - w.age * interval '1 s', now() - w.age * interval '1 s'
  FROM (VALUES (50), (70), (86000), (90000), (300000)) AS w (age)
 CROSS JOIN (SELECT id, offer_name FROM offers UNION ALL SELECT NULL, 'none') AS o;
SELECT is(cleanup_timed_out_requests(), 7, 'seven waited longer than they may');
SELECT results_eq($$SELECT tracking_url, count(*) FROM active_trace_requests WHERE status = 'pending' GROUP BY 1 ORDER BY 1$$,
                  $$VALUES ('hasty', 1::bigint), ('none', 3::bigint), ('patient', 4::bigint)$$, 'each by its offer''s patience');
SELECT is((SELECT DISTINCT (status, error_code, retry_count)::text FROM active_trace_requests WHERE status <> 'pending'),
          '(timeout,queue_expired,0)', 'they end as timeout');
UPDATE active_trace_requests SET status = 'pending';
SELECT is(cleanup_timed_out_requests(), 0, 'requeued by hand, the clock starts anew');

SELECT * FROM finish();
ROLLBACK;
