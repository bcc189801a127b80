-- What nobody was given, nobody has: apply.sh calls it at the end of each run, as the owner. It changes only what is open,
-- and never a grant to a role of yours.
--
--   database, schema   not for PUBLIC, if nothing but tracepool lives in this database; its roles may connect
--   tables             row level security, with one policy that lets tracepool's roles use what they were granted: a grant
--                      to somebody else shows no row until a policy of yours does
--   hosted databases   the roles that their web gateway uses (anon, authenticated, service_role) get a share of each new
--                      table and function there: it is taken back, and refused for those to come
--   new functions      not for PUBLIC: by default everybody may call them
CREATE OR REPLACE FUNCTION close_doors() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  c_roles   CONSTANT text := 'tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin, tracepool_readonly';
  v_owner   oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = 'public.schema_migrations'::regclass);
  v_gateway text := (SELECT string_agg(quote_ident(r.rolname), ', ')
                       FROM pg_roles r WHERE r.rolname IN ('anon', 'authenticated', 'service_role'));
  v_is_ours boolean;
  v_thing   record;
BEGIN
  v_is_ours := pg_has_role((SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()), 'USAGE')
    AND NOT EXISTS (SELECT
                      FROM pg_class c
                      JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relowner <> v_owner
                       AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                       AND NOT EXISTS (SELECT FROM pg_depend d
                                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'));
  IF v_is_ours AND has_database_privilege('public', current_database(), 'CONNECT') THEN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), c_roles);
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO tracepool_admin', current_database());
  END IF;
  IF v_is_ours AND has_schema_privilege('public', 'public', 'USAGE')
     AND pg_has_role((SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'public'), 'USAGE') THEN   -- before version 15 it may not be
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
  END IF;
  IF v_is_ours AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = v_owner) THEN
    -- Of a superuser also the functions of extensions would be closed.
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC', v_owner::regrole);
  END IF;

  FOR v_thing IN
    SELECT c.oid::regclass AS name
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relowner = v_owner
       AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tracepool'))
  LOOP
    IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = v_thing.name AND p.polname = 'tracepool') THEN
      EXECUTE format('CREATE POLICY tracepool ON %s TO %s USING (true) WITH CHECK (true)', v_thing.name, c_roles);
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_thing.name);
  END LOOP;

  IF v_gateway IS NULL THEN
    RETURN;
  END IF;
  FOR v_thing IN
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner = v_owner
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text
      FROM pg_proc p
     WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = v_owner
  LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM %s', v_thing.kind, v_thing.name, v_gateway);
  END LOOP;
  FOR v_thing IN SELECT unnest(ARRAY['TABLES', 'SEQUENCES', 'FUNCTIONS']) AS kind LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA public REVOKE ALL ON %s FROM %s',
                   v_owner::regrole, v_thing.kind, v_gateway);
  END LOOP;
END $$;
COMMENT ON FUNCTION close_doors() IS 'Takes back what PUBLIC and a hosted database''s gateway roles have; row level security for new tables.';
REVOKE ALL ON FUNCTION close_doors() FROM PUBLIC;
