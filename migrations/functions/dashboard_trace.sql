-- One trace with everything that is known of it: its row, attempts, what evidence there is (not the evidence itself, but
-- what was read of an ad's document), its ad views summed up, and their tracking events. NULL when there is no such trace.
CREATE OR REPLACE FUNCTION dashboard_trace(p_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET jit = off   -- many partitions look costly, and compiling for them takes longer than reading
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
    'document', (SELECT jsonb_build_object('version', d.it -> 'version', 'result', d.it -> 'result', 'error_code', d.it -> 'error_code',
                                           'detail', d.it -> 'detail', 'hops', coalesce(d.it -> 'hops', '[]'),
                                           'lint', coalesce(d.it -> 'lint', '[]'))
                   FROM (SELECT convert_from(e.body, 'UTF8')::jsonb AS it
                           FROM trace_evidence e
                          WHERE e.request_id = p_id AND e.kind = 'vast' AND e.content_type = 'application/json'
                          ORDER BY e.attempt DESC
                          LIMIT 1) AS d),
    'views', (SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY v.ad_index, v.creative_index), '[]')
                FROM ad_views v
               WHERE v.request_id = p_id),
    'events', (SELECT coalesce(jsonb_agg(to_jsonb(shown) ORDER BY shown.place), '[]')
                 FROM (SELECT row_number() OVER (ORDER BY v.ad_index, v.creative_index, NOT e.is_scheduled, e.due_at, e.ord, e.id)
                                AS place,
                              e.id, e.ad_view_id, e.event, e.ord, e.is_scheduled, e.is_billing, e.url_template, e.url, e.host,
                              e.mode, e.state, e.reason, e.attempts, e.sent_at, s.http_status, s.avg_response_ms, s.last_error,
                              CASE WHEN e.due_at < 'infinity' THEN round(extract(epoch FROM e.due_at - v.begins_at) * 1000) END
                                AS at_ms
                         FROM tracking_events e
                         JOIN tracking_event_states s ON s.id = e.id
                         LEFT JOIN ad_view_plans v ON v.ad_view_id = e.ad_view_id
                        WHERE e.request_id = p_id
                        ORDER BY place
                        LIMIT 500) AS shown));
END $$;
COMMENT ON FUNCTION dashboard_trace(uuid) IS 'Everything about one trace, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_trace(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_trace(uuid) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
