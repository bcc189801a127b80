-- Whether somebody silenced that alert, its rule, or all of them.
CREATE OR REPLACE FUNCTION is_silenced(p_rule text, p_subject text, p_now timestamptz) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM alert_silences s
                  WHERE s.until > p_now AND s.rule IN (p_rule, '*') AND (s.subject IS NULL OR s.subject = p_subject))
$$;
REVOKE ALL ON FUNCTION is_silenced(text, text, timestamptz) FROM PUBLIC;
