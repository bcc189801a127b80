-- What the quickstart shows of the clicks since :since; :seen is the target's own log as JSON,
-- [{"address": ..., "url": ...}].
CREATE TEMP TABLE shown AS
SELECT r.request_id, o.offer_name AS offer, r.target_country AS country, r.status, r.ip_assigned, r.final_url,
       r.redirect_chain, r.extracted_params, r.trace_time_ms, r.wait_time_ms, r.tracer_mode_used, r.error_message,
       r.tracking_url
  FROM active_trace_requests AS r
  JOIN offers AS o ON o.id = r.offer_id
 WHERE r.started_at >= :'since'::timestamptz
   AND o.notes = 'demo';

CREATE TEMP TABLE seen AS
SELECT s.address, s.url
  FROM jsonb_to_recordset(:'seen') AS s (address text, url text);

SELECT offer, country, status, tracer_mode_used AS mode,
       jsonb_array_length(redirect_chain) AS hops, wait_time_ms AS wait_ms,
       trace_time_ms AS trace_ms, ip_assigned,
       (SELECT string_agg(DISTINCT s.address, ', ') FROM seen AS s WHERE s.url = shown.tracking_url) AS "target saw",
       coalesce(error_message, (SELECT string_agg(p.key || '=' || p.value, ' ' ORDER BY p.key)
                                  FROM jsonb_each_text(extracted_params) AS p)) AS parameters
  FROM shown
 ORDER BY country DESC, offer;

SELECT CASE WHEN hop.n = 1 THEN offer ELSE '' END AS offer, hop.n AS hop, hop.value ->> 'via' AS via,
       hop.value ->> 'status' AS status, hop.value ->> 'url' AS url
  FROM shown
 CROSS JOIN jsonb_array_elements(redirect_chain) WITH ORDINALITY AS hop (value, n)
 ORDER BY country DESC, shown.offer, hop.n;

\echo The pool: each address rests after its use
\echo
SELECT country, ip_address, status, total_uses AS uses, success_count AS good, failure_count AS bad,
       greatest(0, ceil(extract(epoch FROM locked_until - clock_timestamp())))::integer AS "rests for, s",
       avg_response_time_ms AS avg_ms
  FROM ip_rotation_pool
 WHERE provider = 'demo'
 ORDER BY country DESC, ip_address;
