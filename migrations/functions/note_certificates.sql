-- Keeps what the newest traces showed of their hosts' certificates: one row a host. Called with each snapshot; looks at
-- p_limit attempts of the last minute. Returns how many rows changed.
CREATE OR REPLACE FUNCTION note_certificates(p_limit integer DEFAULT 200) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  v_now   timestamptz := clock_timestamp();
  v_count integer;
BEGIN
  WITH seen AS (
    SELECT DISTINCT ON (1) lower(substring(hop.value->>'url' FROM '^[hH][tT][tT][pP][sS]://(?:[^/@?#]*@)?([^/:?#]+)')) AS host,
           (hop.value #>> '{tls,not_after}')::timestamptz AS not_after, hop.value #>> '{tls,issuer}' AS issuer
      FROM (SELECT a.request_id, a.ended_at
              FROM trace_attempts a
             WHERE a.ended_at > v_now - interval '1 minute'
             ORDER BY a.ended_at DESC
             LIMIT p_limit) AS newest
      JOIN active_trace_requests t USING (request_id)
     CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(t.redirect_chain) WHEN 'array' THEN t.redirect_chain ELSE '[]' END)
           AS hop (value)
     WHERE hop.value #>> '{tls,not_after}' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$'
     ORDER BY 1, newest.ended_at DESC
  )
  INSERT INTO target_certificates AS c (host, not_after, issuer, seen_at)
  SELECT seen.host, seen.not_after, seen.issuer, v_now
    FROM seen
   WHERE seen.host IS NOT NULL
      ON CONFLICT (host) DO UPDATE
     SET not_after = excluded.not_after, issuer = excluded.issuer, seen_at = excluded.seen_at
   WHERE c.not_after <> excluded.not_after OR c.seen_at < excluded.seen_at - interval '1 hour';
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;
COMMENT ON FUNCTION note_certificates(integer) IS 'Keeps target_certificates up to date from the newest traces.';
REVOKE ALL ON FUNCTION note_certificates(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_certificates(integer) TO tracepool_monitor, tracepool_admin;
