-- One hop as chains are compared by it: https://host, or the scheme alone for what is no web address (an app link).
-- In PL/pgSQL, as all that looks at each trace of a busy house, because its plan is kept.
CREATE OR REPLACE FUNCTION chain_hop(p_url text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_part   text[] := regexp_match(p_url, '^([A-Za-z][A-Za-z0-9+.-]*):(?://(?:[^/?#]*@)?([^/?#]*))?');
  v_scheme text := lower(v_part[1]);
BEGIN
  IF v_part IS NULL THEN
    RETURN left(coalesce(p_url, ''), 200);
  ELSIF v_part[2] IS NULL THEN
    RETURN v_scheme || ':';
  END IF;
  RETURN v_scheme || '://'
         || left(host_pattern(regexp_replace(v_part[2], CASE v_scheme WHEN 'http' THEN ':80$' ELSE ':443$' END, '')), 260);
END $$;
REVOKE ALL ON FUNCTION chain_hop(text) FROM PUBLIC;

-- The names in a URL's query, as they are written there; a hundred at most.
CREATE OR REPLACE FUNCTION query_names(p_url text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  RETURN ARRAY(SELECT DISTINCT left(part[1], 200)
                 FROM regexp_matches(substring(p_url FROM '^[^?#]*\?([^#]*)'), '(?:^|&)([^=&]+)', 'g') AS part
                ORDER BY 1
                LIMIT 100);
END $$;
REVOKE ALL ON FUNCTION query_names(text) FROM PUBLIC;
