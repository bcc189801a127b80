-- What the dashboard asks for: dashboard_*().
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- An empty house answers too
SELECT is(dashboard_overview(30000) - 'now' - 'status' - 'promises' - 'cooldown_s', '{
  "queue_age_s": {}, "clicks": {"last_minute": 0, "skipped": 0}, "ends": [], "processes": [], "alerts": [],
  "traces": {"last_minute": 0, "retries": 0, "http_only": 0, "browser": 0, "wait_ms": null, "trace_ms": null}}', 'nothing there');
SELECT is(dashboard_history(3600)->'points', '[]', 'no snapshot, no point');
SELECT is(dashboard_traces('{}'), '{"traces": [], "next": null, "looked_at": 0}', 'no trace');
SELECT is(dashboard_trace(uuid_v7()), NULL, 'an unknown trace is NULL');
SELECT is(dashboard_offers(NULL), '{"offers": []}', 'no offer');
SELECT is(dashboard_offer('nobody'), NULL, 'an unknown offer is NULL');
SELECT is(dashboard_pool('{}'), '{"ips": [], "next": null, "countries": []}', 'no IP');
SELECT lives_ok('SELECT dashboard_version()', 'a version all the same');

-- Pool, queue and rates
SELECT add_ips('us', 4), add_ips('ca', 1);
INSERT INTO offers (offer_name, tracking_urls) VALUES ('shoes', '[{"url": "https://t.example/"}]'), ('Boots_%', '[]');
SELECT add_request('us', '10 s') FROM generate_series(1, 4);
SELECT claimed(3);
SELECT finish(request_id, 'ok', 'none', 50, '{"mode_used": "http_only", "trace_ms": 1000}')
  FROM active_trace_requests WHERE ip_assigned = 'us-1';
SELECT finish(request_id, 'error', 'target', 50, '{"mode_used": "browser", "trace_ms": 9000}')
  FROM active_trace_requests WHERE ip_assigned = 'us-2';
UPDATE ip_rotation_pool SET is_healthy = false WHERE ip_address = 'ca-1';
SELECT is(dashboard_overview(30000)->'clicks'->>'last_minute', '4', 'clicks of the last minute');
SELECT ok((dashboard_overview(30000)->'queue_age_s'->>'us')::numeric BETWEEN 10 AND 20, 'how long the oldest has been due');
SELECT is(dashboard_overview(30000)->'ends', '[{"mode": "browser", "outcome": "error", "status": "failed", "traces": 1},
  {"mode": "http_only", "outcome": "ok", "status": "completed", "traces": 1}]', 'how traces ended');
SELECT is(last_minute(clock_timestamp()), '{"clicks": 4, "skipped": 0, "http_only": 1, "browser": 0, "failed": 1}', 'what a snapshot keeps for the charts');
SELECT record_pool_statistics();
SELECT is((SELECT ((p->>'clicks')::numeric, (p->>'http_only')::numeric, (p->>'browser')::numeric, (p->>'failed')::numeric)::text
             FROM jsonb_array_elements(dashboard_history(600)->'points') AS p), '(0.067,0.017,0.000,0.017)', 'and the charts: a second''s worth');
SELECT is((SELECT dashboard_overview(30000)->'promises'->'throughput'->>'per_minute'), '0.40', 'the promises are judged');
DELETE FROM ip_pool_statistics;
SELECT is(dashboard_overview(30000)->'traces'->'trace_ms', '[1000, 1000, 1000]', 'times are those of completed traces');
SELECT is(ARRAY(SELECT i->>'state' FROM jsonb_array_elements(dashboard_pool('{}')->'ips') AS i),
          '{unhealthy,cooldown,cooldown,locked,available}', 'states as they are now');
SELECT end_cooldowns();
SELECT is(jsonb_array_length(dashboard_pool('{"state": "available"}')->'ips'), 3, 'a cooldown that is over counts as available');
SELECT is(dashboard_pool('{"country": "ca", "state": "unhealthy"}')->'ips'->0->>'ip', 'ca-1', 'filters go together');
SELECT is(dashboard_pool('{"limit": 2}')->>'next', 'us-1', 'a full page says where to go on');
SELECT is(dashboard_pool('{"limit": 2, "after": "us-1"}')->'ips'->0->>'ip', 'us-2', 'and the next one goes on there');
SELECT is(dashboard_pool('{"state": "locked"}')->'ips'->0->>'request_id',
          (SELECT request_id::text FROM active_trace_requests WHERE status = 'processing'), 'a locked IP names its trace');

-- Traces: pages, filters, the window
INSERT INTO active_trace_requests (tracking_url, target_country, status, next_attempt_at, max_retries, started_at, offer_name)
SELECT 'https://old.example/' || i, 'de', 'skipped', NULL, 0, clock_timestamp() - interval '1 hour', 'shoes' FROM generate_series(1, 3300) AS i;
SELECT is(jsonb_array_length(dashboard_traces('{"limit": 3}')->'traces'), 3, 'as many as were asked for');
SELECT ok(dashboard_traces('{"limit": 3}')->'next' ? 'before_id', 'and where to go on');
SELECT is(dashboard_traces('{"status": "failed,completed"}')->'traces'->0->>'country', 'us', 'several states at once');
SELECT is(jsonb_array_length(dashboard_traces('{"status": "failed,completed"}')->'traces'), 2, 'and no others');
SELECT is(dashboard_traces('{"search": "nowhere"}')->'traces', '[]', 'nothing found');
SELECT is(dashboard_traces('{"search": "nowhere"}')->>'looked_at', '3000', 'among as many as one call looks at');
SELECT is((SELECT dashboard_traces('{"search": "nowhere"}' || (dashboard_traces('{"search": "nowhere"}')->'next'))->>'looked_at'), '304',
          'the next page looks at the rest');
SELECT is((SELECT dashboard_traces('{"search": "nowhere"}' || (dashboard_traces('{"search": "nowhere"}')->'next'))->'next'), 'null',
          'and says that it was the last');
SELECT throws_ok($$SELECT dashboard_traces('{"before": "noon-ish"}')$$, '22007', NULL, 'a time that is none is refused');
SELECT is(jsonb_array_length(dashboard_offers('BOOTS_%')->'offers'), 1, 'offers are searched without case, signs as they are');
INSERT INTO active_trace_requests (tracking_url, target_country, status, next_attempt_at, max_retries, started_at, offer_name)
SELECT 'https://old.example/' || i, 'de', 'skipped', NULL, 0, clock_timestamp() - interval '2 hours', 'shoes' FROM generate_series(3301, 10300) AS i;
SELECT is(dashboard_offer('shoes')->'recent'->>'traces', '9996', 'an offer counts among the newest 10,000');

-- One trace, also from the archive
CREATE TEMP TABLE one AS SELECT request_id AS id FROM active_trace_requests WHERE status = 'completed';
INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body) SELECT id, 1, 'har', 'application/json', '{}' FROM one;
SELECT is((SELECT dashboard_trace(id)->'attempts'->0->>'outcome' FROM one), 'ok', 'its attempts');
SELECT is((SELECT dashboard_trace(id)->'evidence'->0->>'bytes' FROM one), '2', 'what evidence there is');
UPDATE active_trace_requests SET started_at = started_at - interval '30 days', completed_at = completed_at - interval '30 days', revision = revision + 1
 WHERE request_id IN (SELECT id FROM one);
SELECT archive_traces();
SELECT is((SELECT (dashboard_trace(id)->'trace'->>'is_archived', dashboard_trace(id)->'attempts'->0->>'outcome')::text FROM one),
          '(true,ok)', 'from the archive');
SELECT is((SELECT dashboard_traces(jsonb_build_object('search', id))->'traces'->0->>'request_id' FROM one), (SELECT id::text FROM one),
          'an id is found wherever it is');

-- An ad: what was read of its document, its view summed up, its events as they are due
UPDATE offers SET tracking_mode = 'fire' WHERE offer_name = 'shoes';
INSERT INTO active_trace_requests (request_id, tracking_url, offer_id, status, next_attempt_at)
SELECT '00000000-0000-7000-8000-0000000000ad', 'https://t.example/ad', id, 'completed', NULL FROM offers WHERE offer_name = 'shoes';
INSERT INTO trace_evidence (request_id, attempt, kind, content_type, body)
VALUES ('00000000-0000-7000-8000-0000000000ad', 1, 'vast', 'application/json', '{"version": "4.2", "result": "ok", "hops": [{"depth": 1}]}');
SELECT is(plan_ad_view('00000000-0000-7000-8000-0000000000ad', '{"ad": 0, "creative": 0, "ad_id": "a", "duration_ms": 4000, "events": [
  {"event": "click", "ord": 1, "billing": true, "template": "https://t.example/c"}, {"event": "complete", "ord": 2, "at_ms": 4000, "template": "https://t.example/e"},
  {"event": "impression", "ord": 0, "at_ms": 0, "billing": true, "template": "https://t.example/i"}]}', 'fire'), 3, 'three events');
CREATE TEMP TABLE shown AS SELECT dashboard_trace('00000000-0000-7000-8000-0000000000ad') AS it;
SELECT is((SELECT it->'document' FROM shown), '{"version": "4.2", "result": "ok", "hops": [{"depth": 1}], "lint": [], "error_code": null, "detail": null}',
          'the document');
SELECT is((SELECT (it->'views'->0->>'ad_id', it->'views'->0->>'state', it->'views'->0->>'events')::text FROM shown), '(a,playing,2)', 'the view');
SELECT is((SELECT jsonb_agg(jsonb_build_array(e->'event', e->'at_ms', e->'is_billing')) FROM shown, jsonb_array_elements(it->'events') AS e),
          '[["impression", 0, true], ["complete", 4000, false], ["click", null, true]]', 'what is on request comes last');

-- History is thinned
INSERT INTO ip_pool_statistics (recorded_at, total_ips, available_ips, locked_ips, cooldown_ips, failed_ips, active_requests, requests_queued,
       pool_utilization_percent, completed_requests_1h, failed_requests_1h, success_rate_5min, country_breakdown)
SELECT clock_timestamp() - i * interval '10 s', 1, 1, 0, 0, 0, 0, i % 7, 50, 0, 0, 100, '{}' FROM generate_series(1, 8000) AS i;
SELECT ok(jsonb_array_length(dashboard_history(86400)->'points') BETWEEN 160 AND 182, 'a day of snapshots is some 180 points');
SELECT is((SELECT max((p->>'queued')::integer) FROM jsonb_array_elements(dashboard_history(86400)->'points') AS p), 6, 'with the queue''s peaks');
SELECT ok(jsonb_array_length(dashboard_history(600)->'points') BETWEEN 55 AND 61, 'ten minutes are all there');

-- The version moves with what is to be shown
CREATE TEMP TABLE version AS SELECT dashboard_version() AS was;
SELECT is(dashboard_version(), (SELECT was FROM version), 'nothing happened, nothing new');
SELECT add_request();
SELECT isnt(dashboard_version(), (SELECT was FROM version), 'a click is news');

-- Alerts: open ones first, what ended long ago not at all
INSERT INTO alerts (rule, state, resolved_at) VALUES ('old', 'resolved', clock_timestamp() - interval '2 days'), ('ended', 'resolved', clock_timestamp());
INSERT INTO alerts (rule, state) VALUES ('open', 'firing');
SELECT is(ARRAY(SELECT a->>'rule' FROM jsonb_array_elements(dashboard_alerts()) AS a), '{open,ended}', 'open ones first, old ones gone');

-- A process that is silent
SELECT process_heartbeat('{"incarnation": "h.1.1", "program": "worker", "host": "h", "pid": 1, "version": "0.1"}');
SELECT is(dashboard_overview(30000)->'processes'->0->>'is_live', 'true', 'heard of just now');
UPDATE process_heartbeats SET seen_at = seen_at - interval '31 s';
SELECT is(dashboard_overview(30000)->'processes'->0->>'is_live', 'false', 'silent for longer than it may be');

SELECT * FROM finish();
ROLLBACK;
