-- Traces, newest click first, as a page that another can follow.
-- {"search","status","country","offer","mode","outcome","before","before_id","limit"}, each of them optional; search is
-- a part of a URL, an offer, an IP or an error, or a whole request id.
--
-- With a filter, no more than the newest 3,000 rows are looked at, so that a search over millions costs what a short
-- one costs. `next` is where to go on ({"before","before_id"}), also when nothing was found so far; null is the end.
CREATE OR REPLACE FUNCTION dashboard_traces(p jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off   -- many partitions look costly, and compiling for them takes longer than reading
AS $$
DECLARE
  v_limit   integer     := least(greatest(coalesce((p->>'limit')::integer, 50), 1), 200);
  v_before  timestamptz := coalesce((p->>'before')::timestamptz, 'infinity');
  v_id      uuid        := coalesce((p->>'before_id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_search  text        := nullif(btrim(p->>'search'), '');
  v_exact   uuid        := CASE WHEN v_search ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN v_search::uuid END;
  v_like    text        := '%' || replace(replace(replace(v_search, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  v_status  trace_status[] := CASE WHEN p->>'status' <> '' THEN string_to_array(p->>'status', ',')::trace_status[] END;
  v_country text        := nullif(p->>'country', '');
  v_offer   text        := nullif(p->>'offer', '');
  v_mode    text        := nullif(p->>'mode', '');
  v_outcome text        := nullif(p->>'outcome', '');
  v_window  integer     := 3000;
  v_result  jsonb;
BEGIN
  IF v_exact IS NOT NULL THEN
    RETURN jsonb_build_object('traces', (SELECT coalesce(jsonb_agg(dashboard_trace_line(to_jsonb(t) - 'redirect_chain')), '[]')
                                           FROM traces t
                                          WHERE t.request_id = v_exact), 'next', NULL);
  END IF;
  IF coalesce(v_search, v_status::text, v_country, v_offer, v_mode, v_outcome) IS NULL THEN
    v_window := v_limit + 1;
  END IF;

  WITH looked AS MATERIALIZED (
    SELECT t.request_id, t.offer_name, t.tracking_url, t.final_url, t.target_country, t.status, t.outcome, t.ip_assigned,
           t.tracer_mode_used, t.error_code, t.error_message, t.started_at, t.wait_time_ms, t.trace_time_ms,
           t.total_time_ms, t.retry_count, t.skip_reason
      FROM traces t
     WHERE t.started_at <= v_before AND (t.started_at, t.request_id) < (v_before, v_id)
     ORDER BY t.started_at DESC, t.request_id DESC
     LIMIT v_window
  ), found AS (
    SELECT l.*
      FROM looked l
     WHERE (v_status IS NULL OR l.status = ANY (v_status))
       AND (v_country IS NULL OR l.target_country = v_country)
       AND (v_offer IS NULL OR l.offer_name = v_offer)
       AND (v_mode IS NULL OR l.tracer_mode_used = v_mode)
       AND (v_outcome IS NULL OR l.outcome = v_outcome)
       AND (v_search IS NULL
            OR concat_ws(' ', l.tracking_url, l.final_url, l.offer_name, l.ip_assigned, l.error_message, l.error_code) ILIKE v_like)
     ORDER BY l.started_at DESC, l.request_id DESC
     LIMIT v_limit
  ), last_place AS (
    SELECT place.started_at, place.request_id
      FROM (SELECT f.started_at, f.request_id, 1 AS preference FROM found f WHERE (SELECT count(*) FROM found) = v_limit
            UNION ALL
            SELECT l.started_at, l.request_id, 2 FROM looked l WHERE (SELECT count(*) FROM looked) = v_window) AS place
     ORDER BY place.preference, place.started_at, place.request_id
     LIMIT 1
  )
  SELECT jsonb_build_object(
           'traces', coalesce((SELECT jsonb_agg(dashboard_trace_line(to_jsonb(f)) ORDER BY f.started_at DESC, f.request_id DESC)
                                 FROM found f), '[]'),
           'next', (SELECT jsonb_build_object('before', l.started_at, 'before_id', l.request_id) FROM last_place l
                     WHERE EXISTS (SELECT FROM traces t
                                    WHERE t.started_at <= l.started_at
                                      AND (t.started_at, t.request_id) < (l.started_at, l.request_id))),
           'looked_at', (SELECT count(*) FROM looked))
    INTO v_result;
  RETURN v_result;
END $$;
COMMENT ON FUNCTION dashboard_traces(jsonb) IS 'A page of traces by search and filters, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_traces(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_traces(jsonb) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
