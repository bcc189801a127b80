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
-- Pool, queue and performance as the seed's JSON, without warnings and recommendation.
SELECT pool_monitor()::text AS status;

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
-- put into words by check.c. $1 int milliseconds after which a worker counts as silent
SELECT 'provider' AS kind, provider AS subject, ips AS number
  FROM unknown_providers()
 UNION ALL
SELECT 'quarantine', coalesce(min(error), ''), count(*)
  FROM spool_quarantine
HAVING count(*) > 0
 UNION ALL
SELECT 'http_offer', o.offer_name, 1
  FROM offers AS o
 WHERE o.is_active
   AND EXISTS (SELECT FROM jsonb_array_elements(o.tracking_urls) AS t
                WHERE t->>'url' ILIKE 'http://%')
 UNION ALL
SELECT 'no_worker', '', count(*)
  FROM active_trace_requests
 WHERE next_attempt_at <= clock_timestamp()
   AND NOT EXISTS (SELECT FROM process_heartbeats
                    WHERE program = 'worker'
                      AND seen_at > clock_timestamp() - $1::int * interval '1 ms')
HAVING count(*) > 0;

-- name: dashboard_overview
-- The dashboard's first page. $1 jsonb: silence_ms, after which a process counts as gone
SELECT dashboard_overview(($1::jsonb->>'silence_ms')::int)::text AS answer;

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
