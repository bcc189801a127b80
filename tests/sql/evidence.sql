-- How long evidence is kept: what the offer says, else trace_policy; and that it goes then, and nothing else does.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

INSERT INTO offers (offer_name, final_url, evidence, evidence_keep)
VALUES ('brief', 'https://a.example/', '{screenshot,cookies}', '2 hours'), ('plain', 'https://a.example/', '{har}', NULL);
CREATE FUNCTION traced(p_offer text) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO active_trace_requests (tracking_url, status, offer_id, completed_at)
  SELECT 'https://t.example/', 'completed', id, now() FROM offers WHERE offer_name = p_offer
  RETURNING request_id
$$;
CREATE FUNCTION keep(p_request uuid, p_kind text) RETURNS interval LANGUAGE sql AS $$
  INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body) VALUES (p_request, 1, p_kind, 'text/plain', 'x')
  RETURNING keep_until - created_at
$$;
CREATE FUNCTION pass_time(p_by interval) RETURNS void LANGUAGE sql AS
  'UPDATE trace_evidence SET created_at = created_at - p_by, keep_until = keep_until - p_by';
SELECT traced('brief') AS brief, traced('plain') AS plain \gset

SELECT is(keep(:'brief', 'screenshot'), '2 hours', 'as long as the offer says');
SELECT is(keep(:'plain', 'har'), '30 days', 'or the policy');
SELECT is(keep(uuid_v7(), 'har'), '30 days', 'also where nobody knows the request');
UPDATE trace_policy SET evidence_keep_days = 7;
SELECT is(keep(:'plain', 'cookies'), '7 days', 'a policy counts from then on');
UPDATE trace_policy SET evidence_keep_days = 0;
SELECT is(keep(:'plain', 'console'), NULL, 'with its trace, when there is no limit');
SELECT is(keep(:'brief', 'cookies'), '2 hours', 'but an offer may set one');
INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body, keep_until)
VALUES (:'brief', 2, 'har', 'text/plain', 'x', 'infinity');
SELECT is((SELECT keep_until FROM trace_evidence WHERE attempt = 2), 'infinity', 'or whoever writes the row');
SELECT throws_ok($$UPDATE offers SET evidence_keep = '0'$$, '23514', NULL, 'never for no time');
SELECT throws_ok($$UPDATE offers SET evidence_keep = '999999 years'$$, '23514', NULL, 'nor for longer than there is time');

SELECT is(prune_evidence(), 0, 'what is young stays');
SELECT pass_time('3 hours');
SELECT is(prune_evidence(1), 1, 'as many as asked');
SELECT is(prune_evidence(), 1, 'then the rest');
SELECT results_eq('SELECT kind, attempt FROM trace_evidence ORDER BY 1, 2',
                  $$VALUES ('console', 1), ('cookies', 1), ('har', 1), ('har', 1), ('har', 2)$$, 'that was due, and nothing else');
SELECT pass_time('7 days');
SELECT is(prune_history(), 1, 'prune_history does it too');
SELECT pass_time('40 days');
SELECT is(prune_evidence(), 2, 'by day and by month');
SELECT results_eq('SELECT kind, attempt FROM trace_evidence ORDER BY 1', $$VALUES ('console', 1), ('har', 2)$$,
                  'what is kept with its trace stays');
SELECT is((SELECT count(*) FROM active_trace_requests), 2::bigint, 'and so do the traces');

-- it is found through its index, however much there is
INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body, keep_until)
SELECT uuid_v7(), 1, 'har', 'text/plain', '', clock_timestamp() + interval '1 day' FROM generate_series(1, 3000);
ANALYZE trace_evidence;
SELECT pg_stat_clear_snapshot();
CREATE FUNCTION scans() RETURNS bigint LANGUAGE sql AS
  $$SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'trace_evidence'$$;
SELECT scans() AS before \gset
SELECT is(prune_evidence(), 0, 'nothing is due');
SELECT is(scans() - :before, 0::bigint, 'and nothing was read to know that');

-- through finish_traces
SELECT add_ips('us', 1);
INSERT INTO active_trace_requests (tracking_url, target_country, offer_id)
SELECT 'https://t.example/', 'us', id FROM offers WHERE offer_name = 'brief' RETURNING request_id AS request \gset
SELECT * FROM claim_traces(1, 'w1', 60000, NULL, NULL, NULL) \gset c_
SELECT is((SELECT new_status FROM finish_traces('w1', jsonb_build_array(jsonb_build_object(
             'request_id', :'c_request_id', 'attempt', :c_attempt, 'ip', :'c_ip_address', 'outcome', 'ok', 'evidence',
             jsonb_build_array(jsonb_build_object('kind', 'screenshot', 'content_type', 'image/png', 'body', 'iVBORw==',
                                                  'is_base64', true)))))), 'completed', 'a trace ends with evidence');
SELECT results_eq(format('SELECT kind, content_type, body, keep_until - created_at FROM trace_evidence WHERE request_id = %L', :'request'),
                  $$VALUES ('screenshot', 'image/png', '\x89504e47'::bytea, interval '2 hours')$$, 'which is kept as it was told');

SELECT * FROM finish();
ROLLBACK;
