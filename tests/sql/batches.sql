-- Batches asked of the farm: their size, their concurrency, their end.
BEGIN;
\ir lib/fixtures.sql
SELECT no_plan();
UPDATE trace_policy SET cooldown_s = 0;
SELECT add_ips('us', 6);
SELECT add_request() FROM generate_series(1, 10);

SELECT request_trace_batch(batch_size => 4, max_concurrent => 2) AS b \gset
SELECT results_eq('SELECT batch_size, max_concurrent, claimed, in_flight FROM open_batches()', 'VALUES (4, 2, 0, 0)', 'asked for');
SELECT is((SELECT state FROM batch_result(:'b')), 'open', 'open');
SELECT is(settle_batches(), 0, 'with work to do it is not done');
SELECT is(claimed(10, 'w1', :'b'), 2::bigint, 'it claims no more than run at once');
SELECT is(claimed(10, 'w2', :'b'), 0::bigint, 'over all workers');
SELECT is((SELECT (claimed, in_flight)::text FROM open_batches()), '(2,2)', 'two in flight');
SELECT finish(request_id, 'ok') FROM active_trace_requests WHERE claimed_by = 'w1' AND status = 'processing' LIMIT 1;
SELECT is(claimed(10, 'w2', :'b'), 1::bigint, 'one ended, one more');
SELECT finish(request_id, 'error', 'target', 10, '{"detail": "refused"}') FROM active_trace_requests WHERE status = 'processing' AND claimed_by = 'w1';
SELECT is(claimed(10, 'w1', :'b'), 1::bigint, 'up to its size');
SELECT finish(request_id, 'error+retry', 'target') FROM active_trace_requests WHERE status = 'processing' AND claimed_by = 'w2';
SELECT is((SELECT count(*) FROM open_batches()), 0::bigint, 'then it claims no more');
SELECT is(claimed(10, 'w1', :'b'), 0::bigint, 'whoever asks');
SELECT is((SELECT state FROM batch_result(:'b')), 'running', 'it runs');
SELECT is(settle_batches(), 0, 'and is not done while one is in flight');
SELECT finish(request_id, 'ok') FROM active_trace_requests WHERE status = 'processing';
SELECT is((SELECT state FROM trace_batches WHERE batch_id = :'b'), 'done', 'the last result ends it');
SELECT is((SELECT (state, processed, succeeded, failed)::text FROM batch_result(:'b')), '(done,4,2,2)',
          'a retry to come counts as failed here');
SELECT is((SELECT errors->>0 FROM batch_result(:'b')),
          (SELECT request_id || ': target_refused: refused' FROM active_trace_requests WHERE status = 'failed'),
          'errors name request and reason');
SELECT is((SELECT jsonb_array_length(errors) FROM batch_result(:'b')), 2, 'each of them');
SELECT is((SELECT count(*) FROM active_trace_requests WHERE batch_id = :'b'), 4::bigint, 'requests know their batch');

-- Nothing left to claim ends a batch early; requests without a free IP are not claimable.
SELECT request_trace_batch(100, 100) AS b \gset
SELECT is(claimed(100, 'w1', :'b'), 6::bigint, 'all that is there');
SELECT is(claimed(100, 'w1', :'b'), 0::bigint, '(nothing more)');
SELECT is(settle_batches(), 0, 'not done while they run');
UPDATE trace_policy SET cooldown_s = 60;
SELECT finish(request_id, 'ok') FROM active_trace_requests WHERE status = 'processing';
SELECT add_request();
SELECT is((SELECT (state, processed, succeeded)::text FROM batch_result(:'b')), '(done,6,6)',
          'done when they ended, though a request waits for an IP');
SELECT request_trace_batch() AS b \gset
SELECT is((SELECT (batch_size, max_concurrent)::text FROM trace_batches WHERE batch_id = :'b'), '(10,5)', 'the original''s defaults');
SELECT is(settle_batches(), 1, 'with nothing claimable a batch is done at once');
SELECT is((SELECT (state, processed, errors)::text FROM batch_result(:'b')), '(done,0,[])', 'and empty');

-- Leases that end without a result; a draining worker's do not count.
SELECT end_cooldowns(), end_backoffs();
DELETE FROM active_trace_requests;
SELECT add_request() FROM generate_series(1, 3);
SELECT request_trace_batch(3, 3) AS b \gset
SELECT claimed(2, 'w1', :'b'), claimed(1, 'w2', :'b');
SELECT return_traces('w2', (SELECT jsonb_agg(jsonb_build_object('request_id', request_id, 'attempt', attempt, 'ip', ip_assigned))
                              FROM active_trace_requests WHERE claimed_by = 'w2'));
SELECT is((SELECT (claimed, in_flight)::text FROM open_batches()), '(2,2)', 'what a draining worker returned may be claimed again');
SELECT end_cooldowns();
SELECT is(claimed(1, 'w3', :'b'), 1::bigint, 'by another one');
SELECT release_dead_worker('w1');
SELECT is((SELECT (processed, failed)::text FROM batch_result(:'b')), '(2,2)', 'a dead worker''s traces have failed');
SELECT finish(request_id, 'ok') FROM active_trace_requests WHERE claimed_by = 'w3';
SELECT is((SELECT (state, processed, succeeded, failed)::text FROM batch_result(:'b')), '(done,3,1,2)', 'and it is done');

-- Given up, refused, unknown.
DELETE FROM active_trace_requests;
SELECT end_cooldowns(), add_request();
SELECT request_trace_batch(1, 1) AS b \gset
SELECT is(close_batch(:'b', 'no live worker'), true, 'a batch can be given up');
SELECT is(close_batch(:'b', 'again'), false, 'once');
SELECT is((SELECT (b.state, t.reason)::text FROM batch_result(:'b') AS b, trace_batches t WHERE t.batch_id = :'b'),
          '(abandoned,"no live worker")', 'with its reason');
SELECT is(claimed(1, 'w1', :'b'), 0::bigint, 'and claims no more');
SELECT is((SELECT count(*) FROM batch_result(uuid_v7())), 0::bigint, 'an unknown batch has no result');
SELECT is(claimed(1, 'w1', uuid_v7()), 0::bigint, 'and claims nothing');
SELECT throws_ok('SELECT request_trace_batch(0, 5)', '23514', NULL, 'a batch of nothing is refused');
SELECT throws_ok('SELECT request_trace_batch(5, 0)', '23514', NULL, 'and one that may run nothing');

SELECT * FROM finish();
ROLLBACK;
