-- What the programs have come to do without, they lose; and what opens a proxy is for the worker and the operator only.
--
-- Passwords are files and were never here. What is here are their names, the user names at gateways, and the headers and
-- parameters of ad servers, which may hold a key: reports and dashboards need none of them.
SET LOCAL lock_timeout = '10s';

-- The worker says everything through functions; of the monitor, these five reads are its own (monitor/queries.sql).
DO $$
DECLARE
  v_table regclass;
BEGIN
  FOR v_table IN
    SELECT c.oid::regclass
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
       AND c.relowner = (SELECT m.relowner FROM pg_class m WHERE m.oid = 'public.schema_migrations'::regclass)
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM tracepool_worker, tracepool_monitor', v_table);
  END LOOP;
END $$;
GRANT SELECT ON alert_silences, offers, process_heartbeats, spool_quarantine, trace_evidence TO tracepool_monitor;

-- All columns but the secrets; a column that comes later has to be granted by name.
REVOKE SELECT ON proxy_providers, vast_providers FROM tracepool_readonly;
DO $$
DECLARE
  v_table record;
BEGIN
  FOR v_table IN
    SELECT a.attrelid::regclass AS name, string_agg(quote_ident(a.attname), ', ') AS columns
      FROM pg_attribute a
     WHERE a.attrelid IN ('public.proxy_providers'::regclass, 'public.vast_providers'::regclass)
       AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attname <> ALL ('{secret_name,user_template,headers,params}')
     GROUP BY a.attrelid
  LOOP
    EXECUTE format('GRANT SELECT (%s) ON %s TO tracepool_readonly', v_table.columns, v_table.name);
  END LOOP;
END $$;

-- A password that somebody pastes into a template would be read by everybody who reads a backup. Rows that are there
-- already stay as they are.
ALTER TABLE proxy_providers
  ADD CONSTRAINT password_in_a_file CHECK (user_template !~ ':' AND host_template !~ '[@/]') NOT VALID;
COMMENT ON CONSTRAINT password_in_a_file ON proxy_providers IS
  'The password belongs into a file of worker.secrets_dir, named by secret_name; never into a template.';

-- uuid_v7() was the one function that everybody might call: those who insert rows are enough.
REVOKE ALL ON FUNCTION uuid_v7() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION uuid_v7() TO tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin;
