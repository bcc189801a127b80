-- Alerts that are not over, strongest state first, and those that ended within a day; who has taken or silenced them.
CREATE OR REPLACE FUNCTION dashboard_alerts() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce(jsonb_agg(to_jsonb(shown) ORDER BY shown.resolved_at IS NOT NULL, shown.state, shown.since DESC), '[]')
    FROM (SELECT a.id, a.rule, a.subject, a.state, a.severity, a.value, a.threshold, a.message, a.advice, a.since, a.fired_at,
                 a.resolved_at, a.acknowledged_at, a.acknowledged_by, a.note, silence.until AS silenced_until,
                 silence.who AS silenced_by
            FROM alerts a
            LEFT JOIN LATERAL (SELECT s.until, s.who
                                 FROM alert_silences s
                                WHERE s.until > clock_timestamp() AND s.rule IN (a.rule, '*')
                                  AND (s.subject IS NULL OR s.subject = a.subject)
                                ORDER BY s.until DESC
                                LIMIT 1) AS silence ON true
           WHERE a.state <> 'resolved' OR a.resolved_at > clock_timestamp() - interval '1 day'
           ORDER BY a.state = 'resolved', a.since DESC
           LIMIT 100) AS shown
$$;
COMMENT ON FUNCTION dashboard_alerts() IS 'Alerts for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_alerts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_alerts() TO tracepool_monitor, tracepool_admin, tracepool_readonly;
