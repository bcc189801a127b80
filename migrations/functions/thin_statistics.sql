-- Snapshots older than a day are thinned to one a minute, those older than a month to one an hour: the busiest of each,
-- so that a peak is still seen (pool_advice counts on it). What is older than trace_policy.history_days goes.
-- A slice of at most p_slices minutes or hours of each kind a call; returns how many rows went. Two callers at once do
-- the same work twice and no harm.
CREATE OR REPLACE FUNCTION thin_statistics(p_slices integer DEFAULT 720) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_total integer := 0;
  v_count integer;
  v_step  record;
  v_from  timestamptz;
  v_to    timestamptz;
BEGIN
  FOR v_step IN
    SELECT * FROM (VALUES (60, 0, interval '1 day'), (3600, 60, interval '31 days')) AS steps (becomes, was, age)
  LOOP
    -- Whole minutes or hours only, so that none is looked at twice.
    SELECT date_bin(v_step.becomes * interval '1 s', min(s.recorded_at), 'epoch')
      INTO v_from
      FROM ip_pool_statistics s
     WHERE s.step_s = v_step.was;
    v_to := least(date_bin(v_step.becomes * interval '1 s', v_now - v_step.age, 'epoch'),
                  v_from + p_slices * v_step.becomes * interval '1 s');
    CONTINUE WHEN v_from IS NULL OR v_to <= v_from;
    WITH ranked AS (
      SELECT s.id, row_number() OVER (PARTITION BY date_bin(v_step.becomes * interval '1 s', s.recorded_at, 'epoch')
                                          ORDER BY s.locked_ips DESC, s.requests_queued DESC, s.recorded_at) AS place
        FROM ip_pool_statistics s
       WHERE s.step_s = v_step.was AND s.recorded_at >= v_from AND s.recorded_at < v_to
    ), kept AS (
      UPDATE ip_pool_statistics s SET step_s = v_step.becomes FROM ranked WHERE ranked.place = 1 AND s.id = ranked.id
    )
    DELETE FROM ip_pool_statistics s USING ranked WHERE ranked.place > 1 AND s.id = ranked.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_total := v_total + v_count;
  END LOOP;

  DELETE FROM ip_pool_statistics s
   WHERE s.id IN (SELECT old.id
                    FROM ip_pool_statistics old
                   WHERE old.recorded_at < v_now - (SELECT policy.history_days FROM trace_policy policy) * interval '1 day'
                   ORDER BY old.recorded_at
                   LIMIT p_slices);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_total + v_count;
END $$;
COMMENT ON FUNCTION thin_statistics(integer) IS 'Thins old rows of ip_pool_statistics, a slice at a time; returns how many went.';
REVOKE ALL ON FUNCTION thin_statistics(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION thin_statistics(integer) TO tracepool_monitor, tracepool_admin;
