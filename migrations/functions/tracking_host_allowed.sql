-- Whether tracking requests may go to that host now: an entry names it, or is a suffix of it that begins with a dot.
-- Addresses match exact entries only. The worker's vast/allow.c decides before it; this is the second lock.
CREATE OR REPLACE FUNCTION tracking_host_allowed(p_host text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT EXISTS (SELECT
                   FROM tracking_allowed_hosts h
                  WHERE (h.expires_at IS NULL OR h.expires_at > clock_timestamp())
                    AND ((left(h.host, 1) <> '.' AND h.host = rtrim(lower(p_host), '.'))
                         OR (left(h.host, 1) = '.' AND rtrim(lower(p_host), '.') LIKE '%_' || replace(h.host, '_', '\_')
                             AND rtrim(p_host, '.') !~ '(^\[|[.]?[0-9]+$)')))
$$;
REVOKE ALL ON FUNCTION tracking_host_allowed(text) FROM PUBLIC;
