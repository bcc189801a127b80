-- One trace with everything that is known of it: its row, attempts, what evidence there is (not the evidence itself),
-- and tracking events. NULL when there is no such trace.
CREATE OR REPLACE FUNCTION dashboard_trace(p_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_row      jsonb;
  v_attempts jsonb;
BEGIN
  SELECT to_jsonb(t) INTO v_row FROM traces t WHERE t.request_id = p_id LIMIT 1;
  IF v_row IS NULL THEN
    RETURN NULL;
  END IF;
  IF (v_row->>'is_archived')::boolean THEN
    SELECT a.attempts INTO v_attempts FROM trace_archive a WHERE a.request_id = p_id LIMIT 1;
  ELSE
    SELECT jsonb_agg(to_jsonb(a) - 'request_id' ORDER BY a.attempt) INTO v_attempts
      FROM trace_attempts a WHERE a.request_id = p_id;
  END IF;
  RETURN jsonb_build_object(
    'trace', v_row,
    'attempts', coalesce(v_attempts, '[]'),
    'evidence', (SELECT coalesce(jsonb_agg(jsonb_build_object('attempt', e.attempt, 'kind', e.kind, 'bytes', length(e.body),
                                                              'content_type', e.content_type, 'created_at', e.created_at,
                                                              'keep_until', e.keep_until)
                                           ORDER BY e.attempt DESC, e.kind), '[]')
                   FROM trace_evidence e
                  WHERE e.request_id = p_id),
    'events', (SELECT coalesce(jsonb_agg(to_jsonb(shown) ORDER BY shown.ad_view_id, shown.ord, shown.id), '[]')
                 FROM (SELECT v.id, v.ad_view_id, v.event, v.ord, v.is_billing, v.url_template, v.url, v.host, v.mode, v.state,
                              v.attempts, v.sent_at, v.response_ms, v.last_error
                         FROM tracking_events v
                        WHERE v.request_id = p_id
                        ORDER BY v.ad_view_id, v.ord, v.id
                        LIMIT 500) AS shown));
END $$;
COMMENT ON FUNCTION dashboard_trace(uuid) IS 'Everything about one trace, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_trace(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_trace(uuid) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
