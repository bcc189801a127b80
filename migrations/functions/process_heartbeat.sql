-- A sign of life: {"incarnation","program","host","pid","version","started_ms_ago","counters","spool_age_s"}.
CREATE OR REPLACE FUNCTION process_heartbeat(p jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  INSERT INTO process_heartbeats AS h (incarnation, program, host, pid, version, started_at, seen_at, counters, spool_age_s)
  VALUES (p->>'incarnation', p->>'program', p->>'host', (p->>'pid')::integer, p->>'version',
          v_now - coalesce((p->>'started_ms_ago')::numeric, 0)::float8 * interval '1 ms', v_now,
          coalesce(p->'counters', '{}'), (p->>'spool_age_s')::numeric)
      ON CONFLICT (incarnation) DO UPDATE
     SET seen_at = excluded.seen_at, counters = excluded.counters, spool_age_s = excluded.spool_age_s,
         version = excluded.version;
END $$;
COMMENT ON FUNCTION process_heartbeat(jsonb) IS 'Keeps process_heartbeats up to date for one process.';
REVOKE ALL ON FUNCTION process_heartbeat(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION process_heartbeat(jsonb)
   TO tracepool_edge, tracepool_worker, tracepool_monitor, tracepool_admin;
