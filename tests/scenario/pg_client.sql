-- What pg_client can be told to send (test_pg_conn.py).

-- name: echo
-- $1 any text, or NULL
SELECT $1::text AS said;

-- name: backend
-- $1 a setting to look up
SELECT pg_backend_pid()::text || ' ' || current_setting($1) AS said;

-- name: sleep
-- $1 seconds
SELECT 'slept'::text AS said FROM (SELECT pg_sleep($1::float8)) AS nap;

-- name: divide
-- $1 divisor: 0 is the server's error
SELECT (1 / $1::int)::text AS said;

-- name: wide
-- $1 how many bytes to send back, more than a socket buffer holds
SELECT length(repeat('x', $1::int))::text || ' ' || repeat('x', $1::int) AS said;

-- name: keep
-- $1 what to keep, in a setting that is gone with a transaction that fails
SELECT set_config('pg_client.kept', $1::text, false) AS said;

-- name: transaction
-- $1 anything
SELECT pg_current_xact_id()::text AS said WHERE $1::text IS NOT NULL;
