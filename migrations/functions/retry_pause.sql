-- Pause before retry number p_retries + 1: doubles each time, give or take a quarter, so that requests that failed
-- together do not come back together.
CREATE OR REPLACE FUNCTION retry_pause(p_retries integer, p_first_s numeric, p_longest_s numeric) RETURNS interval
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN make_interval(secs => (least(p_longest_s, p_first_s * 2.0 ^ least(p_retries, 30)) * (0.75 + random() / 2))::float8);
REVOKE ALL ON FUNCTION retry_pause(integer, numeric, numeric) FROM PUBLIC;
