-- What is wrong, and since when: the questions of the handbook's troubleshooting chapter, each with its answer.
--
--   psql "$DATABASE_URL" -f deploy/diagnostics.sql        as tracepool_readonly or any other role that reads
--
-- It changes nothing and reads little, however large the archive is: the pool, the queue's indexes, the attempts of the
-- last hour or day, and the monitor's snapshots. For one question alone, copy its statement.
\set ON_ERROR_STOP 1
\set QUIET 1
\pset pager off
\pset null '-'
\pset footer off
\pset linestyle unicode
\pset border 1
SET default_transaction_read_only = on;
SET jit = off;   -- many partitions look costly

\echo
\echo '== 1. How is it now?'
\echo 'One line a country. Utilisation is (locked + cooldown) / total; 60 to 80 % at the peak is what to aim at. A cooldown that'
\echo 'is over counts as available. oldest_s: for how long the oldest request that is due has been waiting.'
SELECT coalesce(p.country, w.country) AS country, p.total, p.available, p.locked, p.cooldown, p.unhealthy,
       round(100.0 * (p.locked + p.cooldown) / nullif(p.total, 0)) AS utilisation, coalesce(w.waiting, 0) AS waiting, w.oldest_s
  FROM (SELECT i.country, count(*) AS total,
               count(*) FILTER (WHERE i.status <> 'locked' AND i.is_healthy AND i.locked_until <= now()) AS available,
               count(*) FILTER (WHERE i.status = 'locked') AS locked,
               count(*) FILTER (WHERE i.status <> 'locked' AND i.is_healthy AND i.locked_until > now()) AS cooldown,
               count(*) FILTER (WHERE NOT i.is_healthy) AS unhealthy
          FROM ip_rotation_pool i
         GROUP BY i.country) AS p
  FULL JOIN (SELECT q.target_country AS country, count(*) AS waiting,
                    greatest(0, ceil(extract(epoch FROM now() - min(q.next_attempt_at) FILTER (WHERE q.next_attempt_at <= now())))) AS oldest_s
               FROM (SELECT t.target_country, t.next_attempt_at
                       FROM active_trace_requests t
                      WHERE t.next_attempt_at IS NOT NULL
                      ORDER BY t.target_country, t.next_attempt_at
                      LIMIT 100000) AS q
              GROUP BY q.target_country) AS w ON w.country = p.country
 ORDER BY coalesce(w.waiting, 0) DESC, 1;

\echo
\echo '== 2. "No available IP": why does a country have none?'
\echo 'Countries with requests that are due and no IP to take. Too few: add IPs. Cooldown: add IPs, or lower trace_policy.cooldown_s.'
\echo 'Unhealthy: see 10, replace them. Provider: add it to proxy_providers. Requests wait meanwhile; none fails because of it.'
SELECT due.country,
       CASE WHEN count(i.id) = 0 THEN 'it has no IPs at all'
            WHEN count(i.id) FILTER (WHERE v.provider IS NOT NULL) = 0 THEN 'its providers are not in proxy_providers: ' || string_agg(DISTINCT i.provider, ', ')
            WHEN count(i.id) FILTER (WHERE i.is_healthy) = 0 THEN 'all are unhealthy'
            WHEN count(i.id) FILTER (WHERE i.status = 'locked') >= count(i.id) FILTER (WHERE i.is_healthy) THEN 'all are in use'
            ELSE 'those that are healthy are in use or rest' END AS because,
       count(i.id) AS ips, count(i.id) FILTER (WHERE i.status = 'locked') AS in_use,
       count(i.id) FILTER (WHERE i.status <> 'locked' AND i.is_healthy AND i.locked_until > now()) AS resting,
       count(i.id) FILTER (WHERE NOT i.is_healthy) AS unhealthy,
       min(i.locked_until) FILTER (WHERE i.is_healthy AND i.locked_until > now()) AS next_is_free_at
  FROM (WITH RECURSIVE place AS (
          (SELECT t.target_country AS country FROM active_trace_requests t WHERE t.next_attempt_at IS NOT NULL ORDER BY 1 LIMIT 1)
          UNION ALL
          SELECT (SELECT t.target_country FROM active_trace_requests t
                   WHERE t.next_attempt_at IS NOT NULL AND t.target_country > place.country ORDER BY 1 LIMIT 1)
            FROM place WHERE place.country IS NOT NULL)
        SELECT place.country FROM place
         WHERE EXISTS (SELECT FROM active_trace_requests t WHERE t.target_country = place.country AND t.next_attempt_at <= now())) AS due
  LEFT JOIN ip_rotation_pool i ON i.country = due.country
  LEFT JOIN proxy_providers v ON v.provider = i.provider
 GROUP BY due.country
HAVING count(i.id) FILTER (WHERE i.status <> 'locked' AND i.locked_until <= now() AND (i.is_healthy OR i.next_probe_at <= now()) AND v.provider IS NOT NULL) = 0
 ORDER BY 1;

\echo
\echo '== 3. High queue depth: is anybody working?'
\echo 'Programs that were heard of within a day; a worker silent for more than a minute does nothing. Start tracepool-worker, give it more'
\echo 'children or slots, or in batch mode ask for batches more often.'
SELECT program, count(*) FILTER (WHERE seen_at > now() - interval '1 minute') AS alive, count(*) FILTER (WHERE seen_at <= now() - interval '1 minute') AS silent,
       max(seen_at) AS last_seen, max(spool_age_s) FILTER (WHERE seen_at > now() - interval '1 minute') AS oldest_spooled_click_s
  FROM process_heartbeats
 WHERE seen_at > now() - interval '1 day'
 GROUP BY program
 ORDER BY program;
\echo 'Batches of the last hour: abandoned ones found no worker.'
SELECT state, count(*) AS batches, max(created_at) AS last, max(reason) AS reason
  FROM trace_batches
 WHERE batch_id >= (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
 GROUP BY state
 ORDER BY state;

\echo
\echo '== 4. High queue depth: is it retries? What fails?'
\echo 'Attempts of the last hour by their error. blame says whose fault: proxy (see 10), target, us. Those with a retry to come are queued again.'
SELECT a.error, a.blame, count(*) AS attempts, count(*) FILTER (WHERE a.new_status = 'pending') AS will_be_retried, max(a.ended_at) AS last,
       (array_agg(a.detail ORDER BY a.ended_at DESC))[1] AS last_detail
  FROM trace_attempts a
 WHERE a.ended_at > now() - interval '1 hour' AND a.new_status <> 'completed'
 GROUP BY a.error, a.blame
 ORDER BY attempts DESC
 LIMIT 20;

\echo
\echo '== 5. The trend: failures and times, week by week'
\echo 'From the monitor''s snapshots, one an hour; success is completed / ended. A week that is worse than the one before deserves a look.'
SELECT date_trunc('week', h.recorded_at)::date AS week, sum(h.completed_requests_1h) AS completed, sum(h.failed_requests_1h) AS failed,
       round(100.0 * sum(h.completed_requests_1h) / nullif(sum(h.completed_requests_1h + h.failed_requests_1h), 0), 1) AS success,
       round(avg(h.avg_trace_time_ms) FILTER (WHERE h.avg_trace_time_ms > 0)) AS trace_ms, round(avg(h.avg_wait_time_ms)) AS wait_ms,
       round(avg(h.pool_utilization_percent)) AS utilisation, max(h.requests_queued) AS deepest_queue
  FROM generate_series(date_trunc('hour', now()) - interval '8 weeks', date_trunc('hour', now()), interval '1 hour') AS hour
 CROSS JOIN LATERAL (SELECT s.* FROM ip_pool_statistics s
                      WHERE s.recorded_at >= hour AND s.recorded_at < hour + interval '1 hour' ORDER BY s.recorded_at LIMIT 1) AS h
 GROUP BY 1
 ORDER BY 1;

\echo
\echo '== 6. Slow traces: which mode, and how slow?'
\echo 'Completed in the last hour. HTTP alone should take 2 to 5 s, the browser 10 to 30 s; proxy_ms is the share of the proxy''s first answer.'
SELECT a.mode_used AS mode, count(*) AS traces, round(100.0 * count(*) / sum(count(*)) OVER ()) AS percent,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY a.trace_ms) AS p50_ms, percentile_disc(0.95) WITHIN GROUP (ORDER BY a.trace_ms) AS p95_ms,
       max(a.trace_ms) AS max_ms, percentile_disc(0.5) WITHIN GROUP (ORDER BY a.response_ms) AS proxy_ms
  FROM trace_attempts a
 WHERE a.ended_at > now() - interval '1 hour' AND a.new_status = 'completed'
 GROUP BY a.mode_used
 ORDER BY traces DESC;
\echo 'Why the browser was used (auto mode), and the ten slowest.'
SELECT coalesce(t.detection_reason, 'asked for') AS because, count(*) AS traces, round(avg(a.trace_ms)) AS avg_ms
  FROM trace_attempts a
  JOIN active_trace_requests t ON t.request_id = a.request_id
 WHERE a.ended_at > now() - interval '1 hour' AND a.new_status = 'completed' AND a.mode_used = 'browser'
 GROUP BY 1
 ORDER BY traces DESC
 LIMIT 10;
SELECT slow.request_id, t.offer_name, slow.mode_used AS mode, slow.trace_ms, slow.response_ms AS proxy_ms, slow.ip_address, jsonb_array_length(t.redirect_chain) AS hops
  FROM (SELECT a.* FROM trace_attempts a
         WHERE a.ended_at > now() - interval '1 hour' AND a.trace_ms IS NOT NULL ORDER BY a.trace_ms DESC LIMIT 10) AS slow
  JOIN active_trace_requests t ON t.request_id = slow.request_id
 ORDER BY slow.trace_ms DESC;

\echo
\echo '== 7. Pool exhaustion: how full was it, hour by hour?'
\echo 'The last day. Above 80 % there is nothing left for a spike: add IPs (see 11 for how many).'
SELECT date_trunc('hour', s.recorded_at) AS hour, round(avg(s.pool_utilization_percent)) AS utilisation, max(s.pool_utilization_percent) AS highest,
       min(s.available_ips) AS fewest_available, max(s.locked_ips) AS most_in_use, max(s.failed_ips) AS most_unhealthy, max(s.requests_queued) AS deepest_queue
  FROM ip_pool_statistics s
 WHERE s.recorded_at > now() - interval '1 day'
 GROUP BY 1
 ORDER BY 1;

\echo
\echo '== 8. Stuck locks: IPs that nobody will give back by himself'
\echo 'A lease that is over is taken back by the monitor within its interval; SELECT release_expired_ip_locks(), cleanup_timed_out_requests() does it'
\echo 'now. One that was taken by hand (lock_available_ip) waits for its end, or for release_ip().'
SELECT i.ip_address, i.country, i.locked_until, i.locked_by_request, t.status AS request_status,
       CASE WHEN i.locked_until < now() THEN 'its lease is over'
            WHEN i.locked_by IS NULL THEN 'locked by hand'
            WHEN t.request_id IS NULL OR t.status <> 'processing' OR t.ip_assigned <> i.ip_address THEN 'its request does not hold it any more'
            ELSE 'its worker has not been heard of since ' || coalesce(h.seen_at::text, 'ever') END AS because
  FROM ip_rotation_pool i
  LEFT JOIN active_trace_requests t ON t.request_id = i.locked_by_request
  LEFT JOIN process_heartbeats h ON h.incarnation = i.locked_by
 WHERE i.status = 'locked'
   AND (i.locked_until < now() OR i.locked_by IS NULL OR t.request_id IS NULL OR t.status <> 'processing' OR t.ip_assigned <> i.ip_address
        OR h.seen_at IS NULL OR h.seen_at < now() - interval '1 minute')
 ORDER BY i.locked_until
 LIMIT 50;

\echo
\echo '== 9. Timeouts by country'
\echo 'Attempts of the last day. Many in one country: its proxies are slow or far; the ranking says which.'
SELECT t.target_country AS country, a.attempts, a.timeouts, round(100.0 * a.timeouts / a.attempts, 1) AS percent, a.avg_ms
  FROM (SELECT r.target_country AS country, count(*) AS attempts, count(*) FILTER (WHERE b.outcome = 'timeout' OR b.new_status = 'timeout') AS timeouts,
               round(avg(b.trace_ms)) AS avg_ms
          FROM trace_attempts b
          JOIN active_trace_requests r ON r.request_id = b.request_id
         WHERE b.ended_at > now() - interval '1 day'
         GROUP BY r.target_country) AS a
 CROSS JOIN LATERAL (SELECT a.country AS target_country) AS t
 ORDER BY a.timeouts DESC, a.attempts DESC
 LIMIT 50;

\echo
\echo '== 10. Ranking of IPs: the worst and the best'
\echo 'success: uses in which the proxy did its work. Those that fail more than they work are candidates for SELECT retire_ips(''{...}'').'
(SELECT 'worst' AS rank, i.ip_address, i.country, i.provider, i.is_healthy, i.total_uses, round(100.0 * i.success_count / i.total_uses, 1) AS success,
        i.consecutive_failures, i.avg_response_time_ms AS avg_ms, i.last_used_at
   FROM ip_rotation_pool i
  WHERE i.total_uses >= 5
  ORDER BY i.is_healthy, i.success_count::numeric / i.total_uses, i.consecutive_failures DESC, i.avg_response_time_ms DESC NULLS FIRST
  LIMIT 15)
UNION ALL
(SELECT 'best', i.ip_address, i.country, i.provider, i.is_healthy, i.total_uses, round(100.0 * i.success_count / i.total_uses, 1),
        i.consecutive_failures, i.avg_response_time_ms, i.last_used_at
   FROM ip_rotation_pool i
  WHERE i.total_uses >= 5 AND i.is_healthy
  ORDER BY i.success_count::numeric / i.total_uses DESC, i.avg_response_time_ms, i.total_uses DESC
  LIMIT 5);

\echo
\echo '== 11. Peak concurrency: how many IPs are needed?'
\echo 'The most traces at once, day by day. The pool should have 2 to 3 times the peak, and a fifth more: SELECT * FROM pool_advice says it by country.'
SELECT s.recorded_at::date AS day, max(s.locked_ips) AS most_at_once, (array_agg(s.recorded_at::time(0) ORDER BY s.locked_ips DESC, s.recorded_at))[1] AS at,
       ceil(max(s.locked_ips) * 2.5 * 1.2) AS ips_needed, max(s.total_ips) AS ips_there
  FROM ip_pool_statistics s
 WHERE s.recorded_at > now() - interval '14 days'
 GROUP BY 1
 ORDER BY 1;

\echo
\echo '== 12. Chains that go other ways than they should'
\echo 'Open drift events; SELECT accept_drift(id) when the new way is right.'
SELECT id, offer_name, country, array_to_string(differences, '; ') AS differences, traces, first_at, last_at
  FROM chain_drift
 WHERE state = 'open'
 ORDER BY last_at DESC
 LIMIT 20;

\echo
\echo '== 13. The latest traces'
SELECT request_id, offer_name, target_country AS country, status, trace_time_ms, tracer_mode_used AS mode, left(error_message, 60) AS error
  FROM active_trace_requests
 WHERE started_at > now() - interval '5 minutes'
 ORDER BY started_at DESC
 LIMIT 20;
