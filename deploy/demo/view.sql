-- What the quickstart shows of the ad view that began since :since; :ledger is what the sink wrote down, as JSON,
-- [{"place": ..., "url": ...}].
SELECT to_char(extract(epoch FROM e.due_at - v.begins_at), 'FM0.0') AS "at, s",
       e.event, e.state, s.http_status AS status, s.avg_response_ms AS ms, e.attempts, l.places AS "sink got it as",
       coalesce(e.reason, regexp_replace(e.url, '^http://', '')) AS "where, or why not"
  FROM ad_views AS v
  JOIN tracking_events AS e ON e.ad_view_id = v.ad_view_id
  JOIN tracking_event_states AS s ON s.id = e.id
 CROSS JOIN LATERAL (
        SELECT string_agg(r.place::text, ', ' ORDER BY r.place) AS places, min(r.place) AS first
          FROM jsonb_to_recordset(:'ledger') AS r (place integer, url text)
         WHERE r.url = e.url) AS l
 WHERE v.begins_at >= :'since'::timestamptz
   AND e.is_scheduled
 ORDER BY e.due_at, e.ord, l.first, e.id;

SELECT v.ad_id AS ad, v.creative_id AS creative, v.state, v.duration_ms, v.events, v.tracked, v.failed, v.blocked,
       v.percent_tracked AS "played, %", v.avg_response_ms AS avg_ms,
       jsonb_array_length(:'ledger') AS "in the sink's ledger"
  FROM ad_views AS v
 WHERE v.begins_at >= :'since'::timestamptz;
