-- Chain drift: what is learnt, what raises an event, and what a person can say about it.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- Host names, hops, query names
SELECT is(host_pattern(h), expected, h)
  FROM (VALUES ('edge17.cdn.example', 'edge#.cdn.example'), ('EDGE4.cdn.example.', 'edge#.cdn.example'),
               ('3fa9c01b.cdn.example', '#.cdn.example'), ('shop24.example', 'shop24.example'), ('a1.shop7.co.uk', 'a#.shop7.co.uk'),
               ('shop7.co.uk', 'shop7.co.uk'), ('facade.cdn.example', 'facade.cdn.example'), ('192.0.2.17', '192.0.2.17'),
               ('[2001:db8::1]:8443', '[2001:db8::1]:8443'), ('n3.x.example:8443', 'n#.x.example:8443'), ('localhost', 'localhost')) AS v (h, expected);
SELECT is(chain_hop(u), expected, u)
  FROM (VALUES ('https://u:p@Shop.example:443/a?b=c', 'https://shop.example'), ('http://shop.example:80', 'http://shop.example'),
               ('http://shop.example:8080/', 'http://shop.example:8080'), ('intent:abc', 'intent:'), ('market://details?id=1', 'market://details'),
               ('no url', 'no url')) AS v (u, expected);
SELECT is(query_names('https://x.example/?b=1&a=2&&a=3&%C3%A9=4&c#d?e=f'), '{%C3%A9,a,b,c}', 'names of a query, once each');
SELECT is(query_names('https://x.example/#?a=b'), '{}', 'a fragment is no query');

-- Comparing
CREATE FUNCTION differ(p_expected jsonb, p_hops text[], p_params text[] DEFAULT '{}', p_sent text[] DEFAULT '{}', p_issuers jsonb DEFAULT '{}')
RETURNS text[] LANGUAGE sql AS $$
  SELECT chain_differences(p_expected, jsonb_build_object('hops', p_hops, 'params', p_params, 'sent', p_sent, 'issuers', p_issuers))
$$;
CREATE TEMP TABLE want AS
SELECT '{"hops": ["https://go.a.example", "https://b.example", "https://shop.example"], "final": "https://shop.example",
         "params": ["order"], "carried": ["sub"], "issuers": {"shop.example": ["One CA", "Two CA"]}}'::jsonb AS w;
SELECT is(differ(w, p_hops, p_params, p_sent, p_issuers), expected, coalesce(nullif(array_to_string(expected, '; '), ''), 'all right'))
  FROM want, (VALUES
    ('{https://go.a.example,https://b.example,https://shop.example}'::text[], '{order,sub,more}'::text[], '{sub}'::text[],
     '{"shop.example": ["Two CA"], "b.example": ["Else"]}'::jsonb, '{}'::text[]),
    ('{https://go.a.example,https://b.example,https://shop.example}', '{order}', '{}', '{}', '{}'),
    ('{https://go.a.example,https://b.example,https://shop.example}', '{order}', '{sub}', '{}', '{lost parameter: sub}'),
    ('{https://go.a.example,https://b.example,https://shop.example}', '{sub}', '{sub}', '{}', '{lost parameter: order}'),
    ('{https://go.a.example,https://b.example,https://evil.example}', '{order}', '{}', '{}', '{"final host: evil.example instead of shop.example"}'),
    ('{https://go.a.example,https://spy.example,https://b.example,https://shop.example}', '{order}', '{}', '{}',
     '{new host: spy.example,longer: 4 hops instead of 3}'),
    ('{https://go.a.example,https://shop.example}', '{order}', '{}', '{}', '{host gone: b.example,shorter: 2 hops instead of 3}'),
    ('{https://go.a.example,https://b.example,https://b.example,https://shop.example}', '{order}', '{}', '{}', '{longer: 4 hops instead of 3}'),
    ('{https://b.example,https://go.a.example,https://shop.example}', '{order}', '{}', '{}', '{the same hosts in another order}'),
    ('{https://go.a.example,http://b.example,https://shop.example}', '{order}', '{}', '{}', '{no TLS any more: b.example}'),
    ('{https://go.a.example,https://b.example,https://shop.example}', '{order}', '{}', '{"shop.example": ["Third CA"]}',
     '{certificate of shop.example: issued by Third CA instead of One CA}')) AS v (p_hops, p_params, p_sent, p_issuers, expected);
SELECT is(differ('{"hops": ["http://a.example"], "final": "http://a.example"}', '{https://a.example}'), '{}', 'http that became https is no drift');
SELECT is(differ('{"hops": ["a.example", "b.example"]}', '{http://a.example,https://b.example}'), '{}', 'a host without a scheme stands for both');
SELECT is(differ('{"hops": null, "final": "https://z.example"}', '{https://q.example,https://z.example}'), '{}', 'where hops vary the end counts');
SELECT is(differ('{"hops": null, "final": "https://z.example"}', '{https://q.example,https://y.example}'), '{final host: y.example instead of z.example}', 'another end');
SELECT is(differ('{"hops": null, "final": null}', '{https://q.example}'), '{}', 'where all varies nothing does');

-- Traces of an offer with two weighted URLs
INSERT INTO offers (id, offer_name, tracking_urls)
VALUES ('00000000-0000-0000-0000-0000000000a1', 'shoes', '[{"url": "https://go.a.example/c?cid={cid}", "weight": 9}, {"url": "https://go.a.example/c/second/{cid}"}]');
UPDATE trace_policy SET drift_learn_traces = 5;
CREATE SEQUENCE turn;
-- A completed trace, n seconds after the one before; hops as URLs.
CREATE FUNCTION went(VARIADIC p_urls text[]) RETURNS uuid LANGUAGE sql AS $$
  WITH t AS (
    INSERT INTO active_trace_requests (offer_id, offer_name, tracking_url, status, next_attempt_at, max_retries, completed_at, final_url, redirect_chain)
    SELECT '00000000-0000-0000-0000-0000000000a1', 'shoes', p_urls[1], 'completed', NULL, 0,
           clock_timestamp() - interval '1 hour' + nextval('turn') * interval '1 s', p_urls[cardinality(p_urls)],
           (SELECT jsonb_agg(jsonb_build_object('url', u) ORDER BY n) FROM unnest(p_urls) WITH ORDINALITY AS x (u, n))
    RETURNING request_id, completed_at)
  INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, blame, new_status)
  SELECT request_id, 1, completed_at, 'ok', 'none', 'completed' FROM t RETURNING request_id
$$;
UPDATE chain_watch SET ended_at = clock_timestamp() - interval '2 hours';
SELECT is(watch_chains(), 0, 'nothing to look at');
SELECT went('https://go.a.example/c?cid=' || i, 'https://n' || i || '.b.example/r?cid=' || i, 'https://shop.example/p?order=7&cid=' || i) FROM generate_series(1, 4) AS i;
SELECT is(watch_chains(), 4, 'four traces are not enough to know');
SELECT is((SELECT count(*) FROM chain_expected), 0::bigint, 'nothing is expected yet');
SELECT went('https://go.a.example/c?cid=5', 'https://n5.b.example/r?cid=5', 'https://shop.example/p?order=9&cid=5&once=1');
SELECT is(watch_chains(), 1, 'one more');
SELECT results_eq($$SELECT start_url, country, source, chain, params, carried, traces FROM chain_expected$$,
                  $$VALUES ('https://go.a.example/c', 'us', 'learnt', E'https://go.a.example\nhttps://n#.b.example\nhttps://shop.example', '{order}'::text[], '{cid}'::text[], 5)$$,
                  'the way, what it adds, and what it carries');
SELECT is((SELECT count(*) FROM chain_lessons), 0::bigint, 'the lessons are over');
SELECT is(watch_chains(), 0, 'nobody looks twice');

-- The second URL is learnt by itself, and rotates between two ways
SELECT went('https://go.a.example/c/second/' || i, 'https://' || CASE WHEN i % 2 = 0 THEN 'x' ELSE 'y' END || '.example/') FROM generate_series(1, 6) AS i;
SELECT watch_chains();
SELECT is((SELECT count(*) FROM chain_expected WHERE start_url = 'https://go.a.example/c/second/'), 2::bigint, 'two legitimate ways of one link');
SELECT is((SELECT count(*) FROM chain_drift), 0::bigint, 'and no drift so far');
SELECT went('https://go.a.example/c/second/9', 'https://x.example/'), went('https://go.a.example/c?cid=1', 'https://n77.b.example/', 'https://shop.example/?order=1&cid=1');
SELECT is(watch_chains(), 2, 'the usual');
SELECT is((SELECT count(*) FROM chain_drift), 0::bigint, 'is no drift');

-- A new host: one event, however many
SELECT went('https://go.a.example/c?cid=' || i, 'https://n1.b.example/', 'https://spy.example/', 'https://shop.example/p?order=7&cid=' || i) FROM generate_series(1, 3) AS i;
SELECT watch_chains();
SELECT results_eq('SELECT state, traces, differences FROM chain_drift', $$VALUES ('open', 3::bigint, '{new host: spy.example,longer: 4 hops instead of 3}'::text[])$$, 'one event');
SELECT is((SELECT (expected_chain, seen_chain)::text FROM chain_drift),
          (E'https://go.a.example\nhttps://n#.b.example\nhttps://shop.example', E'https://go.a.example\nhttps://n#.b.example\nhttps://spy.example\nhttps://shop.example')::text,
          'the two chains side by side');
SELECT went('https://go.a.example/c?cid=4', 'https://n1.b.example/', 'https://spy.example/', 'https://shop.example/p?order=7&cid=4') AS last \gset
SELECT watch_chains();
SELECT is((SELECT (traces, last_request_id)::text FROM chain_drift), ('(4,' || :'last' || ')'), 'the same again is counted, with the trace to look at');
SELECT went('https://go.a.example/c?cid=1', 'https://n1.b.example/', 'https://shop.example/?cid=1');
SELECT went('https://go.a.example/c?cid=1', 'https://n1.b.example/', 'http://shop.example/?order=1&cid=1');
SELECT went('https://go.a.example/c?cid=1', 'https://n1.b.example/', 'https://evil.example/?order=1&cid=1');
SELECT watch_chains();
SELECT results_eq('SELECT unnest(differences) FROM chain_drift ORDER BY id OFFSET 2',
                  $$VALUES ('lost parameter: order'), ('no TLS any more: shop.example'), ('final host: evil.example instead of shop.example')$$, 'and others have their own');
SELECT results_eq('SELECT offer_name, events, traces FROM chain_drift_open', $$VALUES ('shoes', 4::bigint, 7::numeric)$$, 'how many are open');

-- By hand
SELECT (SELECT id FROM chain_drift WHERE 'new host: spy.example' = ANY (differences)) AS spy, (SELECT id FROM chain_drift WHERE 'lost parameter: order' = ANY (differences)) AS lost,
       (SELECT id FROM chain_drift WHERE differences[1] LIKE 'final host%') AS evil \gset
SELECT dismiss_drift(:lost);
SELECT throws_ok(format('SELECT dismiss_drift(%s)', :lost), 'P0002', NULL, 'closed is closed');
SELECT is(accept_drift(:evil, true), 1, 'accepted beside the other');
SELECT is((SELECT count(*) FROM chain_expected WHERE start_url = 'https://go.a.example/c'), 2::bigint, 'both are expected');
SELECT is(accept_drift(:spy), 1, 'accepted in place of the other');
SELECT is((SELECT array_agg(source || ' ' || regexp_replace(chain, '.*\n', '') ORDER BY chain COLLATE "C") FROM chain_expected WHERE start_url = 'https://go.a.example/c'),
          '{accepted https://evil.example,accepted https://shop.example}'::text[], 'what was compared with is gone');
SELECT is((SELECT closed_by FROM chain_drift WHERE id = :spy), session_user::text, 'who said so is kept');
SELECT went('https://go.a.example/c?cid=4', 'https://n1.b.example/', 'https://spy.example/', 'https://shop.example/p?order=7&cid=4');
SELECT went('https://go.a.example/c?cid=5', 'https://n1.b.example/', 'https://shop.example/?order=1&cid=5');
SELECT watch_chains();
SELECT is((SELECT array_agg(array_to_string(differences, ', ') ORDER BY id) FROM chain_drift WHERE state = 'open' AND id > :evil),
          '{"host gone: spy.example, shorter: 3 hops instead of 4"}', 'the accepted way is no drift, the old one is');

SELECT is(unpin_chain('shoes'), 4, 'forgotten: two links of two ways');
SELECT is(pin_chain('shoes', '{go.a.example,https://shop.example}', '{order}'), 1, 'pinned');
SELECT went('https://go.a.example/c/second/1', 'https://shop.example/?order=2'), went('https://go.a.example/c/second/1', 'https://x.example/');
SELECT watch_chains();
SELECT is((SELECT (differences, traces)::text FROM chain_drift WHERE state = 'open' ORDER BY id DESC LIMIT 1),
          ('{"final host: x.example instead of shop.example","lost parameter: order"}'::text[], 1::bigint)::text, 'a pin holds for all links of the offer');
SELECT is((SELECT count(*) FROM chain_lessons), 0::bigint, 'and nothing is learnt beside it');
SELECT throws_ok($$SELECT pin_chain('nobody')$$, 'P0002', 'there is no offer named "nobody"', 'an unknown offer is named');
SELECT throws_ok($$SELECT pin_chain('shoes', '{}')$$, '22023', 'a chain has 1 to 100 hosts, not 0', 'an empty chain is refused');

-- Ten ways are enough
SELECT unpin_chain('shoes');
SELECT pin_chain('shoes', '{go.a.example,shop.example}');
DELETE FROM chain_drift_events;
SELECT went('https://go.a.example/c?cid=1', 'https://way' || i || '.example/') FROM generate_series(1, 14) AS i;
SELECT watch_chains();
SELECT is((SELECT (count(*), sum(traces), sum(others))::text FROM chain_drift), '(10,10,4)', 'ten events, the others counted');

-- Random ends are no drift; a stable end behind random hops is expected
SELECT unpin_chain('shoes');
DELETE FROM chain_drift_events;
SELECT went('https://go.a.example/c?cid=1', 'https://q' || i || 'x.example/', 'https://shop.example/') FROM generate_series(1, 10) AS i;
SELECT watch_chains();
SELECT results_eq('SELECT chain FROM chain_expected', $$VALUES (E'...\nhttps://shop.example')$$, 'the end is expected');
SELECT went('https://go.a.example/c?cid=1', 'https://yet-another.example/', 'https://shop.example/'), went('https://go.a.example/c?cid=1', 'https://evil.example/');
SELECT watch_chains();
SELECT results_eq('SELECT differences FROM chain_drift', $$VALUES ('{final host: evil.example instead of shop.example}'::text[])$$, 'and another end is drift');

-- Off, failed traces, traces without an offer, the watermark
SELECT is((SELECT jsonb_array_length(dashboard_drift('00000000-0000-0000-0000-0000000000a1')->'events')), 1, 'the dashboard shows it');
INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, blame, new_status)
VALUES (uuid_v7(), 1, clock_timestamp() - interval '10 s', 'error', 'target', 'failed'), (uuid_v7(), 1, clock_timestamp(), 'ok', 'none', 'completed');
SELECT is(watch_chains(), 1, 'what failed is passed over; what ended just now may have company that is not committed yet');
UPDATE trace_policy SET drift_learn_traces = 0;
UPDATE trace_attempts SET ended_at = clock_timestamp() - interval '5 s' WHERE new_status = 'completed' AND ended_at > clock_timestamp() - interval '5 s';
SELECT is(watch_chains(), 0, 'off is off');
UPDATE chain_drift_events SET last_at = clock_timestamp() - interval '8 days';
UPDATE chain_watch SET tidied_at = clock_timestamp() - interval '2 hours';
UPDATE trace_policy SET drift_learn_traces = 5;
SELECT watch_chains();
SELECT is((SELECT state FROM chain_drift), 'over', 'what was not seen for a week is over');
DELETE FROM offers;
UPDATE chain_watch SET tidied_at = clock_timestamp() - interval '2 hours';
SELECT watch_chains();
SELECT is((SELECT count(*) FROM chain_drift) + (SELECT count(*) FROM chain_expectations), 0::bigint, 'an offer that is gone takes its chains along');

SELECT * FROM finish();
ROLLBACK;
