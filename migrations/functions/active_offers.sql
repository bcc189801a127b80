-- Everything that the edge knows about offers; the inactive ones too, so that it can tell them from unknown ones.
CREATE OR REPLACE FUNCTION active_offers()
RETURNS TABLE (id uuid, offer_name text, final_url text, tracking_urls jsonb, allowed_hosts text[],
               target_country text, country_from text, pass_params boolean, trace_click_ids text,
               fallback_url text, redirect_param text, is_active boolean, updated_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT o.id, o.offer_name, coalesce(o.final_url, v.base_url), o.tracking_urls, o.allowed_hosts, o.target_country, o.country_from,
         o.pass_params, o.trace_click_ids, o.fallback_url, o.redirect_param, o.is_active, o.updated_at
    FROM offers o
    LEFT JOIN vast_providers v ON o.kind = 'vast' AND v.provider = o.vast_provider
   ORDER BY o.offer_name
$$;
COMMENT ON FUNCTION active_offers() IS 'All offers as the edge serves them.';
REVOKE ALL ON FUNCTION active_offers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION active_offers() TO tracepool_edge, tracepool_monitor, tracepool_admin;
