-- The outbox of tracking requests: planning, the gate, order, attempts, recovery.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

CREATE FUNCTION add_offer(p_mode text) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO offers (offer_name, final_url, tracking_mode) VALUES (uuid_v7()::text, 'http://s.test/', p_mode) RETURNING id
$$;
CREATE FUNCTION finished_request(p_offer uuid) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO active_trace_requests (tracking_url, offer_id, status, next_attempt_at)
  VALUES ('http://g.test/', p_offer, 'completed', NULL) RETURNING request_id
$$;
-- impression, start, complete after 4 s; a click on request.
CREATE FUNCTION a_view(p_host text DEFAULT 'ok.test', p_events jsonb DEFAULT '[]') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('ad', 0, 'creative', 0, 'ad_id', 'a1', 'creative_id', 'c1', 'duration_ms', 4000, 'events',
    jsonb_build_array(
      jsonb_build_object('event', 'impression', 'ord', 0, 'at_ms', 0, 'billing', true, 'template', 'http://' || p_host || '/i',
                         'url', 'http://' || p_host || '/i', 'host', p_host),
      jsonb_build_object('event', 'start', 'ord', 1, 'at_ms', 0, 'billing', false, 'template', 'http://' || p_host || '/s',
                         'url', 'http://' || p_host || '/s', 'host', p_host),
      jsonb_build_object('event', 'complete', 'ord', 2, 'at_ms', 4000, 'billing', false, 'template', 'http://' || p_host || '/c',
                         'url', 'http://' || p_host || '/c', 'host', p_host),
      jsonb_build_object('event', 'click', 'ord', 1, 'billing', true, 'template', 'http://' || p_host || '/click',
                         'url', 'http://' || p_host || '/click', 'host', p_host)) || p_events)
$$;
CREATE FUNCTION new_view(p_offer uuid, p_mode text DEFAULT 'fire', p_host text DEFAULT 'ok.test', p_events jsonb DEFAULT '[]')
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v_request uuid := finished_request(p_offer);
BEGIN
  PERFORM plan_ad_view(v_request, a_view(p_host, p_events), p_mode);
  RETURN v_request;
END $$;
CREATE FUNCTION states(p_request uuid) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(event || ' ' || state, ', ' ORDER BY id) FROM tracking_events WHERE request_id = p_request
$$;
CREATE FUNCTION claimed_events(p_worker text DEFAULT 'w1', p_slots integer DEFAULT 100) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(event, ',' ORDER BY id) FROM claim_tracking_events(p_slots, p_worker, 60000)
$$;
-- Everything that the worker holds, unbegun, with its URL as it is.
CREATE FUNCTION begin_all(p_worker text DEFAULT 'w1', p_refusal text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(b.verdict, ',' ORDER BY b.id)
    FROM begin_tracking_events(p_worker, (SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'attempts', e.attempts, 'url',
           e.url_template, 'host', split_part(e.url_template, '/', 3), 'refusal', p_refusal)), '[]')
             FROM tracking_events e WHERE e.state = 'sending' AND NOT e.is_begun)) AS b
$$;
CREATE FUNCTION finish_all(p_outcome text, p_worker text DEFAULT 'w1', p_more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(f.state, ',' ORDER BY f.id)
    FROM finish_tracking_events(p_worker, (SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'attempts', e.attempts, 'outcome',
           p_outcome, 'phase', 'answered', 'status', 204, 'response_ms', 20) || p_more), '[]')
             FROM tracking_events e WHERE e.claimed_by = p_worker)) AS f
$$;
CREATE FUNCTION make_due() RETURNS void LANGUAGE sql AS $$
  UPDATE tracking_events SET due_at = clock_timestamp() - interval '1 s' WHERE state IN ('pending', 'waiting') AND due_at < 'infinity'
$$;
CREATE FUNCTION end_tracking_leases() RETURNS void LANGUAGE sql AS $$
  UPDATE tracking_events SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'sending'
$$;
CREATE FUNCTION forget_all() RETURNS void LANGUAGE sql AS $$
  DELETE FROM tracking_attempts; DELETE FROM tracking_events; DELETE FROM ad_view_plans
$$;

INSERT INTO tracking_allowed_hosts (host, owner, purpose, expires_at)
VALUES ('ok.test', 'us', 't', NULL), ('.below.test', 'us', 't', NULL), ('over.test', 'us', 't', now() - interval '1 s'), ('10.0.0.1', 'us', 't', NULL),
       ('.0.0.2', 'us', 't', NULL), ('x-y.test', 'us', 't', NULL);
CREATE TEMP TABLE it AS SELECT add_offer('fire') AS fire, add_offer('verify') AS verify, add_offer('off') AS off;

-- Hosts
SELECT is(tracking_host_allowed(h.host), h.allowed, format('%s: %s', h.host, h.allowed))
  FROM (VALUES ('ok.test', true), ('OK.test', true), ('ok.test.', true), ('a.ok.test', false), ('notok.test', false), ('a.below.test', true),
               ('a.b.below.test.', true), ('below.test', false), ('.below.test', false), ('xbelow.test', false), ('over.test', false),
               ('10.0.0.1', true), ('1.0.0.2', false), ('xxy.test', false), ('', false), (NULL, NULL)) AS h (host, allowed)
 WHERE h.host IS NOT NULL;
SELECT is(coalesce(tracking_host_allowed(NULL), false), false, 'no host is no host');

-- Planning
SELECT is(plan_ad_view(finished_request(off), a_view(), 'fire'), 0, 'an offer that is off plans nothing') FROM it;
SELECT is(plan_ad_view(finished_request(fire), a_view(), 'off'), 0, 'nor does a worker that is') FROM it;
SELECT is((SELECT count(*) FROM tracking_events), 0::bigint, 'no row');
SELECT is(states(new_view(verify)), 'impression skipped, start skipped, complete skipped, click pending', 'verify records without sending') FROM it;
SELECT is(states(new_view(fire, 'verify')), 'impression skipped, start skipped, complete skipped, click pending', 'whoever says verify') FROM it;
SELECT is((SELECT array_agg(DISTINCT reason ORDER BY reason) FROM tracking_events), '{verify}', 'and why');
SELECT is((SELECT array_agg(DISTINCT (url IS NOT NULL)) FROM tracking_events), '{t}', 'with the URL that would be called');
SELECT forget_all();
SELECT new_view(verify, 'fire', 'no.test') FROM it;
SELECT is((SELECT DISTINCT reason FROM tracking_events), 'verify: host is not allowed', 'and whether it could be');
SELECT forget_all();
SELECT new_view(NULL);
SELECT is((SELECT DISTINCT mode FROM tracking_events), 'verify', 'a trace without an offer never fires');
SELECT is(claimed_events(), NULL, 'nothing of this is claimed');
SELECT forget_all();
CREATE TEMP TABLE r AS SELECT new_view(fire) AS id FROM it;
SELECT is(states(id), 'impression pending, start pending, complete pending, click pending', 'fire schedules') FROM r;
SELECT is(plan_ad_view(id, a_view(), 'fire'), 0, 'a second time adds nothing') FROM r;
SELECT is(plan_ad_view(id, a_view('other.test'), 'fire'), 0, 'not even with another document: no second impression') FROM r;
SELECT is((SELECT string_agg(in_seconds(due_at)::text, ',' ORDER BY id) FROM tracking_events WHERE due_at < 'infinity'), '0,0,4', 'by the real duration');
SELECT is((SELECT max_attempts FROM tracking_events LIMIT 1), 4, 'one attempt and three more');

-- Order and states
SELECT is((SELECT due_ms <= 0 FROM tracking_gate()), true, 'the gate tells that something is due');
SELECT is(claimed_events(), 'impression', 'only the impression at first');
SELECT is(claimed_events('w2'), NULL, 'nobody else gets it');
SELECT is(begin_all('w2'), 'lost', 'nor may send it');
SELECT is(begin_all(), 'go', 'its holder may');
SELECT is((SELECT (attempts, is_begun, sent_at IS NOT NULL, url)::text FROM tracking_events WHERE event = 'impression'), '(1,t,t,http://ok.test/i)', 'written down');
SELECT is((SELECT (attempt, ended_at IS NULL, worker)::text FROM tracking_attempts), '(1,t,w1)', 'and the attempt');
SELECT is(begin_all(), NULL, 'once');
SELECT is(finish_all('tracked', 'w2'), NULL, 'another worker cannot end it');
SELECT is(finish_all('tracked'), 'tracked', 'its holder can');
SELECT is(finish_all('failed'), NULL, 'once');
SELECT is((SELECT (phase, http_status, response_ms)::text FROM tracking_attempts), '(answered,204,20)', 'and the attempt says how');
SELECT make_due();
SELECT is(claimed_events(), 'start', 'then start, not complete');
SELECT is(finish_all('held', 'w1', '{"pause_ms": 5000}'), 'pending', 'handed back');
SELECT is((SELECT (in_seconds(due_at), attempts)::text FROM tracking_events WHERE event = 'start'), '(5,0)', 'for a pause, without an attempt');
SELECT make_due();
SELECT claimed_events(), begin_all();
SELECT is(finish_all('retry'), 'waiting', 'an attempt that failed');
SELECT ok((SELECT due_at - updated_at BETWEEN interval '1.6 s' AND interval '2.4 s' FROM tracking_events WHERE event = 'start'), '2 s, give or take a fifth');
SELECT make_due();
SELECT claimed_events(), begin_all(), finish_all('retry', 'w1', '{"pause_ms": 30000}');
SELECT is((SELECT in_seconds(due_at) FROM tracking_events WHERE event = 'start'), 30, 'the receiver''s wish when that is longer');
SELECT make_due();
SELECT claimed_events(), begin_all(), finish_all('retry');
SELECT ok((SELECT due_at - updated_at BETWEEN interval '6.4 s' AND interval '9.6 s' FROM tracking_events WHERE event = 'start'), '8 s after the third');
SELECT make_due();
SELECT claimed_events(), begin_all();
SELECT is(finish_all('retry'), 'failed', 'at most four attempts');
SELECT is(claimed_events(), 'complete', 'a start that failed does not stop the view');
SELECT begin_all(), finish_all('tracked');
SELECT is((SELECT (state, events, tracked, failed, percent_tracked, attempts, avg_response_ms)::text FROM ad_views), '(complete,3,2,1,100,6,20)', 'ad_views sums up');
SELECT is((SELECT (is_tracked, attempts, avg_response_ms, http_status)::text FROM tracking_event_states WHERE event = 'start'), '(f,4,20,204)', 'tracking_event_states');
SELECT is(track_event(id, 'click'), 1, 'a click is asked for') FROM r;
SELECT is((SELECT in_seconds(expires_at) FROM tracking_events WHERE event = 'click'), 3600, 'and does not wait for ever');
SELECT is(claimed_events(), 'click', 'and goes');
SELECT begin_all(), finish_all('unknown');
SELECT is(track_event(id, 'click'), 0, 'once') FROM r;
SELECT is(finish_all('tracked'), 'tracked', 'what came of it may be learnt late');

-- Two impressions, one of them tracked, are enough; none skips the rest
SELECT forget_all();
CREATE TEMP TABLE two AS SELECT new_view(fire, 'fire', 'no.test', '[{"event":"impression","ord":0,"at_ms":0,"billing":true,"template":"http://ok.test/i2"}]') AS id FROM it;
SELECT is(claimed_events(), 'impression,impression', 'impressions go together');
SELECT is(begin_all(), 'blocked,go', 'each by its own host');
SELECT is((SELECT reason FROM tracking_events WHERE state = 'blocked'), 'no.test is not in tracking_allowed_hosts', 'and why');
SELECT finish_all('tracked');
SELECT is(claimed_events(), 'start', 'the view goes on');
SELECT is(begin_all('w1', 'the worker says no'), 'blocked', 'a refusal of the worker counts');
SELECT forget_all();
CREATE TEMP TABLE none AS SELECT new_view(fire) AS id FROM it;
SELECT claimed_events(), begin_all(), finish_all('unknown');
SELECT is(states(id), 'impression unknown, start skipped, complete skipped, click skipped', 'no impression, no view') FROM none;

-- Setting, offer, host, kill switch have to agree at the last moment
SELECT forget_all();
SELECT new_view(fire) FROM it;
SELECT claimed_events();
UPDATE offers SET tracking_mode = 'verify' WHERE id = (SELECT fire FROM it);
SELECT is(begin_all(), 'blocked', 'the offer has changed its mind');
UPDATE offers SET tracking_mode = 'fire' WHERE id = (SELECT fire FROM it);
SELECT forget_all();
SELECT new_view(fire) FROM it;
SELECT claimed_events();
UPDATE trace_policy SET tracking_stopped = true;
SELECT is(begin_all(), 'stopped', 'the kill switch');
SELECT is((SELECT string_agg(state, ',' ORDER BY id) FROM tracking_events), 'pending,pending,pending,pending', 'leaves everything as it was');
SELECT is(claimed_events(), NULL, 'and gives out nothing');
SELECT is((SELECT is_stopped FROM tracking_gate()), true, 'workers are told');
UPDATE trace_policy SET tracking_stopped = false;
SELECT is(claimed_events(), 'impression', 'until it is released');
SELECT is((SELECT hosts @> '["ok.test", ".below.test"]' AND NOT hosts @> '["over.test"]' FROM tracking_gate()), true, 'only entries that count now');
UPDATE tracking_events SET expires_at = clock_timestamp();
SELECT is(begin_all(), 'expired', 'too late is not sent');

-- Who dies with what
SELECT forget_all();
CREATE TEMP TABLE dead AS SELECT new_view(fire, 'fire', 'ok.test', '[{"event":"impression","ord":0,"at_ms":0,"billing":true,"template":"http://ok.test/i2"}]') AS id FROM it;
SELECT claimed_events();
SELECT is(recover_tracking_events(), 0, 'a lease that runs is left alone');
SELECT end_tracking_leases();
SELECT is(recover_tracking_events(), 2, 'one that ran out is not');
SELECT is((SELECT count(*) FROM tracking_events WHERE state = 'pending'), 5::bigint, 'not begun: nothing was sent');
SELECT claimed_events('w1', 1), begin_all();
SELECT is(release_dead_tracking('w2'), 0, 'another one''s death changes nothing');
SELECT is(release_dead_tracking('w1'), 1, 'its own does');
SELECT is((SELECT string_agg(state, ',' ORDER BY id) FROM tracking_events WHERE event = 'impression'), 'unknown,pending', 'begun and billing: never again');
SELECT is((SELECT (phase, error)::text FROM tracking_attempts), '(lost,worker_died)', 'the audit says so');
SELECT claimed_events(), begin_all(), finish_all('tracked');
SELECT is(finish_all('unknown'), NULL, 'unknown stays what it is');
SELECT make_due();
SELECT claimed_events(), begin_all(), end_tracking_leases(), recover_tracking_events();
SELECT is((SELECT (state, attempts, is_begun)::text FROM tracking_events WHERE event = 'start'), '(waiting,1,f)', 'begun, not billing: once more');
UPDATE tracking_events SET expires_at = clock_timestamp(), due_at = clock_timestamp() WHERE state = 'waiting';
SELECT is(recover_tracking_events(), 1, 'its moment passes');
SELECT is((SELECT state FROM tracking_events WHERE event = 'start'), 'expired', 'and nobody sends it any more');

-- Interrupted; on request where nothing is fired
SELECT is((SELECT interrupt_ad_view(ad_view_id) FROM ad_view_plans), 1, 'an interrupted view skips the rest');
SELECT is((SELECT state FROM ad_views), 'interrupted', 'and is called so');
SELECT forget_all();
CREATE TEMP TABLE quiet AS SELECT new_view(verify) AS id FROM it;
SELECT is(track_event(id, 'click'), 1, 'asked for in verify') FROM quiet;
SELECT is((SELECT due_ms <= 0 FROM tracking_gate()), true, 'it is due');
SELECT is(claimed_events(), NULL, 'but not claimed');
SELECT is(recover_tracking_events(), 1, 'it ends');
SELECT is((SELECT (state, reason)::text FROM tracking_events WHERE event = 'click'), '(skipped,verify)', 'as skipped');

-- With the trace's result, or not at all
SELECT forget_all();
SELECT add_ips('us', 2);
UPDATE active_trace_requests SET next_attempt_at = NULL;
CREATE TEMP TABLE traced AS SELECT add_request() AS id;
UPDATE active_trace_requests SET offer_id = (SELECT fire FROM it) WHERE request_id = (SELECT id FROM traced);
SELECT is(claimed(1), 1::bigint, 'a trace');
CREATE FUNCTION finish_with_ad(p_worker text) RETURNS text LANGUAGE sql AS $$
  SELECT f.accepted || ' ' || coalesce(f.new_status, '')
    FROM active_trace_requests t, finish_traces_with_ads(p_worker,
           jsonb_build_array(jsonb_build_object('request_id', t.request_id, 'attempt', t.attempt, 'ip', t.ip_assigned, 'outcome', 'ok')),
           jsonb_build_array(jsonb_build_object('request_id', t.request_id, 'attempt', t.attempt, 'evidence', '{"status": "ok"}'::jsonb,
                                                'views', jsonb_build_array(a_view()))), 'fire') AS f
   WHERE t.request_id = (SELECT id FROM traced)
$$;
SELECT is(finish_with_ad('w2'), 'false ', 'a late result');
SELECT is((SELECT count(*) FROM tracking_events), 0::bigint, 'plans nothing');
SELECT is(finish_with_ad('w1'), 'true completed', 'one in time');
SELECT is((SELECT count(*) FROM tracking_events), 4::bigint, 'plans the view');
SELECT is((SELECT convert_from(body, 'UTF8')::jsonb FROM trace_evidence WHERE kind = 'vast'), '{"status": "ok"}', 'and keeps what was found');

-- An ad that was lost is no view: whom that is told is due at once and depends on nothing
SELECT forget_all();
CREATE TEMP TABLE lost AS SELECT finished_request((SELECT fire FROM it)) AS id;
SELECT is(plan_ad_view((SELECT id FROM lost), '{"ad": 1, "creative": 0, "ad_id": "w1", "error_code": 303, "provider": "acme",
  "macro_mode": "iab", "macro_formats": ["[]"], "events": [{"event": "error", "ord": 0, "at_ms": 0, "billing": false,
  "template": "http://ok.test/e", "url": "http://ok.test/e", "host": "ok.test", "logged": false}]}', 'fire'), 1, 'an error');
SELECT is((SELECT state || ' ' || error_code || ' ' || provider FROM ad_views), 'error 303 acme', 'is told');
SELECT is((SELECT event || ' ' || is_logged || ' ' || macro_mode || ' ' || macro_formats FROM claim_tracking_events(9, 'w1', 60000)),
          'error false iab []', 'its claim says how the provider wants it');

-- The audit is kept as long as statistics are
SELECT forget_all();
SELECT new_view((SELECT fire FROM it));
SELECT claimed_events(), begin_all(), finish_all('tracked');
SELECT is(prune_history(), 0, 'what is young stays');
UPDATE ad_view_plans SET begins_at = now() - interval '91 days';
SELECT is(prune_history(), 1, 'an old view goes');
SELECT is((SELECT (SELECT count(*) FROM tracking_events) + (SELECT count(*) FROM tracking_attempts)), 0::bigint, 'with its events and their attempts');

SELECT * FROM finish();
ROLLBACK;
