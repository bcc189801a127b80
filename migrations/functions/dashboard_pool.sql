-- The pool, by country and address, as a page that another can follow.
-- {"country","state","search","after","limit"}, each optional; state is available, locked, cooldown or unhealthy as it
-- really is now; `next` is the address to go on after, null at the end.
CREATE OR REPLACE FUNCTION dashboard_pool(p jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now    timestamptz := clock_timestamp();
  v_limit  integer := least(greatest(coalesce((p->>'limit')::integer, 100), 1), 500);
  v_state  text := nullif(p->>'state', '');
  v_search text := lower(coalesce(p->>'search', ''));
  v_ips    jsonb;
BEGIN
  SELECT coalesce(jsonb_agg(to_jsonb(shown) ORDER BY shown.ip), '[]')
    INTO v_ips
    FROM (SELECT *
            FROM (SELECT i.ip_address AS ip, i.ip_port AS port, i.country, i.provider,
                         CASE WHEN i.status = 'locked' THEN 'locked'
                              WHEN NOT i.is_healthy THEN 'unhealthy'
                              WHEN i.locked_until > v_now THEN 'cooldown'
                              ELSE 'available' END AS state,
                         CASE WHEN i.locked_until > v_now THEN ceil(extract(epoch FROM i.locked_until - v_now)) END AS for_s,
                         CASE WHEN i.status = 'locked' THEN i.locked_by_request END AS request_id,
                         i.last_used_at, i.total_uses, i.success_count, i.failure_count, i.avg_response_time_ms,
                         i.consecutive_failures, nullif(i.next_probe_at, 'infinity') AS next_probe_at, i.notes
                    FROM ip_rotation_pool i
                   WHERE i.ip_address > coalesce(p->>'after', '')
                     AND (coalesce(p->>'country', '') = '' OR i.country = p->>'country')
                     AND (v_search = '' OR strpos(lower(concat_ws(' ', i.ip_address, i.provider, i.notes)), v_search) > 0)) AS seen
           WHERE v_state IS NULL OR seen.state = v_state
           ORDER BY seen.ip
           LIMIT v_limit) AS shown;
  RETURN jsonb_build_object(
    'ips', v_ips,
    'next', CASE WHEN jsonb_array_length(v_ips) = v_limit THEN v_ips->-1->'ip' END,
    'countries', (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.country), '[]') FROM pool_by_country(v_now) AS c));
END $$;
COMMENT ON FUNCTION dashboard_pool(jsonb) IS 'IPs of the pool by state and country, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_pool(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_pool(jsonb) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
