-- archive_traces, prune_history and the view that shows both.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
SELECT add_ips('us', 1);
UPDATE trace_policy SET cooldown_s = 0;

CREATE FUNCTION ended(p_days integer, p_status trace_status DEFAULT 'completed') RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO active_trace_requests (tracking_url, status, started_at, completed_at)
  VALUES ('https://t.example/' || p_days, p_status, now() - p_days * interval '1 day', now() - p_days * interval '1 day')
  RETURNING request_id
$$;
SELECT is(archive_traces(), 0, 'nothing to move');
SELECT add_request('us', '20 days') AS pending \gset
SELECT add_request('fr', '20 days') AS waiting \gset
SELECT claim();
SELECT is((request(:'pending')).status, 'processing', '(one old request runs, one waits)');
SELECT ended(6) AS young \gset
SELECT ended(8) AS old \gset
SELECT ended(8), ended(9, 'failed'), ended(400, 'timeout'), ended(10, 'skipped');
INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, blame, new_status)
VALUES (:'old', 1, now() - interval '8 days', 'error', 'target', 'pending'),
       (:'old', 2, now() - interval '8 days', 'ok', 'none', 'completed'), (:'young', 1, now(), 'ok', 'none', 'completed');

SELECT is(archive_traces(2), 2, 'as many as asked, the oldest first');
SELECT is((SELECT min(started_at) > now() - interval '9 days 1 hour' FROM active_trace_requests
            WHERE status NOT IN ('pending', 'processing')), true, '(the oldest two went)');
SELECT is(archive_traces(), 3, 'then the rest');
SELECT is(archive_traces(), 0, 'once');
SELECT results_eq('SELECT request_id FROM active_trace_requests ORDER BY 1', format('SELECT unnest(%L::uuid[]) ORDER BY 1',
                  ARRAY[:'pending', :'waiting', :'young']::uuid[]), 'young and unfinished requests stay');
SELECT is((SELECT count(*) FROM pg_inherits WHERE inhparent = 'trace_archive'::regclass), 4::bigint, 'a partition per day');
SELECT is((SELECT tableoid::regclass::text FROM trace_archive WHERE request_id = :'old'),
          'trace_archive_' || to_char((now() - interval '8 days') AT TIME ZONE 'UTC', 'YYYYMMDD'), 'named after the click''s');
SELECT is((SELECT jsonb_path_query_array(attempts, '$[*].outcome') FROM trace_archive WHERE request_id = :'old'), '["error", "ok"]',
          'with its attempts');
SELECT is((SELECT count(*) FROM trace_attempts), 1::bigint, 'which left their own table');
SELECT results_eq('SELECT is_archived, count(*) FROM traces GROUP BY 1 ORDER BY 1', 'VALUES (false, 3::bigint), (true, 5::bigint)',
                  'the view shows both');
SELECT is((SELECT tracking_url FROM traces WHERE request_id = :'old'), 'https://t.example/8', 'whole');
-- the archive must be able to take every column that a request has
SELECT is_empty($$
  SELECT attname, atttypid FROM pg_attribute
   WHERE attrelid = 'active_trace_requests'::regclass AND attnum > 0 AND NOT attisdropped
  EXCEPT
  SELECT attname, atttypid FROM pg_attribute
   WHERE attrelid = 'trace_archive'::regclass AND attnum > 0 AND NOT attisdropped
$$, 'the archive has every column of the requests');
CREATE TEMP TABLE full_row AS
  SELECT jsonb_object_agg(a.attname, CASE WHEN a.atttypid = 'jsonb'::regtype THEN '{"k": 1}'::jsonb
                                          WHEN a.atttypid = 'text'::regtype THEN to_jsonb(a.attname || '!')
                                          WHEN a.atttypid = 'timestamptz'::regtype THEN to_jsonb(now() - interval '30 days')
                                          WHEN a.atttypid = 'trace_status'::regtype THEN '"completed"'
                                          WHEN a.atttypid = 'uuid'::regtype THEN to_jsonb(uuid_v7())
                                          ELSE to_jsonb(a.attnum) END) - 'next_attempt_at' AS columns
    FROM pg_attribute a
   WHERE a.attrelid = 'active_trace_requests'::regclass AND a.attnum > 0 AND NOT a.attisdropped;
INSERT INTO active_trace_requests SELECT (jsonb_populate_record(NULL::active_trace_requests, columns)).* FROM full_row;
SELECT archive_traces();
SELECT is((SELECT to_jsonb(a) - 'attempts' - 'archived_at' - 'target_country' - 'next_attempt_at' FROM trace_archive a, full_row
            WHERE a.request_id = (columns->>'request_id')::uuid),
          (SELECT to_jsonb(jsonb_populate_record(NULL::active_trace_requests, columns)) - 'target_country' - 'next_attempt_at' FROM full_row),
          'and moves the value of each');

-- prune_history
INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body)
SELECT request_id, 1, 'har', 'application/json', '{}' FROM traces;
INSERT INTO alerts (rule, subject, state, resolved_at) SELECT 'r', d, 'resolved', now() - d * interval '1 day' FROM unnest(ARRAY[1, 89, 91]) AS d;
INSERT INTO alerts (rule, state, since) VALUES ('r', 'firing', now() - interval '1 year');
INSERT INTO alert_notices (alert_id, state, target) SELECT id, 'resolved', 1 FROM alerts;
INSERT INTO alert_silences (rule, until, who) VALUES ('r', now() - interval '91 days', 'Ann'), ('r', now(), 'Ann');
INSERT INTO target_certificates (host, not_after, seen_at) VALUES ('old.test', now(), now() - interval '32 days'), ('new.test', now(), now());
SELECT is(prune_history(), 1, 'alerts that ended too long ago go');
SELECT is((SELECT (count(*), (SELECT count(*) FROM alert_notices), (SELECT count(*) FROM alert_silences),
                   (SELECT count(*) FROM target_certificates))::text FROM alerts), '(3,3,1,1)', 'with their messages, old silences and certificates');
INSERT INTO trace_attempts (request_id, attempt, ended_at, outcome, blame, new_status)
VALUES (uuid_v7(), 1, now() - interval '8 days', 'ok', 'none', 'completed'), (uuid_v7(), 1, now(), 'ok', 'none', 'completed');
SELECT is(prune_history(), 1, 'and old attempts of requests that are gone');
SELECT is((SELECT count(*) FROM trace_archive), 6::bigint, 'the archive is kept for ever');
UPDATE trace_policy SET archive_keep_days = 100;
SELECT is(prune_history(), 1, 'unless the policy says for how long');
SELECT is((SELECT count(*) FROM trace_archive), 5::bigint, 'a day of the archive went');
SELECT is((SELECT count(*) FROM trace_evidence), (SELECT count(*) FROM traces), 'with the evidence of its traces');
INSERT INTO process_heartbeats (incarnation, program, host, pid, started_at, seen_at)
VALUES ('gone', 'worker', 'h', 1, now(), now() - interval '2 days'), ('w1', 'worker', 'h', 1, now(), now() - interval '2 days'),
       ('here', 'edge', 'h', 1, now(), now());
SELECT prune_history();
SELECT results_eq('SELECT incarnation FROM process_heartbeats ORDER BY 1', $$VALUES ('here'), ('w1')$$,
                  'processes long gone are forgotten, but not while they hold a lease');

SELECT * FROM finish();
ROLLBACK;
