-- A sign of life: {"incarnation","program","host","pid","version","started_ms_ago","counters","spool_age_s"}.
-- Each program speaks for its own kind: an edge that was taken over could otherwise keep a dead worker alive.
CREATE OR REPLACE FUNCTION process_heartbeat(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  -- session_user: we run with the owner's rights
  IF NOT EXISTS (SELECT
                   FROM pg_roles r
                  WHERE r.rolname IN ('tracepool_' || (p->>'program'), 'tracepool_admin', current_user)
                    AND pg_has_role(session_user, r.oid, 'MEMBER')) THEN
    RAISE insufficient_privilege USING MESSAGE = format('%I is no program of kind %s', session_user, p->>'program');
  END IF;
  INSERT INTO process_heartbeats AS h (incarnation, program, host, pid, version, started_at, seen_at, counters, spool_age_s)
  VALUES (p->>'incarnation', p->>'program', p->>'host', (p->>'pid')::integer, p->>'version',
          v_now - coalesce((p->>'started_ms_ago')::numeric, 0)::float8 * interval '1 ms', v_now,
          coalesce(p->'counters', '{}'), (p->>'spool_age_s')::numeric)
      ON CONFLICT (incarnation) DO UPDATE
     SET seen_at = excluded.seen_at, counters = excluded.counters, spool_age_s = excluded.spool_age_s,
         version = excluded.version
   WHERE h.program = excluded.program;
END $$;
COMMENT ON FUNCTION process_heartbeat(jsonb) IS 'Keeps process_heartbeats up to date for one process.';
REVOKE ALL ON FUNCTION process_heartbeat(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION process_heartbeat(jsonb)
   TO tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin;
