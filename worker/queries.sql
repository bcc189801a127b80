-- Everything the worker ever says to the database. The rules are in migrations/functions/.

-- name: claim
-- Up to $1 due requests, each with a free proxy of its country, leased to us for $3 milliseconds.
-- $1 int free slots, $2 text incarnation, $3 int lease in ms, $4 text[] countries (NULL: all, cursors
-- ignored), $5 and $6 timestamptz[] where to go on in each country's queue and pool, $7 uuid batch or NULL,
-- $8 uuid[] offers to go around, or NULL
SELECT request_id, attempt, retry_count, max_retries, offer_id, offer_name, tracking_url, target_country, options,
       wait_ms, ip_address, proxy_scheme, proxy_host, proxy_port, proxy_user, proxy_secret,
       request_cursor, ip_cursor
  FROM claim_traces($1::int, $2::text, $3::int, $4::text[], $5::timestamptz[], $6::timestamptz[], $7::uuid, $8::uuid[]);

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
       release_dead_worker($1::text) AS released,
       release_dead_tracking($1::text) AS tracking;

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

-- name: scarce_countries
-- Where something is due and no IP is free, for the log. $1 text[] countries we work for (NULL: all)
SELECT array_to_string(scarce_countries($1::text[]), ',') AS countries;

-- name: unknown_providers
-- Providers of the pool that nobody configured: their IPs are never claimed.
SELECT provider, ips
  FROM unknown_providers();

-- name: leases
-- What PostgreSQL believes we hold: after a claim whose answer got lost. $1 text our incarnation
SELECT request_id, attempt, ip_address
  FROM worker_leases($1::text);

-- name: finish_with_ads
-- finish, where traces ended in ads. $1 and $2 as there, $3 jsonb array of what was found, $4 text tracking.mode
SELECT request_id, accepted, new_status
  FROM finish_traces_with_ads($1::text, $2::jsonb, $3::jsonb, $4::text);

-- name: tracking_gate
-- Kill switch, allowed hosts, when the next tracking request is due.
SELECT is_stopped, hosts, due_ms
  FROM tracking_gate();

-- name: tracking_claim
-- Up to $1 due tracking requests, leased to us. $1 int how many, $2 text incarnation, $3 int lease in ms
SELECT id, request_id, event, creative_id, is_billing, attempts, url_template, url, macros, params, is_logged,
       macro_mode, macro_formats
  FROM claim_tracking_events($1::int, $2::text, $3::int);

-- name: tracking_begin
-- Right before they are sent. $1 text incarnation, $2 jsonb array of id, attempts, url, host, refusal
SELECT id, verdict, attempts
  FROM begin_tracking_events($1::text, $2::jsonb);

-- name: tracking_finish
-- What became of them. $1 text incarnation, $2 jsonb array of results
SELECT id, state
  FROM finish_tracking_events($1::text, $2::jsonb);

-- name: tracking_recover
-- Lost leases, expired events.
SELECT recover_tracking_events() AS changed;
