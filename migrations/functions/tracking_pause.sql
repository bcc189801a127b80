-- Pause after failed attempt number p_attempts of a tracking request: 2, 4, 8 times the first, give or take a fifth.
CREATE OR REPLACE FUNCTION tracking_pause(p_attempts integer, p_first_s numeric) RETURNS interval
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN make_interval(secs => (p_first_s * 2.0 ^ least(p_attempts, 20) * (0.8 + random() * 0.4))::float8);
REVOKE ALL ON FUNCTION tracking_pause(integer, numeric) FROM PUBLIC;
