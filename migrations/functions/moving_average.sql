-- Nine parts of what was, one part of the new value; a missing new value changes nothing.
CREATE OR REPLACE FUNCTION moving_average(p_average integer, p_value integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(((p_average * 9::bigint + p_value) / 10)::integer, p_value, p_average);
REVOKE ALL ON FUNCTION moving_average(integer, integer) FROM PUBLIC;
