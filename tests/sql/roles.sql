-- Least privilege: role x table x verb and role x function, every cell from the two tables below. What is not in them is
-- refused: a new table without a line here fails, a new function without one is its owner's.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- r SELECT, a INSERT, w UPDATE, d DELETE; in brackets the columns, where it is not all of them. Nobody has TRUNCATE,
-- REFERENCES or TRIGGER. `stranger` is a role of the cluster that was granted nothing.
CREATE TEMP TABLE may_touch (relation text, edge text, worker text, monitor text, admin text, readonly text, stranger text DEFAULT '');
INSERT INTO may_touch VALUES
  ('active_trace_requests',  '', '', '',  'rawd', 'r'),
  ('ad_view_plans',          '', '', '',  'rawd', 'r'),
  ('ad_views',               '', '', '',  'r',    'r'),
  ('alert_notices',          '', '', '',  'rawd', 'r'),
  ('alert_silences',         '', '', 'r', 'rawd', 'r'),
  ('alerts',                 '', '', '',  'rawd', 'r'),
  ('attempts_by_country',    '', '', '',  'r',    'r'),
  ('attempts_by_kind',       '', '', '',  'r',    'r'),
  ('attempts_counted',       '', '', '',  'rw',   'r'),
  ('chain_drift',            '', '', '',  'r',    'r'),
  ('chain_drift_events',     '', '', '',  'rawd', 'r'),
  ('chain_drift_open',       '', '', '',  'r',    'r'),
  ('chain_expectations',     '', '', '',  'rawd', 'r'),
  ('chain_expected',         '', '', '',  'r',    'r'),
  ('chain_lessons',          '', '', '',  'rawd', 'r'),
  ('chain_watch',            '', '', '',  'r',    'r'),
  ('detection_progress',     '', '', '',  'r',    'r'),
  ('ip_pool_statistics',     '', '', '',  'rawd', 'r'),
  ('ip_rotation_pool',       '', '', '',  'rawd', 'r'),
  ('offer_clicks',           '', '', '',  'r',    'r'),
  ('offers',                 '', '', 'r', 'rawd', 'r'),
  ('pool_advice',            '', '', '',  'r',    'r'),
  ('pool_csv',               '', '', '',  'ra',   'r'),
  ('process_heartbeats',     '', '', 'r', 'rawd', 'r'),
  ('proxy_providers',        '', '', '',  'rawd', 'r(provider,scheme,host_template,port_template,credentials_rotated_at,notes,created_at,updated_at)'),
  ('queue_offers',           '', '', '',  'rawd', 'r'),
  ('schema_functions',       '', '', '',  'r',    'r'),
  ('schema_migrations',      '', '', '',  'r',    'r'),
  ('spool_quarantine',       'a(request_id,edge,error,payload)', '', 'r', 'rawd', 'r'),
  ('target_certificates',    '', '', '',  'rawd', 'r'),
  ('trace_archive',          '', '', '',  'rawd', 'r'),
  ('trace_archive_20260101', '', '', '',  '',     ''),   -- a day of it: by the whole only
  ('trace_attempts',         '', '', '',  'rad',  'r'),
  ('trace_batches',          '', '', '',  'rawd', 'r'),
  ('trace_evidence',         '', '', 'r', 'rawd', 'r'),
  ('trace_policy',           '', '', '',  'rw',   'r'),
  ('tracer_detection',       '', '', '',  'r',    'r'),
  ('traces',                 '', '', '',  'rawd', 'r'),
  ('tracking_allowed_hosts', '', '', '',  'rawd', 'r'),
  ('tracking_attempts',      '', '', '',  'rad',  'r'),
  ('tracking_event_states',  '', '', '',  'r',    'r'),
  ('tracking_events',        '', '', '',  'rawd', 'r'),
  ('vast_providers',         '', '', '',  'rawd', 'r(provider,hosts,macro_mode,macros,max_wrappers,timeout_ms,requests_per_minute,is_active,notes,created_at,updated_at,base_url,encoding,retries,cache_ttl_s,macro_formats,events,extras)');

CREATE TEMP TABLE may_call (roles text[], functions text[]);
INSERT INTO may_call VALUES
  ('{edge,worker,monitor,admin,readonly}', '{schema_version}'),
  ('{edge,worker,monitor,admin}', '{process_heartbeat,uuid_v7}'),
  ('{edge,monitor,admin}', '{active_offers}'),
  ('{edge,admin}', '{record_clicks,server_identity}'),
  ('{worker,monitor,admin,readonly}', '{batch_result}'),
  ('{worker,monitor,admin}', '{cleanup_timed_out_requests,close_batch,open_batches,recover_tracking_events,
     release_expired_ip_locks,request_trace_batch,rescue_silent_workers,scarce_countries,settle_batches,unknown_providers}'),
  ('{worker,admin}', '{begin_tracking_events,claim_traces,claim_tracking_events,finish_traces,finish_traces_with_ads,
     finish_tracking_events,release_dead_tracking,release_dead_worker,return_traces,tracking_gate,worker_leases}'),
  ('{monitor,admin,readonly}', '{alert_look,dashboard_alerts,dashboard_history,dashboard_offer,dashboard_offers,
     dashboard_overview,dashboard_pool,dashboard_trace,dashboard_traces,dashboard_version,oldest_transaction_s,pool_monitor,
     promises,trace_results}'),
  ('{monitor,admin}', '{abandon_trace,acknowledge_alert,archive_traces,claim_alert_notices,end_silence,
     finish_alert_notice,judge_alerts,learn_from_traces,note_certificates,prune_evidence,prune_history,push_traces,
     record_pool_statistics,request_trace,silence_alert,thin_statistics,watch_chains}'),
  ('{admin}', '{accept_drift,add_ips,credentials_rotated,disable_ips,dismiss_drift,enable_ips,interrupt_ad_view,
     lock_available_ip,pin_chain,plan_ad_view,release_ip,requeue_requests,retire_ips,track_event,unpin_chain}');

CREATE ROLE stranger;
SELECT add_archive_day('2026-01-01');
CREATE TEMP TABLE roles (name text, role name);
INSERT INTO roles SELECT r, 'tracepool_' || r FROM unnest(ARRAY['edge', 'worker', 'monitor', 'admin', 'readonly']) AS r;
INSERT INTO roles VALUES ('stranger', 'stranger');

-- no, yes, or the columns.
CREATE FUNCTION access_to(p_role name, p_relation regclass, p_verb text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN has_table_privilege(p_role, p_relation, p_verb) THEN 'yes'
              WHEN p_verb IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(p_role, p_relation, p_verb) THEN (
                SELECT string_agg(a.attname, ',' ORDER BY a.attnum)
                  FROM pg_attribute a
                 WHERE a.attrelid = p_relation AND a.attnum > 0 AND NOT a.attisdropped
                   AND has_column_privilege(p_role, p_relation, a.attnum, p_verb))
              ELSE 'no' END
$$;
-- What a line of the matrix says about a letter.
CREATE FUNCTION written(p_cell text, p_letter text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN p_cell LIKE p_letter || '(%' THEN substring(p_cell FROM '\((.*)\)')
              WHEN p_cell NOT LIKE '%(%' AND position(p_letter IN p_cell) > 0 THEN 'yes'
              ELSE 'no' END
$$;

SELECT is(ARRAY(SELECT c.relname::text
                  FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1),
          ARRAY(SELECT relation FROM may_touch ORDER BY 1), 'every table and view has its line');
SELECT is(access_to(r.role, m.relation::regclass, v.verb), written(to_jsonb(m)->>r.name, v.letter),
          format('%s: %s on %s', r.name, v.verb, m.relation))
  FROM may_touch m
 CROSS JOIN roles r
 CROSS JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd'), ('TRUNCATE', 'D'), ('REFERENCES', 'x'),
                    ('TRIGGER', 't')) AS v (verb, letter);
SELECT is(has_sequence_privilege(r.role, c.oid, 'USAGE, SELECT, UPDATE'), false, format('%s: nothing with %s', r.name, c.relname))
  FROM pg_class c
 CROSS JOIN roles r
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S';
SELECT is(has_function_privilege(r.role, p.oid, 'EXECUTE'),
          EXISTS (SELECT FROM may_call m WHERE p.proname = ANY (m.functions) AND r.name = ANY (m.roles)),
          format('%s: %s', r.name, p.oid::regprocedure))
  FROM pg_proc p
 CROSS JOIN roles r
 WHERE p.pronamespace = 'public'::regnamespace
   AND p.proowner = (SELECT c.relowner FROM pg_class c WHERE c.oid = 'schema_migrations'::regclass);
SELECT is_empty($$
  SELECT f FROM may_call m, unnest(m.functions) AS f
   WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = f)
$$, 'no function of the list is gone');

-- Database, schema and the roles themselves.
SELECT is(has_database_privilege(r.role, current_database(), v), (r.name <> 'stranger' AND v = 'CONNECT') OR (r.name = 'admin' AND v = 'TEMPORARY'),
          format('%s: %s on the database', r.name, v))
  FROM roles r, unnest(ARRAY['CONNECT', 'TEMPORARY', 'CREATE']) AS v;
SELECT is(has_schema_privilege(r.role, 'public', v), r.name <> 'stranger' AND v = 'USAGE', format('%s: %s on the schema', r.name, v))
  FROM roles r, unnest(ARRAY['USAGE', 'CREATE']) AS v;
SELECT is_empty($$
  SELECT r.rolname FROM pg_roles r
   WHERE r.rolname LIKE 'tracepool\_%' AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication)
$$, 'no role has powers over the cluster');
SELECT is_empty($$
  SELECT m.roleid::regrole, m.member::regrole
    FROM pg_auth_members m
   WHERE m.member IN (SELECT role::regrole FROM roles)
     AND (m.member, m.roleid) <> ('tracepool_monitor'::regrole, 'pg_read_all_stats'::regrole)   -- ages of open transactions
$$, 'and none is a member of another');

-- Row level security: on everywhere, open to our roles as far as they have grants.
SELECT is_empty($$
  SELECT c.relname FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT c.relrowsecurity
$$, 'row level security is on for every table');
SELECT policies_are('public', c.relname, ARRAY['tracepool'], c.relname || ': one policy')
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
SELECT policy_roles_are('public', c.relname, 'tracepool',
                        ARRAY['tracepool_edge', 'tracepool_worker', 'tracepool_monitor', 'tracepool_admin', 'tracepool_readonly'],
                        c.relname || ': for the roles of this page')
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
SELECT is_empty($$
  SELECT c.relname FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND pg_get_viewdef(c.oid) ~ '\m(secret_name|user_template|headers)\M'
$$, 'no view shows what opens a proxy');

-- What comes later is closed too.
CREATE TABLE public.later (x integer);
ALTER TABLE later OWNER TO tracepool;
SET LOCAL ROLE tracepool;
CREATE FUNCTION public.later() RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT close_doors();
RESET ROLE;
SELECT is(has_function_privilege('stranger', 'public.later()', 'EXECUTE'), false, 'a new function is its owner''s');
SELECT ok((SELECT relrowsecurity FROM pg_class WHERE oid = 'later'::regclass), 'a new table gets row level security');
SELECT lives_ok('SET LOCAL ROLE tracepool; SELECT close_doors(); RESET ROLE', 'closing what is closed changes nothing');
GRANT USAGE ON SCHEMA public TO stranger;
GRANT SELECT ON offers TO stranger;
INSERT INTO offers (offer_name, final_url) VALUES ('seen', 'https://t.example/');

-- The same by doing it: done, or the error's code.
CREATE FUNCTION as_role(p_role text, p_sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('role', p_role, true);
  EXECUTE p_sql;
  PERFORM set_config('role', 'none', true);
  RETURN 'done';
EXCEPTION WHEN insufficient_privilege OR raise_exception THEN   -- takes the role back too
  RETURN SQLSTATE;
END $$;
SELECT is(as_role('stranger', $$DO 'BEGIN IF EXISTS (SELECT FROM offers) THEN RAISE EXCEPTION ''a row''; END IF; END'$$), 'done',
          'a grant to somebody else shows no row by itself');
SELECT is(as_role('tracepool_readonly', $$DO 'BEGIN IF NOT EXISTS (SELECT FROM offers) THEN RAISE EXCEPTION ''no row''; END IF; END'$$),
          'done', 'readonly sees the rows');
SELECT is(as_role('tracepool_' || d.role, d.sql), d.outcome, format('%s: %s -> %s', d.role, left(d.sql, 60), d.outcome))
  FROM (VALUES
    ('edge', $$SELECT record_clicks('[{"id": "01900000-0000-7000-8000-000000000001", "url": "https://t.example/", "status": "pending"}]', 0)$$, 'done'),
    ('edge', 'SELECT * FROM active_offers()', 'done'),
    ('edge', $$SELECT process_heartbeat('{"incarnation": "e", "program": "edge", "host": "h", "pid": 1}')$$, 'done'),
    ('edge', 'SELECT schema_version()', 'done'),
    ('edge', $$INSERT INTO spool_quarantine (request_id, edge, error, payload)
               VALUES ('01900000-0000-7000-8000-000000000002', 'e', '22P05', '\x00') ON CONFLICT DO NOTHING$$, 'done'),
    ('edge', 'SELECT * FROM spool_quarantine', '42501'),
    ('edge', 'SELECT * FROM active_trace_requests', '42501'),
    ('edge', 'SELECT * FROM proxy_providers', '42501'),
    ('edge', 'SELECT * FROM claim_traces(1, ''e'', 1000, NULL, NULL, NULL)', '42501'),
    ('edge', 'SELECT release_ip(''us-1'')', '42501'),
    ('edge', 'CREATE TABLE public.mine (x integer)', '42501'),
    ('worker', 'SELECT * FROM claim_traces(1, ''w'', 1000, NULL, NULL, NULL)', 'done'),
    ('worker', 'SELECT * FROM finish_traces(''w'', ''[]'')', 'done'),
    ('worker', 'UPDATE active_trace_requests SET status = ''failed''', '42501'),
    ('worker', 'INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (''x'', ''x'', ''x'')', '42501'),
    ('monitor', $$SELECT request_trace('{"tracking_url": "https://t.example/"}')$$, 'done'),
    ('monitor', 'SELECT record_pool_statistics()', 'done'),
    ('monitor', 'SELECT secret_name FROM proxy_providers', '42501'),
    ('readonly', 'SELECT provider, credentials_rotated_at FROM proxy_providers', 'done'),
    ('readonly', 'SELECT secret_name FROM proxy_providers', '42501'),
    ('readonly', 'SELECT user_template FROM proxy_providers', '42501'),
    ('readonly', 'SELECT * FROM proxy_providers', '42501'),
    ('readonly', 'SELECT headers FROM vast_providers', '42501'),
    ('readonly', 'SELECT v FROM proxy_providers v', '42501'),
    ('admin', $$INSERT INTO ip_rotation_pool (ip_address) VALUES ('user-1')$$, 'done'),
    ('admin', $$UPDATE ip_rotation_pool SET status = 'failed'$$, 'done'),
    ('admin', $$UPDATE active_trace_requests SET status = 'failed'$$, 'done'),
    ('admin', $$INSERT INTO proxy_providers (provider, secret_name) VALUES ('p', 'p')$$, 'done'),
    ('admin', 'UPDATE trace_policy SET cooldown_s = 30', 'done'),
    ('admin', 'DELETE FROM trace_policy', '42501'),
    ('admin', 'UPDATE schema_migrations SET name = name', '42501'),
    ('admin', 'DROP TABLE offers', '42501'),
    ('admin', 'ALTER TABLE offers DISABLE ROW LEVEL SECURITY', '42501')) AS d (role, sql, outcome);

-- A password does not get into a template by mistake.
SELECT throws_ok(format($$INSERT INTO proxy_providers (provider, %I) VALUES ('q', %L)$$, t.template, t.text), '23514', NULL,
                 format('%s is no %s', t.text, t.template))
  FROM (VALUES ('user_template', 'customer:hunter2'), ('host_template', 'u:p@gw.example.net'), ('host_template', 'http://gw')) AS t (template, text);

SELECT * FROM finish();
ROLLBACK;
