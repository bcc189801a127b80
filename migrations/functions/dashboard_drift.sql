-- Chain drift of one offer: what is expected, and the events of the last month with both chains, open ones first.
CREATE OR REPLACE FUNCTION dashboard_drift(p_offer uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object(
    'expected', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.start_url, x.country, x.id), '[]')
                   FROM (SELECT e.id, e.country, e.start_url, e.source, e.shape, e.traces, e.created_at
                           FROM chain_expectations e WHERE e.offer_id = p_offer ORDER BY e.id LIMIT 50) AS x),
    'learning', (SELECT coalesce(sum(l.traces), 0) FROM chain_lessons l WHERE l.offer_id = p_offer),
    'events', (SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY v.state = 'open' DESC, v.last_at DESC), '[]')
                 FROM (SELECT e.id, e.country, e.start_url, e.state, e.differences, e.expected, e.seen, e.traces, e.others, e.first_at, e.last_at,
                              e.last_request_id, e.closed_at, e.closed_by
                         FROM chain_drift_events e
                        WHERE e.offer_id = p_offer AND e.last_at > clock_timestamp() - interval '31 days'
                        ORDER BY e.state = 'open' DESC, e.last_at DESC
                        LIMIT 20) AS v))
$$;
COMMENT ON FUNCTION dashboard_drift(uuid) IS 'Expected chains and drift events of one offer, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_drift(uuid) FROM PUBLIC;
