-- An IP's health: only the proxy's own failures count, five in a row take it out, probes bring it back.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
UPDATE trace_policy SET cooldown_s = 0;
SELECT add_ips('us', 1);

CREATE FUNCTION use(p_outcome text, p_blame text, p_response_ms integer DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := add_request();
BEGIN
  PERFORM end_cooldowns();
  IF claimed() = 0 THEN
    DELETE FROM active_trace_requests WHERE request_id = v_id;
    RETURN 'no IP';
  END IF;
  RETURN finish(v_id, p_outcome, p_blame, p_response_ms);
END $$;

SELECT use('error', 'proxy') FROM generate_series(1, 4);
SELECT is((ip('us-1')).is_healthy, true, 'four failures in a row: still healthy');
SELECT is((ip('us-1')).status, 'cooldown', 'and in rotation');
SELECT use('ok', 'none', 50);
SELECT is((ip('us-1')).consecutive_failures, 0, 'a success forgets them');
SELECT use('error', 'proxy') FROM generate_series(1, 3);
SELECT is(use('error', 'target', 40), 'failed', 'the target''s failure, answered through the proxy,');
SELECT is((ip('us-1')).consecutive_failures, 0, 'proves the proxy: failures forgotten');
SELECT use('error', 'proxy') FROM generate_series(1, 3);
SELECT use('error', 'us'), use('timeout', 'target');
SELECT is((ip('us-1')).consecutive_failures, 3, 'a use that says nothing about the proxy changes nothing');
SELECT is((ip('us-1')).failure_count, 10::bigint, 'failures counted: the proxy''s own');
SELECT use('error', 'proxy') FROM generate_series(1, 2);
SELECT is((ip('us-1')).is_healthy, false, 'the fifth in a row: unhealthy');
SELECT is((ip('us-1')).status, 'failed', 'and failed');
SELECT is(in_seconds((ip('us-1')).next_probe_at), 300, 'to be probed after the first pause');
SELECT is(use('ok', 'none'), 'no IP', 'no claim takes it before');

SELECT end_probe_pauses();
SELECT is(use('error', 'proxy'), 'failed', 'when the pause is over, a claim takes it as a probe');
SELECT is((ip('us-1')).consecutive_failures, 6, 'a failed probe keeps counting');
SELECT is(in_seconds((ip('us-1')).next_probe_at), 600, 'and doubles the pause');
UPDATE ip_rotation_pool SET consecutive_failures = 500, revision = revision + 1;
SELECT end_probe_pauses();
SELECT use('error', 'proxy');
SELECT is(in_seconds((ip('us-1')).next_probe_at), 21600, 'up to the longest');
SELECT end_probe_pauses();
SELECT use('error', 'us');
SELECT is((ip('us-1')).status, 'failed', 'a probe that says nothing leaves it unhealthy');
SELECT is(in_seconds((ip('us-1')).next_probe_at), 21600, 'for another pause');
SELECT end_probe_pauses();
SELECT is(use('ok', 'none', 60), 'completed', 'a good probe');
SELECT is((ip('us-1')).is_healthy, true, 'brings it back');
SELECT is((ip('us-1')).status, 'cooldown', 'into rotation');
SELECT is((ip('us-1')).next_probe_at, NULL, 'with no probe to come');
SELECT is((ip('us-1')).consecutive_failures, 0, 'and no failures');

-- One probe per country and claim, and the youngest request takes the risk.
INSERT INTO ip_rotation_pool (ip_address, provider, is_healthy, next_probe_at)
VALUES ('sick-1', 'other', false, now() - interval '1 min'), ('sick-2', 'other', false, now() - interval '2 min');
INSERT INTO ip_rotation_pool (ip_address, provider) VALUES ('well', 'other');
SELECT end_cooldowns();
SELECT add_request('us', '10 s') AS old \gset
SELECT add_request('us', '5 s') AS middle \gset
SELECT add_request('us', '1 s') AS young \gset
SELECT claimed(3);
SELECT is((request(:'young')).ip_assigned, 'sick-2', 'one probe, the longest waiting, goes to the youngest request');
SELECT is((ip('sick-1')).status, 'failed', 'the other one waits for the next claim');
SELECT is((ip('sick-2')).is_healthy, false, 'a probed IP is unhealthy until it proved itself');
SELECT is(finish(:'young', 'ok', 'none', 20), 'completed', 'it did');
SELECT is((ip('sick-2')).is_healthy, true, 'and is healthy');

-- release_ip by hand
UPDATE trace_policy SET cooldown_s = 60;
UPDATE ip_rotation_pool SET consecutive_failures = 4, avg_response_time_ms = 100 WHERE ip_address = 'well';
SELECT is(release_ip('well', true, 200), true, 'released by hand');
SELECT is((SELECT (consecutive_failures, avg_response_time_ms, in_seconds(locked_until), status)::text FROM ip('well')),
          '(0,110,60,cooldown)', 'success: failures forgotten, a moving average, the cooldown');
SELECT release_ip('well', false) FROM generate_series(1, 5);
SELECT is((SELECT (is_healthy, status, consecutive_failures)::text FROM ip('well')), '(f,failed,5)',
          'five failures by hand: unhealthy');
SELECT is(release_ip('well'), true, 'released without further words: a success');
SELECT is((ip('well')).is_healthy, true, 'that brings it back');
SELECT is(release_ip('no such IP'), false, 'an unknown IP: false');

-- An IP that a person took out stays out.
UPDATE ip_rotation_pool SET is_healthy = false WHERE ip_address = 'well';
SELECT is((SELECT (status, next_probe_at)::text FROM ip('well')), '(failed,infinity)', 'taken out by hand: failed, no probe to come');
SELECT release_ip('well', true);
SELECT is((ip('well')).is_healthy, false, 'a success does not bring it back');
UPDATE ip_rotation_pool SET is_healthy = true WHERE ip_address = 'well';
SELECT is((SELECT (status, is_healthy, next_probe_at)::text FROM ip('well')), '(available,t,)', 'the person does');

SELECT * FROM finish();
ROLLBACK;
