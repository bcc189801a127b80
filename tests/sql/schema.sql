-- The tables that the original's users know, the promises about indexes, and that everything explains itself.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();

-- A plan that is told to do without a kind of scan, and cannot, is priced beyond anything that PostgreSQL would not compile: for
-- a second, at each call.
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p
                   WHERE p.pronamespace = 'public'::regnamespace AND p.proconfig::text LIKE '%enable_%=off%'
                     AND NOT 'jit=off' = ANY (p.proconfig)$$, 'functions that steer the planner are not compiled');

-- Every column of the original, with its type.
SELECT col_type_is('public', 'active_trace_requests', c.name, c.type, format('requests.%s is %s', c.name, c.type))
  FROM (VALUES ('request_id', 'uuid'), ('offer_id', 'uuid'), ('tracking_url', 'text'), ('target_country', 'text'),
               ('inbound_params', 'jsonb'), ('status', 'trace_status'), ('ip_assigned', 'text'), ('final_url', 'text'),
               ('extracted_params', 'jsonb'), ('redirect_chain', 'jsonb'), ('error_message', 'text'),
               ('retry_count', 'integer'), ('started_at', 'timestamp with time zone'),
               ('completed_at', 'timestamp with time zone'), ('timeout_at', 'timestamp with time zone'),
               ('trace_time_ms', 'integer'), ('tracer_mode_used', 'text'), ('detection_reason', 'text'),
               ('ip_locked_at', 'timestamp with time zone'), ('wait_time_ms', 'integer'), ('total_time_ms', 'integer'),
               ('max_retries', 'integer'), ('created_at', 'timestamp with time zone')) AS c (name, type);
SELECT col_type_is('public', 'ip_rotation_pool', c.name, c.type, format('pool.%s is %s', c.name, c.type))
  FROM (VALUES ('id', 'uuid'), ('ip_address', 'text'), ('ip_port', 'text'), ('country', 'text'), ('provider', 'text'),
               ('status', 'ip_status'), ('locked_until', 'timestamp with time zone'), ('locked_by_request', 'uuid'),
               ('last_used_at', 'timestamp with time zone'), ('total_uses', 'bigint'), ('success_count', 'bigint'),
               ('failure_count', 'bigint'), ('avg_response_time_ms', 'integer'), ('is_healthy', 'boolean'),
               ('consecutive_failures', 'integer'), ('last_health_check', 'timestamp with time zone'),
               ('created_at', 'timestamp with time zone'), ('updated_at', 'timestamp with time zone'),
               ('notes', 'text')) AS c (name, type);
SELECT col_type_is('public', 'ip_pool_statistics', c.name, c.type, format('statistics.%s is %s', c.name, c.type))
  FROM (VALUES ('recorded_at', 'timestamp with time zone'), ('total_ips', 'integer'), ('available_ips', 'integer'),
               ('locked_ips', 'integer'), ('cooldown_ips', 'integer'), ('active_requests', 'integer'),
               ('avg_wait_time_ms', 'integer'), ('pool_utilization_percent', 'integer'), ('failed_ips', 'integer'),
               ('completed_requests_1h', 'integer'), ('failed_requests_1h', 'integer'),
               ('avg_trace_time_ms', 'integer'), ('country_breakdown', 'jsonb'),
               ('requests_queued', 'integer')) AS c (name, type);
SELECT col_type_is('public', 'offers', c.name, c.type, format('offers.%s is %s', c.name, c.type))
  FROM (VALUES ('id', 'uuid'), ('offer_name', 'text'), ('final_url', 'text'), ('tracking_urls', 'jsonb'),
               ('allowed_hosts', 'text[]'), ('target_country', 'text'), ('referrer', 'text'), ('is_active', 'boolean'),
               ('tracer_mode', 'text'), ('tracer_detection_result', 'jsonb'), ('block_resources', 'boolean'),
               ('extract_only', 'boolean'), ('expected_params', 'text[]')) AS c (name, type);

SELECT enum_has_labels('public', 'trace_status',
                       ARRAY['pending', 'processing', 'completed', 'failed', 'timeout', 'skipped'],
                       'the original''s statuses and skipped');
SELECT enum_has_labels('public', 'ip_status', ARRAY['available', 'locked', 'cooldown', 'failed'],
                       'the original''s states of an IP');
SELECT has_table('public', t.name, 'there is a table ' || t.name)
  FROM unnest(ARRAY['offers', 'proxy_providers', 'ip_rotation_pool', 'active_trace_requests', 'trace_attempts',
                    'trace_evidence', 'trace_batches', 'trace_archive', 'ip_pool_statistics', 'process_heartbeats',
                    'spool_quarantine', 'alerts', 'vast_providers', 'tracking_allowed_hosts', 'tracking_events',
                    'tracking_attempts', 'trace_policy', 'schema_migrations']) AS t (name);

-- Ending a trace must stay a HOT update: no index may depend on a column that finish_traces() writes.
SELECT is_empty($$
  SELECT c.relname, a.attname
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_attribute a ON a.attrelid = i.indrelid
   WHERE i.indrelid = 'active_trace_requests'::regclass
     AND a.attname IN ('status', 'completed_at', 'timeout_at', 'ip_assigned', 'claimed_by', 'attempt', 'retry_count',
                       'outcome', 'error_code', 'revision', 'trace_time_ms')
     AND pg_get_indexdef(i.indexrelid) ~ ('\m' || a.attname || '\M')
$$, 'no index of the requests names what changes when a trace ends');
SELECT is((SELECT substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=(\d+)')::integer < 60
             FROM pg_class c WHERE c.oid = 'active_trace_requests'::regclass), true,
          'pages of the requests keep room for the result');
SELECT is((SELECT array_agg(c.relname ORDER BY c.relname)
             FROM pg_index i
             JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = 'active_trace_requests'::regclass
              AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) !~ 'next_attempt_at')
              AND substring(array_to_string(c.reloptions, ',') FROM 'fillfactor=(\d+)')::integer < 50),
          '{active_trace_requests_pkey,active_trace_requests_started}'::name[],
          'pages of the indexes that a claim adds to keep room for that');
SELECT is((SELECT count(*) FROM pg_index WHERE indrelid = 'ip_rotation_pool'::regclass), 3::bigint,
          'a use of an IP writes to two indexes (the third is of unhealthy ones)');
SELECT is((SELECT count(*) FROM pg_constraint WHERE contype = 'f'), 0::bigint,
          'no enforced reference: deleting an IP or an offer never fails');

-- Everything explains itself.
SELECT is_empty($$
  SELECT c.relname
    FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
     AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every table and view has a comment');
SELECT is_empty($$
  SELECT p.proname
    FROM pg_proc p
   WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
     AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every function that programs call has a comment');

-- Functions: nobody can slip objects under them, and none is open to everybody.
SELECT is_empty($$
  SELECT p.proname
    FROM pg_proc p
   WHERE p.pronamespace = 'public'::regnamespace
     AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%')
     AND p.prosqlbody IS NULL   -- bound when it was made
$$, 'search_path is pinned on every function');
SELECT is_empty($$
  SELECT p.proname
    FROM pg_proc p
   WHERE p.pronamespace = 'public'::regnamespace
     AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0))
$$, 'no function may be called by everybody');

-- The rules are one row.
SELECT results_eq('SELECT cooldown_s, unhealthy_after, max_retries, queue_ttl_s, retention_days FROM trace_policy',
                  'VALUES (60, 5, 2, 86400, 7)', 'the rules begin as documented');
SELECT throws_ok('INSERT INTO trace_policy DEFAULT VALUES', '23505', NULL, 'there is one row of rules');
SELECT throws_ok('UPDATE trace_policy SET cooldown_s = -1', '23514', NULL, 'a rule out of range is refused');

SELECT add_request() AS r \gset
SELECT throws_ok(format('UPDATE active_trace_requests SET next_attempt_at = NULL, revision = revision + 1 WHERE request_id = %L', :'r'),
                 '23514', NULL, 'a pending request is claimable at some time');
SELECT throws_ok(format('UPDATE active_trace_requests SET status = ''failed'', revision = revision + 1 WHERE request_id = %L', :'r'),
                 '23514', NULL, 'and no other is');

SELECT * FROM finish();
ROLLBACK;
