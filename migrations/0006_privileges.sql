-- Who may touch which table. Functions carry their own grants, in their own files.
--
-- Programs work through functions that run with the owner's rights, so their roles need few tables:
--   edge      may put a refused click aside; everything else it does is a function
--   worker    also keeps evidence and the tracking outbox
--   monitor   reads everything, asks for single traces, keeps alerts
--   admin     the operator at psql: all rows of all tables, no schema changes
--   readonly  reads everything (no table holds a credential)

GRANT SELECT ON ALL TABLES IN SCHEMA public TO tracepool_readonly, tracepool_monitor;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tracepool_admin;
REVOKE INSERT, UPDATE, DELETE ON schema_migrations, schema_functions FROM tracepool_admin;
REVOKE INSERT, DELETE ON trace_policy FROM tracepool_admin;
REVOKE UPDATE ON trace_attempts, tracking_attempts FROM tracepool_admin;

GRANT INSERT (request_id, edge, error, payload) ON spool_quarantine TO tracepool_edge;

GRANT INSERT ON trace_evidence TO tracepool_worker;
GRANT SELECT, INSERT, UPDATE ON tracking_events TO tracepool_worker;
GRANT SELECT, INSERT ON tracking_attempts TO tracepool_worker;
GRANT UPDATE (ended_at, phase, http_status, error, conn_reused, remote_addr) ON tracking_attempts TO tracepool_worker;
GRANT SELECT ON tracking_allowed_hosts, vast_providers, trace_policy TO tracepool_worker;

GRANT INSERT (request_id, offer_id, offer_name, tracking_url, target_country, inbound_params, options, priority,
              max_retries, click_path)
   ON active_trace_requests TO tracepool_monitor;
GRANT INSERT, UPDATE ON alerts TO tracepool_monitor;
