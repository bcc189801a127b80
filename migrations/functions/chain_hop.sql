-- One hop as chains are compared by it: https://host, or the scheme alone for what is no web address (an app link).
CREATE OR REPLACE FUNCTION chain_hop(p_url text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT CASE WHEN part IS NULL THEN left(coalesce(p_url, ''), 200)
              WHEN part[2] IS NULL THEN lower(part[1]) || ':'
              ELSE lower(part[1]) || '://'
                   || left(host_pattern(CASE WHEN lower(part[1]) = 'http' THEN regexp_replace(part[2], ':80$', '')
                                             ELSE regexp_replace(part[2], ':443$', '') END), 260) END
    FROM (SELECT regexp_match(p_url, '^([A-Za-z][A-Za-z0-9+.-]*):(?://(?:[^/?#]*@)?([^/?#]*))?')) AS found (part)
$$;
REVOKE ALL ON FUNCTION chain_hop(text) FROM PUBLIC;

-- The names in a URL's query, as they are written there; a hundred at most.
CREATE OR REPLACE FUNCTION query_names(p_url text) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT ARRAY(SELECT DISTINCT left(found[1], 200)
                 FROM regexp_matches(substring(p_url FROM '^[^?#]*\?([^#]*)'), '(?:^|&)([^=&]+)', 'g') AS found
                ORDER BY 1
                LIMIT 100)
$$;
REVOKE ALL ON FUNCTION query_names(text) FROM PUBLIC;
