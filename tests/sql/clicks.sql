-- record_clicks, active_offers: what the edge says to the database.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

INSERT INTO offers (id, offer_name, max_retries, target_country)
VALUES ('01900000-0000-7000-8000-000000000001', 'demo', 4, ' US ');
CREATE FUNCTION click(p_more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_array(jsonb_build_object(
    'id', '01900000-0000-7000-8000-00000000000a', 'offer_id', '01900000-0000-7000-8000-000000000001', 'offer', 'demo',
    'url', 'https://t.example/?a=1', 'country', 'US', 'params', '{"a": "1"}'::jsonb, 'raw_query', 'offer=demo&a=1',
    'at', 10000, 'status', 'pending', 'path', 'track-hit-instant', 'options', '{"mode": "browser"}'::jsonb) || p_more)
$$;
CREATE FUNCTION the_click() RETURNS active_trace_requests LANGUAGE sql AS $$
  SELECT request('01900000-0000-7000-8000-00000000000a')
$$;

SELECT is(record_clicks(click(), 13000), 1, 'a new click is one row');
SELECT is((the_click()).status, 'pending', 'it is pending');
SELECT is((the_click()).target_country, 'us', 'its country in lower case');
SELECT is(in_seconds((the_click()).started_at), -3, 'it was clicked as long ago as the edge says');
SELECT is(in_seconds((the_click()).next_attempt_at), 0, 'and is claimable now');
SELECT is((the_click()).max_retries, 4, 'the offer''s retries');
SELECT is((the_click()).inbound_params, '{"a": "1"}', 'its parameters');
SELECT is((the_click()).raw_query, 'offer=demo&a=1', 'its raw query');
SELECT is((the_click()).click_path, 'track-hit-instant', 'the path it came by');
SELECT is((the_click()).options, '{"mode": "browser"}', 'its options');
SELECT is((the_click()).offer_name, 'demo', 'the offer''s name');

SELECT is(record_clicks(click('{"url": "https://other.example/"}'), 13000), 0, 'the same click again is no new row');
SELECT is((the_click()).tracking_url, 'https://t.example/?a=1', 'and changes nothing');
SELECT is(record_clicks(click() || click('{"id": "01900000-0000-7000-8000-00000000000b"}')
                        || click('{"id": "01900000-0000-7000-8000-00000000000b"}'), 13000), 1,
          'old, new and repeated in one batch: the new one is stored once');
SELECT is(record_clicks('[]', 0), 0, 'an empty batch is fine');

SELECT record_clicks(click('{"id": "01900000-0000-7000-8000-00000000000c", "at": 99999}'), 13000);
SELECT is(in_seconds((request('01900000-0000-7000-8000-00000000000c')).started_at), 0,
          'a click from the edge''s future is one of now');
SELECT record_clicks(click('{"id": "01900000-0000-7000-8000-00000000000d", "offer_id": null, "country": "", "at": null,
                             "params": null, "options": null}'), 13000);
SELECT is((request('01900000-0000-7000-8000-00000000000d')).target_country, 'us', 'no country is the default one');
SELECT is((request('01900000-0000-7000-8000-00000000000d')).inbound_params, '{}', 'no parameters are none');
SELECT is((request('01900000-0000-7000-8000-00000000000d')).max_retries, 2, 'without an offer the policy''s retries count');
SELECT is(record_clicks(click('{"id": "01900000-0000-7000-8000-00000000000e",
                                "offer_id": "01900000-0000-7000-8000-00000000dead"}'), 13000), 1,
          'a click of a deleted offer lands');

SELECT is(record_clicks(click('{"id": "01900000-0000-7000-8000-00000000000f", "status": "skipped",
                                "skip_reason": "duplicate",
                                "duplicate_of": "01900000-0000-7000-8000-00000000000a"}'), 13000), 1, 'a skipped click is a row');
SELECT is((request('01900000-0000-7000-8000-00000000000f')).next_attempt_at, NULL, 'that nobody claims');
SELECT is((request('01900000-0000-7000-8000-00000000000f')).skip_reason, 'duplicate', 'with its reason');
SELECT is((request('01900000-0000-7000-8000-00000000000f')).duplicate_of, '01900000-0000-7000-8000-00000000000a',
          'and the click that it repeats');

-- A batch may come again after its clicks went to the archive: kept segments, a disk that was found.
SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms \gset
SELECT click(jsonb_build_object('id', '01900000-0000-7000-8000-0000000000a1', 'at', :now_ms - 8 * 86400000::bigint))
    || click(jsonb_build_object('id', '01900000-0000-7000-8000-0000000000a2', 'at', :now_ms - 8 * 86400000::bigint)) AS old_clicks \gset
SELECT record_clicks(jsonb_build_array(:'old_clicks'::jsonb -> 0), :now_ms);
UPDATE active_trace_requests SET status = 'completed', completed_at = started_at
 WHERE request_id = '01900000-0000-7000-8000-0000000000a1';
SELECT is(archive_traces(), 1, '(one is archived)');
SELECT is(record_clicks(:'old_clicks', :now_ms), 1, 'what is in the archive is no new row, what is behind it is');
SELECT is((SELECT count(*) FROM traces WHERE request_id = '01900000-0000-7000-8000-0000000000a1'), 1::bigint, 'and is there once');
SELECT matches(server_identity(), '^[0-9]+/00000001$', 'the database knows which branch of its history it is on');

-- Bad rows: an error that the edge can tell from a database in trouble (class 22 or 23), and nothing stored.
SELECT throws_ok(format('SELECT record_clicks(%L, 0)', click('{"status": "completed"}')), '22P02', NULL,
                 'a click cannot be born completed');
SELECT throws_ok(format('SELECT record_clicks(%L, 0)', click('{"id": null}')), '23502', NULL, 'a click needs an id');
SELECT throws_ok(format('SELECT record_clicks(%L, 0)', click('{"id": "x"}')), '22P02', NULL, 'that is a UUID');
SELECT throws_ok(format('SELECT record_clicks(%L, 0)', click('{"id": "01900000-0000-7000-8000-000000000010", "url": null}')),
                 '23502', NULL, 'a click needs a URL');
SELECT throws_ok($$SELECT record_clicks('[{"id": "01900000-0000-7000-8000-000000000011", "url": "a\u0000b"}]', 0)$$,
                 '22P05', NULL, 'NUL is refused');
SELECT throws_ok(format('SELECT record_clicks(%L, 0)',
                        click('{"id": "01900000-0000-7000-8000-000000000012"}') || click('{"id": null}')),
                 '23502', NULL, 'a bad row fails its batch');
SELECT is((request('01900000-0000-7000-8000-000000000012')).request_id, NULL, 'and nothing of the batch is kept');

-- Offers
INSERT INTO offers (offer_name, is_active, tracking_urls) VALUES ('off', false, '[{"url": "https://x/", "weight": 1}]');
SELECT results_eq('SELECT offer_name, is_active, target_country FROM active_offers()',
                  $$VALUES ('demo', true, 'us'), ('off', false, 'us')$$, 'the edge gets inactive offers too');
SELECT throws_ok($$INSERT INTO offers (offer_name) VALUES ('demo')$$, '23505', NULL, 'offer names are unique');
SELECT throws_ok($$INSERT INTO offers (offer_name, tracking_urls) VALUES ('x', '{}')$$, '23514', NULL,
                 'tracking_urls is a list');
UPDATE offers SET updated_at = 'epoch' WHERE offer_name = 'off';
SELECT is(in_seconds((SELECT updated_at FROM offers WHERE offer_name = 'off')), 0, 'updated_at is kept by the database');

-- A vast offer without a URL of its own goes where its provider's tag is
INSERT INTO vast_providers (provider, base_url) VALUES ('acme', 'http://ads.test/tag');
INSERT INTO offers (offer_name, kind, vast_provider, final_url)
VALUES ('v1', 'vast', 'acme', NULL), ('v2', 'vast', 'acme', 'http://own.test/'), ('v3', 'vast', 'nobody', NULL), ('v4', 'link', 'acme', NULL);
SELECT is((SELECT array_agg(final_url ORDER BY offer_name) FROM active_offers() WHERE offer_name LIKE 'v_'),
          '{http://ads.test/tag,http://own.test/,NULL,NULL}', 'base_url stands in');
SELECT throws_ok($$INSERT INTO vast_providers (provider, base_url) VALUES ('b', 'ftp://ads.test/')$$, '23514', NULL, 'http only');
SELECT throws_ok($$INSERT INTO vast_providers (provider, macro_formats) VALUES ('b', '{%%}')$$, '23514', NULL, 'two spellings');
SELECT throws_ok($$INSERT INTO vast_providers (provider, retries) VALUES ('b', 6)$$, '23514', NULL, 'five retries at most');
SELECT throws_ok($$INSERT INTO offers (offer_name, kind) VALUES ('b', 'video')$$, '23514', NULL, 'two kinds');

-- What a claim gets to know of it
SELECT is(vast_provider_options('acme') -> 'vast' ->> 'base_url', 'http://ads.test/tag', 'the row');
SELECT is((SELECT string_agg(k, ' ') FROM jsonb_object_keys(vast_provider_options('acme') -> 'vast') AS k
            WHERE k IN ('notes', 'created_at', 'updated_at')), NULL, 'without what is for people');
SELECT is(vast_provider_options('nobody'), '{}', 'nothing of one that the table does not have');

SELECT * FROM finish();
ROLLBACK;
