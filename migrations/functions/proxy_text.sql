-- A provider's template with {ip}, {port} and {country} filled in from the pool's entry.
CREATE OR REPLACE FUNCTION proxy_text(p_template text, p_ip text, p_port text, p_country text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(p_template, '{country}', p_country), '{port}', p_port), '{ip}', p_ip);
REVOKE ALL ON FUNCTION proxy_text(text, text, text, text) FROM PUBLIC;
