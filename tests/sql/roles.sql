-- Least privilege: what each role may do, and that it may do nothing else.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- Who may call what. A function that is not in this list may be called by its owner only.
CREATE TEMP TABLE may_call (role text, functions text[]);
INSERT INTO may_call VALUES
  ('edge', '{active_offers,process_heartbeat,record_clicks,schema_version}'),
  ('worker', '{batch_result,begin_tracking_events,claim_traces,claim_tracking_events,
               cleanup_timed_out_requests,close_batch,finish_traces,finish_traces_with_ads,
               finish_tracking_events,open_batches,process_heartbeat,recover_tracking_events,
               release_dead_tracking,release_dead_worker,release_expired_ip_locks,request_trace_batch,
               rescue_silent_workers,return_traces,schema_version,settle_batches,tracking_gate,
               unknown_providers,worker_leases}'),
  ('monitor', '{learn_from_traces,acknowledge_alert,alert_look,claim_alert_notices,end_silence,finish_alert_notice,judge_alerts,
                note_certificates,oldest_transaction_s,promises,silence_alert,thin_statistics,abandon_trace,push_traces,request_trace,trace_results,dashboard_alerts,dashboard_history,dashboard_offer,dashboard_offers,dashboard_overview,
                dashboard_pool,dashboard_trace,dashboard_traces,dashboard_version,
                archive_traces,batch_result,cleanup_timed_out_requests,close_batch,open_batches,pool_monitor,
                process_heartbeat,prune_evidence,prune_history,record_pool_statistics,recover_tracking_events,
                release_expired_ip_locks,request_trace_batch,rescue_silent_workers,schema_version,
                settle_batches,unknown_providers,watch_chains}'),
  ('readonly', '{alert_look,oldest_transaction_s,promises,trace_results,dashboard_alerts,dashboard_history,dashboard_offer,dashboard_offers,dashboard_overview,
                dashboard_pool,dashboard_trace,dashboard_traces,dashboard_version,
                batch_result,pool_monitor,schema_version}'),
  ('admin', '{learn_from_traces,acknowledge_alert,alert_look,claim_alert_notices,end_silence,finish_alert_notice,judge_alerts,
              note_certificates,oldest_transaction_s,promises,silence_alert,thin_statistics,abandon_trace,push_traces,request_trace,trace_results,accept_drift,dismiss_drift,pin_chain,unpin_chain,watch_chains,add_ips,credentials_rotated,disable_ips,enable_ips,requeue_requests,retire_ips,
              dashboard_alerts,dashboard_history,dashboard_offer,dashboard_offers,dashboard_overview,dashboard_pool,dashboard_trace,dashboard_traces,dashboard_version,
                active_offers,archive_traces,batch_result,begin_tracking_events,claim_traces,
              claim_tracking_events,cleanup_timed_out_requests,close_batch,finish_traces,
              finish_traces_with_ads,finish_tracking_events,interrupt_ad_view,lock_available_ip,open_batches,
              plan_ad_view,pool_monitor,process_heartbeat,prune_evidence,prune_history,record_clicks,record_pool_statistics,
              recover_tracking_events,release_dead_tracking,release_dead_worker,release_expired_ip_locks,
              release_ip,request_trace_batch,rescue_silent_workers,return_traces,schema_version,
              settle_batches,track_event,tracking_gate,unknown_providers,worker_leases}');
SELECT is(ARRAY(SELECT p.proname::text
                  FROM pg_proc p
                 WHERE p.pronamespace = 'public'::regnamespace AND p.proname <> 'uuid_v7'
                   AND has_function_privilege('tracepool_' || m.role, p.oid, 'EXECUTE')
                 ORDER BY 1), ARRAY(SELECT unnest(m.functions) ORDER BY 1), m.role || ' calls its functions and no other')
  FROM may_call m;

-- Who may touch which table.
CREATE FUNCTION may(p_role text, p_verb text) RETURNS text[] LANGUAGE sql AS $$
  SELECT ARRAY(SELECT c.relname::text
                 FROM pg_class c
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
                  AND (has_table_privilege('tracepool_' || p_role, c.oid, p_verb)
                       OR (p_verb <> 'DELETE' AND has_any_column_privilege('tracepool_' || p_role, c.oid, p_verb)))
                ORDER BY 1)
$$;
SELECT is(may('edge', 'SELECT'), '{}', 'edge reads no table');
SELECT is(may('edge', 'INSERT'), '{spool_quarantine}', 'edge may put a click aside');
SELECT is(may(r, v), '{}', format('%s has no %s', r, v))
  FROM unnest(ARRAY['edge', 'readonly']) AS r, unnest(ARRAY['UPDATE', 'DELETE']) AS v;
SELECT is(may('readonly', 'INSERT'), '{}', 'readonly writes nothing');
SELECT is(may('readonly', 'SELECT'), may('admin', 'SELECT'), 'readonly reads everything');
SELECT is(may('monitor', 'SELECT'), may('admin', 'SELECT'), 'monitor reads everything');
SELECT is(may('monitor', 'INSERT'), '{active_trace_requests,alerts}', 'monitor asks for traces and keeps alerts');
SELECT is(may('monitor', 'UPDATE'), '{alerts}', 'and changes alerts only');
SELECT is(may('monitor', 'DELETE'), '{}', 'and deletes nothing');
SELECT is(may('worker', 'SELECT'), '{trace_policy,tracking_allowed_hosts,tracking_attempts,tracking_events,vast_providers}',
          'worker reads neither requests nor pool');
SELECT is(may('worker', 'INSERT'), '{trace_evidence,tracking_attempts,tracking_events}', 'worker keeps evidence and outbox');
SELECT is(may('worker', 'UPDATE'), '{tracking_attempts,tracking_events}', 'and the outbox''s states');
SELECT is(may('worker', 'DELETE'), '{}', 'and deletes nothing');
SELECT is('schema_migrations' = ANY (may('admin', 'UPDATE')), false, 'not even admin changes what ran');
SELECT is(ARRAY(SELECT r.rolname::text FROM pg_roles r
                 WHERE r.rolname LIKE 'tracepool\_%' AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls)),
          '{}', 'no role has powers over the cluster');

-- The same by doing it: done, or the error's code.
CREATE FUNCTION as_role(p_role text, p_sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('role', 'tracepool_' || p_role, true);
  EXECUTE p_sql;
  PERFORM set_config('role', 'none', true);
  RETURN 'done';
EXCEPTION WHEN insufficient_privilege THEN   -- takes the role back too
  RETURN SQLSTATE;
END $$;
SELECT is(as_role('edge', $$SELECT record_clicks('[{"id": "01900000-0000-7000-8000-000000000001", "url": "https://t.example/", "status": "pending"}]', 0)$$), 'done',
          'edge records clicks');
SELECT is(as_role('edge', 'SELECT * FROM active_offers()'), 'done',
          'edge reads offers');
SELECT is(as_role('edge', $$SELECT process_heartbeat('{"incarnation": "e", "program": "edge", "host": "h", "pid": 1}')$$), 'done',
          'edge shows life');
SELECT is(as_role('edge', 'SELECT schema_version()'), 'done',
          'edge compares versions');
SELECT is(as_role('edge', $$INSERT INTO spool_quarantine (request_id, edge, error, payload)
                  VALUES ('01900000-0000-7000-8000-000000000002', 'e', '22P05', '\x00') ON CONFLICT DO NOTHING$$), 'done',
          'edge puts a click aside');
SELECT is(as_role('edge', 'SELECT * FROM active_trace_requests'), '42501',
          'edge reads no click');
SELECT is(as_role('edge', 'SELECT * FROM spool_quarantine'), '42501',
          'not even one that it put aside');
SELECT is(as_role('edge', 'SELECT * FROM proxy_providers'), '42501',
          'and no proxy');
SELECT is(as_role('edge', 'SELECT * FROM claim_traces(1, ''e'', 1000, NULL, NULL, NULL)'), '42501',
          'edge claims nothing');
SELECT is(as_role('edge', 'SELECT release_ip(''us-1'')'), '42501',
          'and releases nothing');
SELECT is(as_role('edge', 'CREATE TABLE public.mine (x integer)'), '42501',
          'and creates nothing');
SELECT is(as_role('worker', 'SELECT * FROM claim_traces(1, ''w'', 1000, NULL, NULL, NULL)'), 'done',
          'worker claims');
SELECT is(as_role('worker', 'SELECT * FROM finish_traces(''w'', ''[]'')'), 'done',
          'worker finishes');
SELECT is(as_role('worker', 'UPDATE active_trace_requests SET status = ''failed'''), '42501',
          'but writes no request itself');
SELECT is(as_role('worker', 'INSERT INTO tracking_allowed_hosts (host, owner, purpose) VALUES (''x'', ''x'', ''x'')'), '42501',
          'and never opens the gate of tracking');
SELECT is(as_role('monitor', $$INSERT INTO active_trace_requests (tracking_url, target_country, inbound_params, options, priority)
                  VALUES ('https://t.example/', 'us', '{}', '{}', 10)$$), 'done',
          'monitor asks for a trace');
SELECT is(as_role('monitor', 'SELECT record_pool_statistics()'), 'done',
          'monitor takes snapshots');
SELECT is(as_role('monitor', $$INSERT INTO alerts (rule, state) VALUES ('queue_depth', 'pending')$$), 'done',
          'and keeps alerts');
SELECT is(as_role('admin', $$INSERT INTO ip_rotation_pool (ip_address) VALUES ('user-1')$$), 'done',
          'admin adds IPs');
SELECT is(as_role('admin', $$UPDATE ip_rotation_pool SET status = 'failed'$$), 'done',
          'and takes them out');
SELECT is(as_role('admin', $$UPDATE active_trace_requests SET status = 'failed'$$), 'done',
          'ends requests');
SELECT is(as_role('admin', $$UPDATE trace_policy SET cooldown_s = 30$$), 'done',
          'changes the rules');
SELECT is(as_role('admin', 'DELETE FROM trace_policy'), '42501',
          'but cannot lose them');
SELECT is(as_role('admin', 'DROP TABLE offers'), '42501',
          'and not the schema');

SELECT * FROM finish();
ROLLBACK;
