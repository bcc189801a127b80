-- Across hosts nobody sees a worker die. One that holds leases counts as dead when it has been silent for
-- p_silence_ms, no backend bears its name, and the server itself has been up for longer than that (after a restart
-- everybody was silent). A worker that cannot reach its database for that long has ended its traces itself.
-- Returns how many requests went back.
CREATE OR REPLACE FUNCTION rescue_silent_workers(p_silence_ms integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_silent_since timestamptz := clock_timestamp() - p_silence_ms * interval '1 ms';
  v_worker       text;
  v_count        integer := 0;
BEGIN
  IF pg_postmaster_start_time() > v_silent_since THEN
    RETURN 0;
  END IF;
  PERFORM pg_stat_clear_snapshot();   -- who is connected now, not when this transaction last looked
  FOR v_worker IN
    SELECT h.incarnation
      FROM process_heartbeats h
     WHERE h.program = 'worker' AND h.seen_at < v_silent_since
       AND EXISTS (SELECT FROM ip_rotation_pool p WHERE p.status = 'locked' AND p.locked_by = h.incarnation)
       AND NOT EXISTS (SELECT FROM pg_stat_activity a
                        WHERE a.application_name = left('tracepool-worker ' || h.incarnation, 63))
     ORDER BY h.incarnation   -- two rescuers at once take them in the same order
  LOOP
    v_count := v_count + release_dead_worker(v_worker);
  END LOOP;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION rescue_silent_workers(integer) IS 'Returns the leases of workers that fell silent on other hosts.';
REVOKE ALL ON FUNCTION rescue_silent_workers(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rescue_silent_workers(integer) TO tracepool_worker, tracepool_monitor, tracepool_admin;
