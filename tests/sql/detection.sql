-- Mode auto learns: what counts, what does not, what an offer learns by it, and how it forgets.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
INSERT INTO offers (offer_name, final_url) VALUES ('shop', 'https://shop.example/'), ('other', 'https://other.example/');
SELECT add_ips('us', 1);
UPDATE trace_policy SET cooldown_s = 0;

-- One trace of an offer, from its claim to its end, and what the worker said of its modes.
CREATE FUNCTION traced(p_offer text, p_result jsonb, p_outcome text DEFAULT 'ok', p_blame text DEFAULT 'none')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
BEGIN
  INSERT INTO active_trace_requests (tracking_url, offer_id, offer_name)
  SELECT 'https://t.example/', o.id, o.offer_name FROM offers o WHERE o.offer_name = p_offer
  RETURNING request_id INTO v_id;
  PERFORM claim();
  RETURN finish(v_id, p_outcome, p_blame, 100, p_result);
END $$;
CREATE FUNCTION http(p_compared jsonb DEFAULT NULL, p_reason text DEFAULT 'http_sufficient') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('mode_used', 'http_only', 'reason', p_reason, 'http_ms', 40, 'browser_ms', CASE WHEN p_compared IS NOT NULL THEN 600 END,
                            'compared', p_compared)
$$;
CREATE FUNCTION browser(p_compared jsonb DEFAULT NULL, p_reason text DEFAULT 'js_redirect') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('mode_used', 'browser', 'reason', p_reason, 'http_ms', 60, 'browser_ms', 800, 'compared', p_compared)
$$;
CREATE FUNCTION agreed() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"agreed": true, "final_host": true}'::jsonb $$;
CREATE FUNCTION differed(p_why text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('agreed', false, 'difference', p_why, 'http', 'https://shop.example/', 'browser', 'https://end.example/' || p_why)
$$;
CREATE FUNCTION learn() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT concat_ws(' ', l.offer_name, '+' || l.learnt, '-' || l.forgot) FROM learn_from_traces('0') AS l
$$;
CREATE FUNCTION found(p_path text, p_offer text DEFAULT 'shop') RETURNS text LANGUAGE sql AS $$
  SELECT o.tracer_detection_result #>> p_path::text[] FROM offers o WHERE o.offer_name = p_offer
$$;
CREATE FUNCTION learnt(p_offer text DEFAULT 'shop') RETURNS text LANGUAGE sql AS $$
  SELECT o.tracer_learnt FROM offers o WHERE o.offer_name = p_offer
$$;
CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS $$ UPDATE offers SET tracer_detection_result = NULL $$;

-- The attempt keeps what was found out; counting makes the offer's result of it.
SELECT is(traced('shop', http()), 'completed', '(by HTTP)');
SELECT is((SELECT (a.reason, a.http_ms, a.browser_ms, a.compared, a.offer_id = (SELECT id FROM offers WHERE offer_name = 'shop'))::text
             FROM trace_attempts a), '(http_sufficient,40,,,t)', 'an attempt knows offer, reason and times');
SELECT traced('shop', http(agreed())), traced('shop', http(differed('served'))), traced('shop', browser(differed('missed'))),
       traced('shop', browser(agreed(), 'no_redirects'));
SELECT is(found('{version}'), NULL, 'nothing is counted while traces end');
SELECT is_empty('SELECT learn()', 'nothing is learnt of so little');
SELECT is(found('{traces}')::jsonb, '{"http_only": 3, "browser": 2}', 'traces by mode');
SELECT is(found('{http_only_percent}'), '60.0', 'and as a share');
SELECT is(found('{reasons}')::jsonb, '{"http_sufficient": 3, "js_redirect": 1, "no_redirects": 1}', 'by reason');
SELECT is(found('{http_ms}')::jsonb, '{"traces": 5, "sum": 240, "average": 48}', 'times of HTTP');
SELECT is(found('{browser_ms}')::jsonb, '{"traces": 4, "sum": 2800, "average": 700}', 'and of the browser');
SELECT is(found('{samples}')::jsonb, '{"traces": 2, "agreed": 1, "missed": 0, "served": 1, "short": 0, "recent": "as"}', 'samples');
SELECT is(found('{browser}')::jsonb, '{"compared": 2, "needed": 1, "in_a_row": 0}', 'where the page asked for a browser: was it needed?');
SELECT is(found('{disagreements,0}')::jsonb - 'at' - 'request_id',
          '{"difference": "served", "http": "https://shop.example/", "browser": "https://end.example/served"}', 'both ends are kept');

-- Counted once, whoever asks how often.
SELECT tracer_detection_result AS before FROM offers WHERE offer_name = 'shop' \gset
SELECT is_empty('SELECT learn()', '(once more)');
SELECT is((SELECT tracer_detection_result FROM offers WHERE offer_name = 'shop'), :'before', 'counting again changes nothing');
SELECT traced('shop', http()) FROM generate_series(1, 5);
SELECT is_empty($$SELECT learn_from_traces('1 hour')$$, '(too early)');
SELECT is(found('{traces,http_only}'), '3', 'what ended just now is left for later');
SELECT count(*) FROM learn_from_traces('0', 2);
SELECT is(found('{traces,http_only}'), '5', 'a slice at a time');
SELECT count(*) FROM learn_from_traces('0', 2);
SELECT count(*) FROM learn_from_traces('0', 2);
SELECT is(found('{traces,http_only}'), '8', 'and all in the end');
SELECT is(found('{since}'), (:'before')::jsonb ->> 'since', 'since when stays');
INSERT INTO trace_attempts (request_id, attempt, offer_id, ended_at, outcome, new_status, blame, mode_used, reason, http_ms)
SELECT gen_random_uuid(), 1, o.id, clock_timestamp(), 'ok', 'completed', 'none', 'http_only', 'http_sufficient', 40
  FROM offers o, generate_series(1, 20000) WHERE o.offer_name = 'other';
SELECT learn();
SELECT is(found('{traces,http_only}', 'other'), '20000', 'a snapshot''s ten seconds of a busy farm are counted in one call');
UPDATE offers SET tracer_detection_result = NULL WHERE offer_name = 'other';

-- What failed on its way teaches nothing, whatever mode it was in.
SELECT tracer_detection_result AS before FROM offers WHERE offer_name = 'shop' \gset
SELECT traced('shop', http(NULL, 'http_error'), 'error', 'proxy'), traced('shop', http(NULL, 'http_error'), 'timeout', 'target'),
       traced('shop', browser(), 'error', 'us'), traced('shop', browser(), 'timeout', 'target'), traced('shop', '{}', 'error', 'proxy');
SELECT traced('shop', '{"mode_used": "browser", "browser_ms": 5}');
SELECT learn();
SELECT is((SELECT tracer_detection_result FROM offers WHERE offer_name = 'shop'), :'before',
          'failures of proxy, transport and browser teach nothing; nor does a mode that was asked for');
SELECT is(found('{}', 'other'), NULL, 'an offer without traces has nothing');
UPDATE ip_rotation_pool SET is_healthy = true, status = 'available';

-- Missed on samples: the browser at once.
SELECT forget();
SELECT traced('shop', http(differed('missed')));
SELECT is_empty('SELECT learn()', 'one miss may be chance');
SELECT traced('shop', http(differed('served'))) FROM generate_series(1, 5);
SELECT is_empty('SELECT learn()', 'a server that answers differently is no miss');
SELECT traced('shop', http(agreed())), traced('shop', http(differed('missed')));
SELECT results_eq('SELECT learn()', $$VALUES ('shop +learnt_missed')$$, 'a second one is learnt');
SELECT is(learnt(), 'learnt_missed', 'the offer says so');
SELECT is((SELECT offer_options(o) ->> 'learnt' FROM offers o WHERE o.offer_name = 'shop'), 'learnt_missed', 'and its claims');
SELECT is(in_seconds(found('{learnt,until}')::timestamptz), 86400, 'for a day');
SELECT is_empty('SELECT learn()', 'which is told once');
SELECT traced('shop', browser(NULL, 'learnt_missed'));
SELECT learn();
SELECT is(learnt(), 'learnt_missed', 'traces by the browser alone say nothing new');
SELECT is(found('{reasons,learnt_missed}'), '1', 'but are counted');
SELECT traced('shop', browser(agreed(), 'learnt_missed')) FROM generate_series(1, 9);
SELECT results_eq('SELECT learn()', $$VALUES ('shop -learnt_missed')$$, 'samples that agree end it');
SELECT is(learnt(), NULL, 'and HTTP goes first again');

-- Its time ends it too, without any trace; what was missed is not forgotten by that.
SELECT forget();
SELECT traced('shop', http(differed('missed'))) FROM generate_series(1, 2);
SELECT learn();
SELECT is(found('{learnt,reason}'), 'learnt_missed', '(learnt)');
UPDATE offers SET tracer_detection_result = jsonb_set(tracer_detection_result, '{learnt,until}', to_jsonb(now() - interval '1 s'));
SELECT results_eq('SELECT learn()', $$VALUES ('shop -learnt_missed')$$, 'forgotten when its time is over');
SELECT traced('shop', http(differed('missed')));
SELECT results_eq('SELECT learn()', $$VALUES ('shop +learnt_missed')$$, 'one more miss is enough then');

-- Always needed: HTTP is not tried first any more.
SELECT forget();
UPDATE trace_policy SET learn_needed_after = 3;
SELECT traced('shop', browser(differed('missed'))) FROM generate_series(1, 2);
SELECT learn();
SELECT traced('shop', browser(NULL, 'http_timeout')), traced('shop', browser(), 'error', 'proxy');
SELECT is_empty('SELECT learn()', 'a slow origin and a bad proxy are neither for nor against');
SELECT is(found('{browser,in_a_row}'), '2', '(two in a row)');
SELECT traced('shop', browser(differed('missed')));
SELECT results_eq('SELECT learn()', $$VALUES ('shop +learnt_needed')$$, 'the third in a row is learnt');
SELECT traced('shop', browser(NULL, 'learnt_needed')) FROM generate_series(1, 3);
SELECT traced('shop', browser(differed('missed')));
SELECT is_empty('SELECT learn()', 'it goes on');
SELECT is(found('{browser,in_a_row}'), '4', 'with each sample that needed it');
SELECT traced('shop', browser(agreed()));
SELECT results_eq('SELECT learn()', $$VALUES ('shop -learnt_needed')$$, 'a page that both saw alike ends it');
SELECT forget();
SELECT traced('shop', browser(differed('missed'))), traced('shop', browser(differed('missed'))), traced('shop', http()),
       traced('shop', browser(differed('missed')));
SELECT is_empty('SELECT learn()', 'a page that HTTP was enough for interrupts the row');
SELECT is(found('{browser,in_a_row}'), '1', '(one)');

-- A browser that adds nothing is told, and stays: only a person takes it away.
SELECT forget();
SELECT traced('shop', browser(agreed(), 'no_redirects')) FROM generate_series(1, 25);
SELECT is_empty('SELECT learn()', 'nothing is learnt that takes the browser away');
SELECT is(found('{browser}')::jsonb, '{"compared": 25, "needed": 0, "in_a_row": 0}', 'but it can be seen');

-- By hand.
UPDATE trace_policy SET learn_missed_after = 0, learn_needed_after = 0;
SELECT forget();
SELECT traced('shop', http(differed('missed'))), traced('shop', http(differed('missed'))) FROM generate_series(1, 5);
SELECT is_empty('SELECT learn()', 'switched off: nothing is learnt');
UPDATE trace_policy SET learn_missed_after = 2;
SELECT traced('shop', http(differed('missed')));
SELECT learn();
UPDATE trace_policy SET learn_missed_after = 0;
SELECT results_eq('SELECT learn()', $$VALUES ('shop -learnt_missed')$$, 'switching it off ends what was learnt');
UPDATE trace_policy SET learn_missed_after = 2;
SELECT traced('shop', http(differed('missed')));
SELECT learn();
SELECT is(learnt(), 'learnt_missed', '(learnt)');
SELECT forget();
SELECT is(learnt(), NULL, 'NULL begins anew, at once');
SELECT traced('shop', http(differed('missed'))), traced('shop', http(differed('missed')));
SELECT learn();
UPDATE offers SET updated_at = '2020-01-01', final_url = 'https://new.example/' WHERE offer_name = 'shop';
SELECT is(found('{}'), NULL, 'another target begins anew');
SELECT is((SELECT in_seconds(updated_at) FROM offers WHERE offer_name = 'shop'), 0, 'and is a change of the offer');
SELECT is((SELECT (offer_options(o) ->> 'sample_percent') FROM offers o WHERE o.offer_name = 'shop'), NULL, 'the worker''s setting,');
UPDATE offers SET sample_percent = 0 WHERE offer_name = 'shop';
SELECT is((SELECT (offer_options(o) ->> 'sample_percent') FROM offers o WHERE o.offer_name = 'shop'), '0', 'or the offer''s own share');

-- What was there from elsewhere, or was broken by hand, stops nobody.
UPDATE offers SET tracer_detection_result = '{"recommended_mode": "browser", "learnt": "x"}' WHERE offer_name = 'shop';
SELECT traced('shop', http());
SELECT lives_ok('SELECT learn()', 'another program''s result is replaced');
SELECT is(found('{traces,http_only}'), '1', 'by our own');
UPDATE offers SET tracer_detection_result = tracer_detection_result || '{"samples": 7, "learnt": {"reason": "learnt_missed", "until": "soon"}}'
 WHERE offer_name = 'shop';
SELECT traced('shop', http());
SELECT lives_ok('SELECT learn()', 'a broken one begins anew');
SELECT is(found('{traces,http_only}'), '1', '(anew)');

-- Edges, and whoever looks at the list of offers, need not hear of it.
UPDATE ip_rotation_pool SET is_healthy = true;
SELECT updated_at AS before FROM offers WHERE offer_name = 'shop' \gset
SELECT traced('shop', http());
SELECT learn();
SELECT is((SELECT updated_at FROM offers WHERE offer_name = 'shop'), :'before', 'counting is no change of the offer');
SELECT ok((SELECT bool_and(NOT 'tracer_detection_result' = ANY (
                    SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::smallint[])))
             FROM pg_trigger t WHERE t.tgrelid = 'offers'::regclass AND t.tgname = 'notify_changed'), 'edges are not told');

-- For people: by offer, and over all.
SELECT forget();
UPDATE trace_policy SET learn_missed_after = 2;
SELECT traced('shop', http()), traced('shop', http(agreed())), traced('shop', http(differed('missed'))), traced('shop', http(differed('missed'))),
       traced('other', browser(differed('missed')));
SELECT learn();
SELECT results_eq($$SELECT offer_name, traces, http_only, http_only_percent, sampled, agreed_percent, missed, browser_compared,
                           browser_needed_percent, http_avg_ms, browser_avg_ms, learnt FROM tracer_detection$$,
                  $$VALUES (NULL, 5::bigint, 4::bigint, 80.0, 3::bigint, 33.3, 2::bigint, 1::bigint, 100.0, 44, 650, '1'),
                           ('other', 1, 0, 0.0, 0, NULL, 0, 1, 100.0, 60, 800, NULL),
                           ('shop', 4, 4, 100.0, 3, 33.3, 2, 0, NULL, 40, 600, 'learnt_missed')$$, 'the view tells shares, agreement and times');

SELECT * FROM finish();
ROLLBACK;
