-- Traces that somebody waits for: asked for at once, pushed to a farm in batch mode, looked at, given up.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
SELECT add_ips('us', 2);
CREATE FUNCTION ask(p_ask jsonb) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN is_new THEN 'new' ELSE 'known' END FROM request_trace(p_ask) $$;
CREATE FUNCTION result_of(p_id uuid) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(r) FROM trace_results(ARRAY[p_id]) AS r $$;

-- A new one
INSERT INTO offers (offer_name, target_country, max_retries) VALUES ('shop', 'de', 0);
SELECT id AS offer FROM offers WHERE offer_name = 'shop' \gset
SELECT request_id AS plain, is_new FROM request_trace('{"tracking_url": "https://t.example/"}') \gset
SELECT is(:'is_new'::boolean, true, 'a URL alone is a new request');
SELECT is((SELECT (status, target_country, offer_id, max_retries, inbound_params, options)::text FROM request(:'plain')),
          '(pending,us,,2,{},{})', 'with the rules for what it leaves open');
SELECT uuid_v7() AS named \gset
SELECT is(ask(jsonb_build_object('request_id', :'named', 'offer_id', :'offer', 'tracking_url', 'https://t.example/2',
                                 'inbound_params', '{"sub": "1"}'::jsonb, 'options', '{"mode": "http_only"}'::jsonb)), 'new', 'with an id of its own');
SELECT is((SELECT (offer_name, target_country, max_retries, inbound_params->>'sub', options->>'mode')::text FROM request(:'named')),
          '(shop,de,0,1,http_only)', 'what is left open comes from the offer');
SELECT is(ask(jsonb_build_object('tracking_url', 'https://t.example/', 'offer_id', :'offer', 'target_country', 'fr')), 'new', '(one more)');
SELECT is((SELECT count(*) FROM active_trace_requests WHERE target_country = 'fr'), 1::bigint, 'a country goes before the offer''s');

-- One that is there goes first
SELECT add_request('us', '1 hour') FROM generate_series(1, 3);
SELECT add_request('us', '-1 hour') AS later \gset
UPDATE active_trace_requests SET priority = 2000, revision = revision + 1 WHERE request_id = :'plain';
SELECT is(ask(jsonb_build_object('request_id', :'later')), 'known', 'an id that is there needs nothing else');
SELECT is((SELECT (priority, next_attempt_at <= clock_timestamp())::text FROM request(:'later')), '(1000,t)', 'it is due, and before the others');
SELECT is(ask(jsonb_build_object('request_id', :'plain')), 'known', '(another)');
SELECT is((request(:'plain')).priority, 2000, 'nothing loses its place by that');
SELECT results_eq('SELECT id FROM claim(2) AS c (id uuid, ip text) ORDER BY id = ' || quote_literal(:'later') || '::uuid',
                  format('VALUES (%L::uuid), (%L)', :'plain', :'later'), 'both are claimed before what waited longer');
SELECT is(ask(jsonb_build_object('request_id', :'later')), 'known', 'one that runs is there');
SELECT is((request(:'later')).status, 'processing', 'and runs on');

-- What cannot be done
SELECT throws_like(format('SELECT request_trace(%L)', jsonb_build_object('request_id', uuid_v7())), '%is not known, and without a tracking_url%',
                   'nothing to trace');
SELECT throws_ok(format('SELECT request_trace(%L)', jsonb_build_object('tracking_url', 'https://t.example/', 'offer_id', uuid_v7())), 'P0002', NULL,
                 'an offer that is not there');

-- How they stand
SELECT is(result_of(:'later') - 'request_id', '{"status": "processing", "attempt": 1, "has_ip": false, "answer": null}', 'running: no answer yet');
SELECT is(result_of(:'named') - 'request_id', '{"status": "pending", "attempt": 0, "has_ip": false, "answer": null}', 'waiting, where there is no IP');
SELECT is(finish(:'later', 'ok', 'none', 10, '{"final_url": "https://f.example/", "params": {"a": "1"}, "chain": [{"url": "https://t.example/"}],
                  "mode_used": "http_only", "reason": "http_sufficient", "trace_ms": 70, "kb": 2}'), 'completed', '(one ends well)');
SELECT is((result_of(:'later')->'answer') - '{request_id,ip_address,wait_time_ms,total_time_ms}'::text[],
          '{"success": true, "status": "completed", "outcome": "ok", "final_url": "https://f.example/", "mode_used": "http_only",
            "detection_reason": "http_sufficient", "chain": [{"url": "https://t.example/"}], "extracted_params": {"a": "1"}, "timing_ms": 70,
            "bandwidth_kb": 2, "error": null, "target_country": "us", "attempts": 1}', 'its answer is the result');
SELECT finish(:'plain', 'error', 'target', 10, '{"detail": "refused"}');
SELECT is(result_of(:'plain')#>'{answer,error}', '{"code": "target_refused", "detail": "target_refused: refused"}', 'or what went wrong');
INSERT INTO active_trace_requests (tracking_url, status, skip_reason) VALUES ('https://t.example/', 'skipped', 'bot') RETURNING request_id AS skipped \gset
SELECT is(result_of(:'skipped')#>'{answer,error,code}', '"bot"', 'or why it was skipped');
UPDATE active_trace_requests SET completed_at = now() - interval '9 days', started_at = now() - interval '9 days', revision = revision + 1
 WHERE request_id = :'later';
SELECT archive_traces();
SELECT is(result_of(:'later')#>'{answer,success}', 'true', 'from the archive too');
SELECT is(ask(jsonb_build_object('request_id', :'later')), 'known', 'where one asks for nothing new');
SELECT is((SELECT count(*) FROM trace_results(ARRAY[uuid_v7()])), 0::bigint, 'an unknown one has no row');
SELECT end_cooldowns();
SELECT add_request() AS free \gset
SELECT is(result_of(:'free')->'has_ip', 'true', 'an IP that has rested is free');
UPDATE ip_rotation_pool SET is_healthy = false;
SELECT is(result_of(:'free')->'has_ip', 'false', 'one that is out is not');
UPDATE ip_rotation_pool SET next_probe_at = clock_timestamp() - interval '1 s', revision = revision + 1;
SELECT is(result_of(:'free')->'has_ip', 'true', 'one that may be probed is');
UPDATE ip_rotation_pool SET provider = 'nobody', revision = revision + 1;
SELECT is(result_of(:'free')->'has_ip', 'false', 'one of an unknown provider is not');

-- A farm in batch mode
SELECT is(push_traces(ARRAY[:'free'::uuid]), 0, 'what cannot be claimed now is not pushed');
UPDATE ip_rotation_pool SET provider = 'other', is_healthy = true;
SELECT is(push_traces(ARRAY[:'free', :'named', :'skipped']::uuid[]), 1, 'what can be is');
SELECT results_eq('SELECT batch_size, max_concurrent FROM open_batches()', 'VALUES (1, 1)', 'by a batch of that size');
SELECT is(push_traces(ARRAY[:'free'::uuid]), 0, 'for which an open batch has room, needs no other');

-- Given up
SELECT is(abandon_trace(:'free', 'No available IP in pool'), true, 'one that nobody took can be given up');
SELECT is((SELECT (status, error_message, next_attempt_at, completed_at IS NOT NULL)::text FROM request(:'free')),
          '(failed,"No available IP in pool",,t)', 'with the reason that its caller was told');
SELECT is(abandon_trace(:'free', 'again'), false, 'once');
UPDATE ip_rotation_pool SET status = 'available';
SELECT claim();
SELECT request_id AS running FROM active_trace_requests WHERE status = 'processing' LIMIT 1 \gset
SELECT is(abandon_trace(:'running', 'late'), false, 'one that somebody has runs on');
SELECT is((request(:'running')).status, 'processing', 'to its end');
SELECT finish(:'running', 'error+retry', 'target');
SELECT is(abandon_trace(:'running', 'late'), false, 'and so does one between two attempts');

SELECT * FROM finish();
ROLLBACK;
