-- The rules of a campaign: each is one query that returns a line of text for every violation, and none when all is well.
-- What they know is the tables and the evidence of load, proxies, targets and namespace (evidence.sql); nothing of ours counts for itself.

-- rule: lost
-- A click that was answered 302 has a row.
SELECT c.cid || ' sent ' || c.sent
  FROM proof.clicks c
 WHERE c.status = 302 AND c.kind = 'click'
   AND NOT EXISTS (SELECT FROM proof.requests r WHERE r.cid = c.cid);

-- rule: doubled
-- No click has two rows, whatever it was answered.
SELECT r.cid || ': ' || count(*) || ' rows'
  FROM proof.requests r
 GROUP BY r.cid
HAVING count(*) > 1;

-- rule: invented
-- Every row is a click that was sent, of the offer that was asked for.
SELECT r.request_id || ' (' || coalesce(r.cid, 'no cid') || ', ' || coalesce(r.offer_name, 'no offer') || ')'
  FROM proof.requests r
  LEFT JOIN proof.clicks c USING (cid)
 WHERE c.cid IS NULL OR c.offer IS DISTINCT FROM r.offer_name;

-- rule: refused_yet_stored
-- What was refused for good, and what is no click (HEAD, prefetch), has no row. (503 and no answer: unknown.)
SELECT c.cid || ': ' || c.kind || ' answered ' || coalesce(c.status, 0)
  FROM proof.clicks c
  JOIN proof.requests r USING (cid)
 WHERE c.kind <> 'click' OR c.status BETWEEN 400 AND 499;

-- rule: wrongly_answered
-- A click is answered 302 or 503, one of an unknown offer 404 or 503.
SELECT c.cid || ': ' || c.kind || ' answered ' || c.status
  FROM proof.clicks c
 WHERE c.status NOT IN (503, CASE c.kind WHEN 'nowhere' THEN 404 ELSE 302 END);

-- rule: quarantined
-- Nothing that the load sent is refused by the tables.
SELECT q.request_id || ': ' || q.error
  FROM public.spool_quarantine q;

-- rule: unfinished
-- Every request has ended.
SELECT r.cid || ' is ' || r.status
  FROM proof.requests r
 WHERE r.status IN ('pending', 'processing') OR (r.status <> 'skipped' AND r.completed_at IS NULL);

-- rule: no_result
-- A completed one has its outcome, its chain and where it ended.
SELECT r.cid
  FROM proof.requests r
 WHERE r.status = 'completed'
   AND (r.outcome IS NULL OR r.outcome NOT IN ('ok', 'external_scheme') OR r.final_url IS NULL OR r.redirect_chain IS NULL
        OR r.ip_assigned IS NULL OR r.tracer_mode_used IS NULL);

-- rule: no_reason
-- One that was not completed says why.
SELECT r.cid || ' is ' || r.status
  FROM proof.requests r
 WHERE (r.status IN ('failed', 'timeout') AND (r.error_code IS NULL OR r.error_message IS NULL OR r.outcome IS NULL))
    OR (r.status = 'skipped' AND r.skip_reason IS NULL);

-- rule: too_many_retries
-- Retries stay within their bound, and so do attempts, but for those that were handed back unused or that this host could not begin.
SELECT r.cid || ': ' || r.retry_count || ' retries, ' || count(a.*) || ' attempts'
  FROM proof.requests r
  LEFT JOIN proof.attempts a ON a.request_id = r.request_id AND a.outcome <> 'returned' AND a.error IS DISTINCT FROM 'host_exhausted'
 GROUP BY r.request_id, r.cid, r.retry_count, r.max_retries
HAVING r.retry_count > r.max_retries OR count(a.*) > r.max_retries + 1;

-- rule: impossible_times
-- Nothing lies before its cause, outside the run, or took less than no time. (What an edge left behind that died while a clock
-- was wrong, or before its spool was empty again afterwards, another one ships by another clock: nobody can know its age.)
SELECT r.cid || ': click ' || r.started_at || ', claim ' || coalesce(r.ip_locked_at::text, '-') || ', end ' || coalesce(r.completed_at::text, '-')
  FROM proof.requests r
 CROSS JOIN proof.run
  LEFT JOIN proof.clicks c USING (cid)
 WHERE r.started_at > run.ended OR r.completed_at > run.ended OR r.ip_locked_at < r.started_at - interval '1 s'
    OR r.completed_at < r.ip_locked_at OR least(r.wait_time_ms, r.trace_time_ms, r.total_time_ms) < 0
    OR ((r.started_at < run.began - interval '2 s' OR r.started_at < c.sent - interval '2 s')
        AND NOT EXISTS (SELECT FROM proof.faults jump JOIN proof.faults death ON death.began BETWEEN jump.began - interval '1 s' AND jump.ended + interval '60 s'
                         WHERE jump.name = 'clock-jumps' AND death.name IN ('edge-killed', 'edge-child-killed', 'memory-used-up')))
 UNION ALL
SELECT a.cid || ': attempt ' || a.attempt || ' from ' || a.started_at || ' to ' || a.ended_at
  FROM proof.attempts a
 WHERE a.ended_at < a.started_at;

-- rule: leaked_lock
-- Nobody works any more, so no IP is locked.
SELECT p.ip_address || ' locked by ' || coalesce(p.locked_by, '-') || ' until ' || p.locked_until
  FROM public.ip_rotation_pool p
 WHERE p.status = 'locked';

-- rule: contradicting_lock
-- An IP that is not locked names neither request nor worker, one that is healthy is not failed, and the reverse.
SELECT p.ip_address || ' is ' || p.status || ', healthy: ' || p.is_healthy
  FROM public.ip_rotation_pool p
 WHERE (p.status <> 'locked' AND num_nonnulls(p.locked_by_request, p.locked_by, p.locked_for_batch) > 0)
    OR (p.status = 'failed') = p.is_healthy;

-- rule: counters
-- Uses are attempts; attempts are numbered without a gap; retries are attempts that led to another (but those that this host
-- could not even begin); one of them ended it.
SELECT p.ip_address || ': ' || p.total_uses || ' uses, ' || count(a.*) || ' attempts'
  FROM public.ip_rotation_pool p
  LEFT JOIN public.trace_attempts a USING (ip_address)
 GROUP BY p.ip_address
HAVING p.total_uses <> count(a.*) OR p.success_count + p.failure_count > p.total_uses
 UNION ALL
SELECT r.cid || ': attempt ' || r.attempt || ', ' || r.retry_count || ' retries, ' || count(a.*) || ' attempts'
  FROM proof.requests r
  LEFT JOIN public.trace_attempts a USING (request_id)
 WHERE r.status IN ('completed', 'failed', 'timeout')
 GROUP BY r.request_id, r.cid, r.attempt, r.retry_count, r.status
HAVING r.attempt <> count(a.*) OR r.attempt <> coalesce(max(a.attempt), 0)
    OR r.retry_count <> count(*) FILTER (WHERE a.new_status = 'pending' AND a.outcome <> 'returned'
                                             AND a.error IS DISTINCT FROM 'host_exhausted')
    OR count(*) FILTER (WHERE a.new_status = r.status) <> 1 OR count(*) FILTER (WHERE a.new_status NOT IN ('pending', r.status)) > 0;

-- rule: two_traces_at_once
-- The leases of one IP never overlap.
SELECT a.ip_address || ': ' || a.cid || ' until ' || a.ended_at || ', next from ' || a.next_from
  FROM (SELECT t.ip_address, t.cid, t.ended_at, lead(t.started_at) OVER (PARTITION BY t.ip_address ORDER BY t.started_at) AS next_from
          FROM proof.attempts t) AS a
 WHERE a.next_from < a.ended_at;

-- rule: cooldown
-- An IP rests after each use.
SELECT a.ip_address || ': ' || a.cid || ' until ' || a.ended_at || ', next from ' || a.next_from
  FROM (SELECT t.ip_address, t.cid, t.ended_at, lead(t.started_at) OVER (PARTITION BY t.ip_address ORDER BY t.started_at) AS next_from
          FROM proof.attempts t) AS a
 CROSS JOIN public.trace_policy policy
 WHERE a.next_from >= a.ended_at AND a.next_from < a.ended_at + policy.cooldown_s * interval '1 s';

-- rule: unknown_ip
-- Attempts name IPs of the pool.
SELECT a.cid || ': ' || coalesce(a.ip_address, 'none')
  FROM proof.attempts a
 WHERE NOT EXISTS (SELECT FROM public.ip_rotation_pool p WHERE p.ip_address = a.ip_address);

-- rule: not_through_its_proxy
-- Whoever came to a target came from the exit of an IP that the request had leased.
SELECT v.cid || ' at ' || v.path || ' from ' || v.peer
  FROM proof.visits v
 WHERE NOT EXISTS (SELECT FROM proof.attempts a WHERE a.cid = v.cid AND a.exit = v.peer);

-- rule: after_its_lease
-- No visit once the lease is over (and what was on its way then has arrived), but by a worker that stood still and does not know yet.
SELECT v.cid || ' at ' || v.path || ' from ' || v.peer || ' at ' || v.at || ', lease ended ' || a.ended_at
  FROM proof.visits v
  JOIN (SELECT t.cid, t.exit, max(t.ended_at) AS ended_at FROM proof.attempts t GROUP BY t.cid, t.exit) AS a ON a.cid = v.cid AND a.exit = v.peer
 CROSS JOIN proof.run
 WHERE v.at > a.ended_at + interval '5 s'
   AND NOT EXISTS (SELECT FROM proof.faults f
                    WHERE f.name = 'worker-child-stopped' AND f.began <= v.at AND f.ended >= a.ended_at - run.lease_s * interval '1 s');

-- rule: too_many_visits
-- The first hop is visited once an attempt, twice where mode auto may look with both modes. (A loop comes back to it.)
SELECT v.cid || ': ' || v.n || ' visits, ' || count(a.*) || ' attempts'
  FROM (SELECT cid, count(*) AS n
          FROM proof.visits
          JOIN proof.clicks c USING (cid)
         WHERE path = CASE c.offer WHEN 'browser' THEN '/js' ELSE '/' || c.offer END AND c.offer <> 'loop'
         GROUP BY cid) AS v
  JOIN proof.clicks c USING (cid)
  LEFT JOIN proof.attempts a USING (cid)
 GROUP BY v.cid, v.n, c.offer
HAVING v.n > count(a.*) * CASE WHEN c.offer IN ('js', 'browser') THEN 2 ELSE 1 END;

-- rule: never_seen
-- What is completed has been at the target, unless the proxy made the page up, or refused it (407) and had another mood when it was
-- asked, without a click id, whether it meant that.
SELECT r.cid
  FROM proof.requests r
 WHERE r.status = 'completed'
   AND NOT EXISTS (SELECT FROM proof.visits v WHERE v.cid = r.cid)
   AND NOT EXISTS (SELECT FROM proof.passages g WHERE g.cid = r.cid AND g.how LIKE 'lie%')
   AND NOT EXISTS (SELECT FROM proof.passages g
                     JOIN proof.passages asked ON asked."user" = g."user" AND asked.cid = '' AND asked.how <> 'refuse'
                                              AND asked.opened BETWEEN g.opened AND g.opened + interval '5 s'
                    WHERE g.cid = r.cid AND g.how = 'refuse');

-- rule: billed_twice
-- An impression is sent at most once, whoever died while it was.
SELECT b.cid || ' ' || b.event || ': ' || count(*)
  FROM proof.beacons b
 WHERE b.event LIKE '%impression'
 GROUP BY b.cid, b.event, b.host
HAVING count(*) > 1;

-- rule: beacon_unasked
-- Every beacon is an event of the outbox, and no more often than it has attempts. (One more each: a kept connection that died.)
SELECT b.cid || ' ' || b.event || ': ' || b.n || ' times, ' || coalesce(e.attempts, 0) || ' attempts'
  FROM (SELECT cid, event, count(*) AS n FROM proof.beacons GROUP BY cid, event) AS b
  LEFT JOIN (SELECT r.cid, substring(t.url from 'e=([A-Za-z-]+)') AS event, sum(t.attempts) AS attempts
               FROM public.tracking_events t
               JOIN proof.requests r USING (request_id)
              GROUP BY 1, 2) AS e ON e.cid = b.cid AND e.event = b.event
 WHERE b.n > coalesce(e.attempts, 0) * 2;

-- rule: tracked_unseen
-- What counts as tracked was answered well by the tracker.
SELECT r.cid || ' ' || t.event
  FROM public.tracking_events t
  JOIN proof.requests r USING (request_id)
 WHERE t.state = 'tracked'
   AND NOT EXISTS (SELECT FROM proof.beacons b
                    WHERE b.cid = r.cid AND b.event = substring(t.url from 'e=([A-Za-z-]+)') AND b.answer = '204');

-- rule: beacon_unfinished
-- Nothing in the outbox waits for ever.
SELECT r.cid || ' ' || t.event || ' is ' || t.state || ', due ' || t.due_at
  FROM public.tracking_events t
  JOIN proof.requests r USING (request_id)
 WHERE t.state IN ('pending', 'waiting', 'sending') AND t.due_at < 'infinity';

-- rule: beacon_to_a_stranger
-- No tracking request reaches a host without an entry.
SELECT b.cid || ' ' || b.event || ' at ' || b.host
  FROM proof.beacons b
 WHERE NOT EXISTS (SELECT FROM public.tracking_allowed_hosts h WHERE h.host = b.host);

-- rule: statistics_hole
-- A snapshot every so often, but while the monitor or its database could not.
SELECT 'from ' || s.before || ' to ' || s.recorded_at
  FROM (SELECT p.at AS recorded_at, lag(p.at) OVER (ORDER BY p.at) AS before
          FROM (SELECT recorded_at AS at FROM public.ip_pool_statistics
                 UNION ALL SELECT began FROM proof.run
                 UNION ALL SELECT ended FROM proof.run) AS p) AS s
 CROSS JOIN proof.run
 WHERE s.recorded_at - s.before > greatest(3 * run.interval_s, 8) * interval '1 s'
   AND NOT EXISTS (SELECT FROM proof.faults f
                    WHERE f.family IN ('monitor', 'database') AND f.began <= s.recorded_at AND f.ended + interval '8 s' >= s.before);

-- rule: statistics_sum
-- Each snapshot adds up.
SELECT s.id || ': ' || s.total_ips || ' IPs'
  FROM public.ip_pool_statistics s
 WHERE s.available_ips + s.locked_ips + s.cooldown_ips + s.failed_ips <> s.total_ips
    OR least(s.available_ips, s.locked_ips, s.cooldown_ips, s.failed_ips, s.active_requests, s.requests_queued) < 0
    OR s.requests_queued > s.active_requests OR s.pool_utilization_percent NOT BETWEEN 0 AND 100;

-- rule: private_address
SELECT what FROM proof.residue WHERE kind = 'trapped';

-- rule: secret
SELECT what FROM proof.residue WHERE kind = 'secret';

-- rule: orphan
SELECT what FROM proof.residue WHERE kind = 'orphan';

-- rule: descriptors
SELECT what FROM proof.residue WHERE kind = 'descriptors';

-- rule: memory
SELECT what FROM proof.residue WHERE kind = 'memory';

-- rule: crashed
-- What sanitizers and assertions said.
SELECT what FROM proof.residue WHERE kind = 'crashed';

-- rule: not_drained
-- All is done within two minutes after everything was healed.
SELECT what FROM proof.residue WHERE kind = 'not_drained';
