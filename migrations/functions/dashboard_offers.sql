-- The offers by name, those whose name contains p_search; a thousand at most.
CREATE OR REPLACE FUNCTION dashboard_offers(p_search text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT jsonb_build_object('offers', coalesce(jsonb_agg(to_jsonb(shown) ORDER BY shown.offer_name), '[]'))
    FROM (SELECT o.offer_name, o.is_active, o.target_country, o.tracer_mode, o.tracking_mode, o.updated_at,
                 coalesce(o.tracking_urls->0->>'url', o.final_url) AS url, jsonb_array_length(o.tracking_urls) AS urls
            FROM offers o
           WHERE strpos(lower(o.offer_name), lower(coalesce(p_search, ''))) > 0
           ORDER BY o.offer_name
           LIMIT 1000) AS shown
$$;
COMMENT ON FUNCTION dashboard_offers(text) IS 'Offers in short, for the dashboard.';
REVOKE ALL ON FUNCTION dashboard_offers(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dashboard_offers(text) TO tracepool_monitor, tracepool_admin, tracepool_readonly;
