-- Alerts from state to state, silences, and the outbox of the webhook. What each real rule measures is tested with the
-- running monitor (tests/scenario/test_alerts.py); here the rules are two short ones.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

CREATE FUNCTION rules() RETURNS jsonb LANGUAGE sql AS $$
  SELECT '[{"name": "slow", "severity": "warning", "threshold": 10, "advice": "Do it.", "for_s": 300, "is_posted": true},
           {"name": "dead", "severity": "critical", "threshold": 0, "advice": "Start it.", "for_s": 0, "is_posted": true},
           {"name": "idle", "severity": "info", "threshold": 0, "advice": "Sell it.", "for_s": 0, "is_posted": false}]'::jsonb
$$;
-- One look: those that are named are beyond their thresholds. Returns the moves.
CREATE FUNCTION judge(VARIADIC p_beyond text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(rule || subject || ' ' || state, ', ' ORDER BY rule, subject), '')
    FROM judge_alerts(rules(), (SELECT coalesce(jsonb_agg(jsonb_build_object(
           'rule', split_part(name, '/', 1), 'subject', split_part(name, '/', 2), 'value', 11, 'is_beyond', name <> 'fine',
           'message', name || ' is 11')), '[]') FROM unnest(p_beyond) AS name), 15, 2)
$$;
CREATE FUNCTION shown() RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(rule || subject || ' ' || state, ', ' ORDER BY id), '') FROM alerts
$$;
-- Time goes by for every alert.
CREATE FUNCTION later(p_time interval) RETURNS void LANGUAGE sql AS $$
  UPDATE alerts SET since = since - p_time, seen_at = seen_at - p_time, fired_at = fired_at - p_time, resolved_at = resolved_at - p_time
$$;
CREATE FUNCTION notices() RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(a.rule || ' ' || n.state || ' ' || n.target, ', ' ORDER BY n.id), '')
    FROM alert_notices n JOIN alerts a ON a.id = n.alert_id
$$;

-- nothing → pending → firing → resolved
SELECT is(judge('fine'), '', 'all is well');
SELECT is(shown(), '', 'and no row says otherwise');
SELECT is(judge('slow'), '', 'beyond its threshold');
SELECT is(shown(), 'slow pending', 'it is pending');
SELECT later('299 s');
SELECT is(judge('slow'), '', 'not for long enough');
SELECT is(notices(), '', 'nobody is told');
SELECT later('1 s');
SELECT is(judge('slow'), 'slow firing', 'after its time it fires');
SELECT is((SELECT (value, threshold, message, advice, severity, for_s)::text FROM alerts), '(11,10,"slow is 11","Do it.",warning,300)',
          'with the words of its rule');
SELECT is(judge('slow'), '', 'once');
SELECT is(notices(), 'slow firing 1, slow firing 2', 'each receiver is told once');
SELECT later('1 hour');
UPDATE alerts SET seen_at = clock_timestamp();
SELECT is(judge(), '', 'within its threshold for a moment only');
SELECT is(shown(), 'slow firing', 'it is kept');
SELECT later('15 s');
SELECT is(judge(), 'slow resolved', 'then it is over');
SELECT isnt((SELECT resolved_at FROM alerts), NULL, 'at a time that is kept');
SELECT is(notices(), 'slow firing 1, slow firing 2, slow resolved 1, slow resolved 2', 'who was told that it fires is told that it is over');
SELECT is(judge(), '', 'once');
SELECT is(judge('slow'), '', 'the next time');
SELECT is(shown(), 'slow resolved, slow pending', 'is another alert');
SELECT is(judge(), '', 'which ends before it fired');
SELECT is(shown(), 'slow resolved', 'and leaves nothing');

-- A rule without a time, several subjects, a rule that is gone
DELETE FROM alerts;
DELETE FROM alert_notices;
SELECT is(judge('dead/us', 'dead/ca'), 'deadca firing, deadus firing', 'two subjects are two alerts; without a time they fire at once');
SELECT is(judge('dead/us'), '', 'one of them is well again');
SELECT later('15 s');
SELECT is(judge('dead/us'), 'deadca resolved', 'and ends alone');
SELECT is(judge('unknown'), '', 'a name without a rule is no alert');
UPDATE alerts SET rule = 'renamed' WHERE state = 'firing';
SELECT later('15 s');
SELECT is(judge(), 'renamedus resolved', 'an alert whose rule is gone ends');
SELECT is(judge('idle'), 'idle firing', 'information fires like the others');
SELECT unalike(notices(), '%idle%', 'but is not posted');

-- A restart of the monitor, and a long absence
DELETE FROM alerts;
DELETE FROM alert_notices;
SELECT judge('slow');
SELECT later('200 s');
SELECT judge('slow');
SELECT later('100 s');
SELECT is(judge('slow'), 'slow firing', 'a pause shorter than its time counts: the alert''s clock is in its row');
DELETE FROM alerts;
DELETE FROM alert_notices;
SELECT judge('slow');
SELECT later('301 s');
SELECT is(judge('slow'), '', 'when nobody looked for longer, it begins anew');
SELECT is((SELECT in_seconds(since) FROM alerts), 0, 'from now');

-- Silences
DELETE FROM alerts;
DELETE FROM alert_notices;
SELECT ok(silence_alert('dead', clock_timestamp() + interval '1 hour', 'Ann', 'rebuild', 'us') > 0, 'silenced for a subject');
SELECT is(judge('dead/us', 'dead/ca'), 'deadca firing, deadus firing', 'a silenced alert fires all the same');
SELECT is((SELECT string_agg(a.subject, ',') FROM alert_notices n JOIN alerts a ON a.id = n.alert_id WHERE n.target = 1), 'ca',
          'and nobody is told');
SELECT is((SELECT jsonb_path_query_first(dashboard_alerts(), '$[*] ? (@.subject == "us").silenced_by')), '"Ann"', 'the dashboard says who silenced it');
SELECT ok(end_silence((SELECT max(id) FROM alert_silences)), 'ended by hand');
SELECT is(end_silence((SELECT max(id) FROM alert_silences)), false, 'once');
SELECT judge('dead/us', 'dead/ca');
SELECT is((SELECT string_agg(a.subject, ',' ORDER BY a.subject) FROM alert_notices n JOIN alerts a ON a.id = n.alert_id WHERE n.target = 1), 'ca,us',
          'what still fires is told then');
SELECT silence_alert('*', clock_timestamp() + interval '1 hour', 'Ann');
SELECT judge('slow', 'dead/us');
SELECT later('250 s');
SELECT judge('slow', 'dead/us', 'dead/ca');
SELECT later('50 s');
SELECT is(judge('slow', 'dead/us', 'dead/ca'), 'slow firing', 'all rules silenced');
SELECT unalike(notices(), '%slow%', 'is for any rule');
SELECT later('20 s');
SELECT is(judge('dead/us'), 'deadca resolved, slow resolved', 'they end');
SELECT alike(notices(), '%dead resolved%', 'who was told hears of the end, silence or not');
SELECT unalike(notices(), '%slow%', 'who was not, does not');
UPDATE alert_silences SET until = clock_timestamp();
SELECT is(is_silenced('dead', 'us', clock_timestamp()), false, 'a silence ends by itself');
SELECT throws_ok($$SELECT silence_alert('dead', clock_timestamp() - interval '1 s', 'Ann')$$, '22023', 'until must be a time to come', 'not in the past');
SELECT throws_ok($$SELECT silence_alert('', clock_timestamp() + interval '1 h', 'Ann')$$, '22023', NULL, 'not without a rule');
SELECT throws_ok($$SELECT silence_alert('dead', clock_timestamp() + interval '1 h', '')$$, '22023', NULL, 'not without a name');

-- Acknowledge
DELETE FROM alerts;
DELETE FROM alert_notices;
SELECT judge('dead');
SELECT is(acknowledge_alert((SELECT max(id) FROM alerts), 'Ann', 'on it'), true, 'taken over');
SELECT is(acknowledge_alert((SELECT max(id) FROM alerts), 'Bob'), true, 'a second one');
SELECT is((SELECT (acknowledged_by, note)::text FROM alerts), '(Ann,"on it")', 'does not take it away');
SELECT is(acknowledge_alert(0, 'Ann'), false, 'there is no such alert');
SELECT judge('dead');
SELECT judge('dead');
SELECT is(notices(), 'dead firing 1, dead firing 2, dead acknowledged 1, dead acknowledged 2', 'receivers hear of it once');
SELECT later('15 s');
SELECT judge();
SELECT is(acknowledge_alert((SELECT max(id) FROM alerts), 'Ann'), false, 'what is over is not taken over');

-- The outbox
DELETE FROM alerts;
DELETE FROM alert_notices;
CREATE FUNCTION take(p_monitor text DEFAULT 'm1', p_targets integer DEFAULT 2) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg((c.notice->>'rule') || ' ' || (c.notice->>'state') || ' ' || c.target, ', ' ORDER BY c.notice_id), '')
    FROM claim_alert_notices(p_monitor, 10, 10000, p_targets) AS c
$$;
CREATE FUNCTION refuse(p_monitor text DEFAULT 'm1') RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM alert_notices n WHERE n.claimed_until IS NOT NULL AND finish_alert_notice(n.id, p_monitor, 'refused', 5, NULL)
$$;
SELECT judge('dead');
SELECT is(take(p_targets => 1), 'dead firing 1', 'only for receivers that there are');
SELECT is(take(), 'dead firing 2', 'each message once');
SELECT is(take('m2'), '', 'another monitor finds none');
SELECT later('15 s');
SELECT judge();
SELECT is(take(), '', 'the end waits for the beginning');
SELECT is(refuse('m2'), 0::bigint, 'who has no lease has no failures');
SELECT is(refuse(), 2::bigint, 'both are refused');
SELECT ok((SELECT bool_and(in_seconds(next_attempt_at) BETWEEN 3 AND 7) FROM alert_notices WHERE attempts = 1), 'and wait a little');
SELECT is(take(), '', 'until then nothing is taken');
UPDATE alert_notices SET next_attempt_at = clock_timestamp();
SELECT is(take('m2'), 'dead firing 1, dead firing 2', 'then again, by anybody');
UPDATE alert_notices SET claimed_until = clock_timestamp();
SELECT is(take(), 'dead firing 1, dead firing 2', 'a monitor that died loses them');
SELECT is((SELECT count(DISTINCT delivery_id) FROM alert_notices WHERE attempts = 3), 2::bigint, 'their ids stay');
SELECT is((SELECT count(*) FROM alert_notices n WHERE n.state = 'firing' AND finish_alert_notice(n.id, 'm2', NULL, 5, NULL)), 2::bigint,
          'taken is taken, whoever says it');
SELECT is((SELECT count(*) FROM alert_notices n WHERE n.state = 'firing' AND finish_alert_notice(n.id, 'm1', NULL, 5, NULL)), 0::bigint, 'once');
SELECT is(take(), 'dead resolved 1, dead resolved 2', 'now the end');
SELECT is((SELECT bool_and(finish_alert_notice(n.id, 'm1', 'busy', 5, 99)) FROM alert_notices n WHERE n.state = 'resolved'), true, 'a receiver that says when');
SELECT ok((SELECT bool_and(in_seconds(next_attempt_at) BETWEEN 97 AND 99) FROM alert_notices WHERE state = 'resolved'), 'is asked then');
UPDATE alert_notices SET attempts = 20, next_attempt_at = clock_timestamp() WHERE state = 'resolved';
SELECT take();
SELECT refuse();
SELECT ok((SELECT bool_and(in_seconds(next_attempt_at) BETWEEN 440 AND 760) FROM alert_notices WHERE state = 'resolved'), 'the pause has a ceiling');
UPDATE alert_notices SET created_at = clock_timestamp() - interval '25 hours', next_attempt_at = clock_timestamp();
SELECT is(take(), '', 'after a day');
SELECT is((SELECT count(*) FROM alert_notices WHERE given_up_at IS NOT NULL), 2::bigint, 'they are given up');

-- The spool of an edge that nobody hears: it counts from its last word, unless that was a goodbye.
DELETE FROM process_heartbeats;
CREATE FUNCTION beat(p_edge text, p_host text, p_age numeric, p_ago interval) RETURNS void LANGUAGE sql AS $$
  SELECT process_heartbeat(jsonb_build_object('incarnation', p_edge, 'program', 'edge', 'host', p_host, 'pid', 1, 'spool_age_s', p_age));
  UPDATE process_heartbeats SET seen_at = seen_at - p_ago WHERE incarnation = p_edge;
$$;
CREATE FUNCTION spool_ages() RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(subject || ' ' || round(value, -1), ', ' ORDER BY subject), '')
    FROM alert_levels('{}', '{}', 30000, 0) WHERE rule = 'spool_age'
$$;
SELECT beat('a.1', 'a', 30, '0');
SELECT is(spool_ages(), 'a 30', 'one that is heard says how old its oldest click is');
SELECT beat('a.2', 'a', 0, '5 minutes');
SELECT is(spool_ages(), 'a 30', 'a dead sibling''s clicks are its business');
SELECT beat('b.1', 'b', 0, '5 minutes');
SELECT is(spool_ages(), 'a 30, b 300', 'one that fell silent may have clicks since its last word');
SELECT beat('b.2', 'b', NULL, '1 minute');
SELECT is(spool_ages(), 'a 30', 'unless the last one said goodbye');
SELECT beat('b.1', 'b', 0, '2 days');
SELECT beat('a.1', 'a', 0, '2 days');
SELECT beat('a.2', 'a', 0, '2 days');
SELECT is(spool_ages(), '', 'after a day nobody looks for it any more');

-- What one look at the database says of the rules in hand.
DELETE FROM active_trace_requests;
SELECT add_request() FROM generate_series(1, 2);
CREATE FUNCTION looked(p_more jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT alert_look(pool_monitor(), jsonb_build_array('{"name": "queue_depth", "what": "The queue", "unit": "deep"}'::jsonb || p_more), 30000, 0)
         -> 'levels'
$$;
SELECT is(looked('{"is_ceiling": true, "threshold": 1}'), '[{"rule": "queue_depth", "subject": "", "value": 2, "is_beyond": true,
          "message": "The queue is 2 deep (more than 1 deep)"}]', 'alert_look: above a ceiling');
SELECT is(looked('{"is_ceiling": true, "threshold": 2}')#>'{0,is_beyond}', 'false', 'at it is within');
SELECT is(looked('{"is_ceiling": false, "threshold": 3}')#>>'{0,message}', 'The queue is 2 deep (less than 3 deep)', 'below a floor');
SELECT is(looked('{"name": "no such rule", "is_ceiling": true, "threshold": 0}'), '[]', 'a rule that measures nothing says nothing');
SELECT is(oldest_transaction_s(), 0::numeric, 'oldest_transaction_s: the asker''s own does not count');

SELECT * FROM finish();
ROLLBACK;
