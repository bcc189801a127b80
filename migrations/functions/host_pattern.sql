-- A host name as chains are compared by it: hosts that differ in a number, or in a label that looks drawn by lot, are
-- one, because edges of a delivery network come and go (edge17.cdn.example and edge4.cdn.example are edge#.cdn.example,
-- 3fa9c01b.cdn.example is #.cdn.example). The registered name itself is never touched: that is its last two labels, or
-- three below a short second level (co.uk, com.au). Addresses stay as they are.
CREATE OR REPLACE FUNCTION host_pattern(p_host text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_host   text := lower(regexp_replace(p_host, '\.?(:[0-9]*)?$', ''));
  v_port   text := coalesce(substring(p_host FROM ':[0-9]+$'), '');
  v_labels text[] := string_to_array(v_host, '.');
  v_n      integer := cardinality(v_labels);
  v_kept   integer := CASE WHEN v_n >= 3 AND length(v_labels[v_n]) = 2 AND length(v_labels[v_n - 1]) <= 3 THEN 3 ELSE 2 END;
BEGIN
  IF v_host ~ '^[0-9.]+$' OR v_host ~ '^\[' THEN
    RETURN lower(p_host);
  END IF;
  FOR i IN 1 .. v_n - v_kept LOOP
    v_labels[i] := CASE WHEN v_labels[i] ~ '^[0-9a-f-]{8,}$' AND v_labels[i] ~ '[0-9]' THEN '#'
                        ELSE regexp_replace(v_labels[i], '[0-9]+', '#', 'g') END;
  END LOOP;
  RETURN array_to_string(v_labels, '.') || v_port;
END $$;
COMMENT ON FUNCTION host_pattern(text) IS 'A host name with the numbers of its machines left out.';
REVOKE ALL ON FUNCTION host_pattern(text) FROM PUBLIC;
