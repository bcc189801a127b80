-- Everything the worker ever says to the database. The rules are in migrations/functions/.

-- name: claim
-- Up to $1 due requests, each with a free proxy of its country, leased to us for $3 milliseconds.
-- $1 int free slots, $2 text incarnation, $3 int lease in ms, $4 text[] countries (NULL: all, cursors
-- ignored), $5 and $6 timestamptz[] where to go on in each country's queue and pool, $7 uuid batch or NULL
SELECT request_id, attempt, retry_count, max_retries, offer_name, tracking_url, target_country, options,
       wait_ms, ip_address, proxy_scheme, proxy_host, proxy_port, proxy_user, proxy_secret,
       request_cursor, ip_cursor
  FROM claim_traces($1::int, $2::text, $3::int, $4::text[], $5::timestamptz[], $6::timestamptz[], $7::uuid);

-- name: finish
-- Results and proxies of ended traces; what is no longer ours changes nothing.
-- $1 text incarnation, $2 jsonb array of results
SELECT request_id, accepted, new_status
  FROM finish_traces($1::text, $2::jsonb);

-- name: give_back
-- Requests that were not traced: pending again at once, their proxies rest.
-- $1 text incarnation, $2 jsonb array of request, attempt and ip
SELECT return_traces($1::text, $2::jsonb) AS returned;

-- name: release_dead
-- The leases of a worker that is known to be dead, and whether PostgreSQL still works for it: a claim that
-- was on its way is committed all the same. $1 text its incarnation
SELECT EXISTS (SELECT
                 FROM pg_stat_activity
                WHERE application_name = left('tracepool-worker ' || $1::text, 63)) AS has_backend,
       release_dead_worker($1::text) AS released;

-- name: rescue_silent
-- The leases of workers not heard of for $1 int milliseconds, under the conditions that make it safe.
SELECT rescue_silent_workers($1::int) AS rescued;

-- name: heartbeat
-- Here we are. $1 jsonb: incarnation, program, host, pid, version, started_ms_ago, counters
SELECT process_heartbeat($1::jsonb);

-- name: open_batches
-- Batches that still want traces, oldest first.
SELECT batch_id, batch_size, max_concurrent, claimed, in_flight
  FROM open_batches();

-- name: settle_batches
-- Marks batches whose traces have ended, and tells who waits for them.
SELECT settle_batches() AS settled;

-- name: request_batch
-- run-batch asks the farm. $1 int batch size, $2 int at once
SELECT request_trace_batch($1::int, $2::int) AS batch_id;

-- name: batch_result
-- How the batch stands, and whether a worker took any of it. $1 uuid batch
SELECT r.state, r.processed, r.succeeded, r.failed, r.errors, coalesce(o.claimed, 0) AS claimed
  FROM batch_result($1::uuid) AS r
  LEFT JOIN open_batches() AS o ON o.batch_id = $1::uuid;

-- name: close_batch
-- Nobody answered: the batch wants nothing any more. $1 uuid batch, $2 text reason
SELECT close_batch($1::uuid, $2::text);

-- name: unknown_providers
-- Providers of the pool that nobody configured: their IPs are never claimed.
SELECT provider, ips
  FROM unknown_providers();

-- name: leases
-- What PostgreSQL believes we hold: after a claim whose answer got lost. $1 text our incarnation
SELECT request_id, attempt, ip_address
  FROM worker_leases($1::text);
