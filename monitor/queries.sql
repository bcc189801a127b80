-- Everything the monitor ever says to the database. The rules are in migrations/functions/.

-- name: release_expired
-- Leases and cooldowns that have run out, so that counts of raw statuses are right.
SELECT release_expired_ip_locks() AS released;

-- name: cleanup_timed_out
-- Requests whose time is over: pending again, or ended as timeout.
SELECT cleanup_timed_out_requests() AS cleaned;

-- name: rescue_silent
-- The leases of workers not heard of for $1 int milliseconds, under the conditions that make it safe.
SELECT rescue_silent_workers($1::int) AS rescued;

-- name: settle_batches
-- Marks batches whose traces have ended, and tells who waits for them.
SELECT settle_batches() AS settled;

-- name: record_statistics
-- One row of ip_pool_statistics.
SELECT record_pool_statistics();

-- name: watch_chains
-- Compares the chains of the traces that ended since the last look with what their offers' chains look like.
SELECT watch_chains() AS looked_at;

-- name: learn
-- What ended traces say about the modes of their offers; those that learnt or forgot something by it.
SELECT offer_name, learnt, forgot, until::text AS until
  FROM learn_from_traces();

-- name: archive_traces
-- Moves a slice of what is past its retention into the archive.
SELECT archive_traces() AS archived;

-- name: prune_evidence
-- Drops a slice of the evidence whose time is over.
SELECT prune_evidence() AS pruned;

-- name: prune_history
-- Drops history that trace_policy does not want kept.
SELECT prune_history() AS pruned;

-- name: heartbeat
-- Here we are. $1 jsonb: incarnation, program, host, pid, version, started_ms_ago, counters
SELECT process_heartbeat($1::jsonb);

-- name: pool_monitor
-- Pool, queue and performance as the original's JSON, without warnings and recommendation; and what the alert rules see in it.
-- $1 jsonb rules, $2 int milliseconds after which a process counts as silent
SELECT now.status::text AS status, alert_look(now.status, $1::jsonb, $2::int, oldest_transaction_s())::text AS look
  FROM pool_monitor() AS now (status);

-- name: judge_alerts
-- Moves alerts on. $1 jsonb rules, $2 jsonb levels of a look, $3 int seconds that an alert is kept, $4 int receivers
SELECT alert_id, rule, subject, state, severity, message
  FROM judge_alerts($1::jsonb, $2::jsonb, $3::int, $4::int);

-- name: claim_alert_notices
-- What is to be posted now. $1 text monitor, $2 int how many at most, $3 int milliseconds of the lease, $4 int receivers
SELECT notice_id, target, notice::text AS notice
  FROM claim_alert_notices($1, $2::int, $3::int, $4::int);

-- name: finish_alert_notice
-- How a post ended. $1 bigint notice, $2 text monitor, $3 text error or NULL, $4 int seconds of the first pause,
-- $5 int seconds that the receiver asked for, or NULL
SELECT finish_alert_notice($1::bigint, $2, $3, $4::int, $5::int) AS finished;

-- name: alerts
-- Alerts and silences that hold, for a person.
SELECT jsonb_build_object('alerts', dashboard_alerts(), 'silences', (
         SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.until), '[]')
           FROM alert_silences AS s
          WHERE s.until > clock_timestamp()))::text AS answer;

-- name: silence_alert
-- $1 jsonb: rule, subject, until (a time) or minutes, who, note
SELECT jsonb_build_object('silence', silence_alert(
         $1::jsonb->>'rule',
         coalesce(($1::jsonb->>'until')::timestamptz, clock_timestamp() + ($1::jsonb->>'minutes')::int * interval '1 minute'),
         $1::jsonb->>'who', $1::jsonb->>'note', $1::jsonb->>'subject'))::text AS answer;

-- name: end_silence
-- No row when there is none of that number. $1 jsonb: silence
SELECT '{"ended": true}' AS answer
 WHERE end_silence(($1::jsonb->>'silence')::bigint);

-- name: acknowledge_alert
-- No row when no such alert fires. $1 jsonb: alert, who, note
SELECT '{"acknowledged": true}' AS answer
 WHERE acknowledge_alert(($1::jsonb->>'alert')::bigint, $1::jsonb->>'who', $1::jsonb->>'note');

-- name: thin_statistics
-- Old snapshots, a slice at a time.
SELECT thin_statistics() AS thinned;

-- name: note_certificates
-- What the newest traces showed of certificates.
SELECT note_certificates() AS noted;

-- name: worker_counters
-- What the farm of each host counted, as its last heartbeat within $1 int milliseconds said it. Children
-- share their counters; the one that speaks for all of them sends them, the others send none.
SELECT host, counters::text AS counters
  FROM (SELECT DISTINCT ON (host) host, counters
          FROM process_heartbeats
         WHERE program = 'worker'
           AND counters <> '{}'
           AND seen_at > clock_timestamp() - $1::int * interval '1 ms'
         ORDER BY host, seen_at DESC) AS latest;

-- name: request_batch
-- Asks the farm for a batch. $1 int batch size, $2 int at once
SELECT request_trace_batch($1::int, $2::int)::text AS batch_id;

-- name: batch_state
-- How a batch stands, what a worker took of it, and how many workers were heard of lately.
-- $1 uuid batch, $2 int milliseconds after which a worker counts as silent
SELECT r.state, r.processed, r.succeeded, r.failed, r.errors::text AS errors,
       coalesce(o.claimed, r.processed) AS claimed, coalesce(o.in_flight, 0) AS in_flight,
       (SELECT count(*)
          FROM process_heartbeats
         WHERE program = 'worker'
           AND seen_at > clock_timestamp() - $2::int * interval '1 ms') AS workers
  FROM batch_result($1::uuid) AS r
  LEFT JOIN open_batches() AS o ON o.batch_id = $1::uuid;

-- name: close_batch
-- The batch wants nothing any more. $1 uuid batch, $2 text reason
SELECT close_batch($1::uuid, $2::text);

-- name: request_trace
-- Asks for one trace. $1 jsonb: see the function
SELECT request_id::text AS request_id, is_new FROM request_trace($1::jsonb);

-- name: trace_results
-- How requests stand whose callers wait. $1 uuid[]
SELECT request_id::text AS request_id, status, attempt, has_ip, answer::text AS answer FROM trace_results($1::uuid[]);

-- name: push_traces
-- Batches for requests whose callers wait, where the farm wants to be asked. $1 uuid[]
SELECT push_traces($1::uuid[]) AS asked;

-- name: abandon_trace
-- Ends a request that nobody took. $1 uuid, $2 text reason
SELECT abandon_trace($1::uuid, $2::text) AS is_ended;

-- name: findings
-- What a person has to put right and no threshold tells: one row a thing. Class, name and number are
-- put into words by check.c.
SELECT 'provider' AS kind, provider AS subject, ips AS number
  FROM unknown_providers()
 UNION ALL
SELECT 'quarantine', coalesce(min(error), ''), count(*)
  FROM spool_quarantine
HAVING count(*) > 0
 UNION ALL
SELECT 'http_offer', o.offer_name, 1
  FROM active_offers() AS o   -- as the edge reads them: an ad offer's URL may be its provider's
 WHERE o.is_active
   AND CASE o.tracking_urls
         WHEN '[]' THEN o.final_url ILIKE 'http://%'
         ELSE EXISTS (SELECT FROM jsonb_array_elements(o.tracking_urls) AS t
                       WHERE coalesce(t->>'url', t#>>'{}') ILIKE 'http://%') END;

-- name: dashboard_overview
-- The dashboard's first page. $1 jsonb: silence_ms, after which a process counts as gone, and rules
SELECT (page.answer || jsonb_build_object('look', alert_look(page.answer->'status', $1::jsonb->'rules',
                                                             ($1::jsonb->>'silence_ms')::int, oldest_transaction_s())))::text AS answer
  FROM dashboard_overview(($1::jsonb->>'silence_ms')::int) AS page (answer);

-- name: dashboard_history
-- Statistics for charts. $1 jsonb: span, seconds
SELECT dashboard_history(($1::jsonb->>'span')::int)::text AS answer;

-- name: dashboard_traces
-- A page of traces. $1 jsonb: see the function
SELECT dashboard_traces($1::jsonb)::text AS answer;

-- name: dashboard_trace
-- One trace, or NULL. $1 jsonb: id
SELECT dashboard_trace(($1::jsonb->>'id')::uuid)::text AS answer;

-- name: dashboard_offers
-- Offers in short. $1 jsonb: search
SELECT dashboard_offers($1::jsonb->>'search')::text AS answer;

-- name: dashboard_offer
-- One offer, or NULL. $1 jsonb: name
SELECT dashboard_offer($1::jsonb->>'name')::text AS answer;

-- name: dashboard_pool
-- A page of IPs. $1 jsonb: see the function
SELECT dashboard_pool($1::jsonb)::text AS answer;

-- name: dashboard_evidence
-- One piece of evidence, its bytes as hexadecimal digits. $1 jsonb: id, attempt, kind
SELECT content_type, encode(body, 'hex') AS hex
  FROM trace_evidence
 WHERE request_id = ($1::jsonb->>'id')::uuid
   AND attempt = ($1::jsonb->>'attempt')::int
   AND kind = $1::jsonb->>'kind';

-- name: dashboard_version
-- Is there anything new to show?
SELECT dashboard_version() AS version;
