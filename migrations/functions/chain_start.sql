-- Which of an offer's tracking URLs a trace began at: that URL up to its first placeholder or its query, the longest
-- that fits; empty when none does (a visible target, or the offer was changed meanwhile). So each of several weighted
-- URLs has chains of its own, and a click id in a path does not make a new link of every click.
CREATE OR REPLACE FUNCTION chain_start(p_offer offers, p_url text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT coalesce((SELECT fixed
                     FROM (SELECT substring(t.target->>'url' FROM '^[^{?#]*') AS fixed
                             FROM jsonb_array_elements(p_offer.tracking_urls) AS t (target)
                           UNION ALL
                           SELECT substring(p_offer.final_url FROM '^[^{?#]*')) AS known
                    WHERE fixed <> '' AND starts_with(p_url, fixed)
                    ORDER BY length(fixed) DESC
                    LIMIT 1), '')
$$;
REVOKE ALL ON FUNCTION chain_start(offers, text) FROM PUBLIC;
