-- One offer: its settings, and how its traces ended among the newest 10,000 of all; NULL when there is none of that name.
CREATE OR REPLACE FUNCTION dashboard_offer(p_name text) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off   -- many partitions look costly, and compiling for them takes longer than reading
AS $$
DECLARE
  v_offer  jsonb;
  v_recent jsonb;
BEGIN
  SELECT to_jsonb(o) INTO v_offer FROM offers o WHERE o.offer_name = p_name;
  IF v_offer IS NULL THEN
    RETURN NULL;
  END IF;

  WITH mine AS MATERIALIZED (
    SELECT newest.*
      FROM (SELECT t.offer_name, t.status, t.outcome, t.tracer_mode_used, t.detection_reason, t.trace_time_ms, t.final_url,
                   t.started_at
              FROM traces t
             ORDER BY t.started_at DESC, t.request_id DESC
             LIMIT 10000) AS newest
     WHERE newest.offer_name = p_name
  )
  SELECT jsonb_build_object(
           'traces', (SELECT count(*) FROM mine),
           'since', (SELECT min(m.started_at) FROM mine m),
           'trace_ms', (SELECT to_jsonb(percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY m.trace_time_ms)) FROM mine m),
           'by_status', (SELECT coalesce(jsonb_object_agg(g.status, g.n), '{}')
                           FROM (SELECT m.status, count(*) AS n FROM mine m GROUP BY 1) AS g),
           'by_mode', (SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY g.n DESC), '[]')
                         FROM (SELECT m.tracer_mode_used AS mode, m.detection_reason AS reason, count(*) AS n
                                 FROM mine m
                                WHERE m.tracer_mode_used IS NOT NULL
                                GROUP BY 1, 2) AS g),
           'final_hosts', (SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY g.n DESC), '[]')
                             FROM (SELECT substring(m.final_url FROM '^[a-z][a-z0-9+.-]*://([^/?#]*)') AS host, count(*) AS n,
                                          max(m.started_at) AS last_at
                                     FROM mine m
                                    WHERE m.final_url IS NOT NULL
                                    GROUP BY 1
                                    ORDER BY 2 DESC
                                    LIMIT 20) AS g))
    INTO v_recent;
  RETURN jsonb_build_object('offer', v_offer, 'recent', v_recent, 'drift', dashboard_drift((v_offer->>'id')::uuid));
END $$;
COMMENT ON FUNCTION dashboard_offer(text) IS 'One offer and how its recent traces ended, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_offer(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_offer(text) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
