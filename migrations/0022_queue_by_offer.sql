-- Statistics are of the last ANALYZE. To a planner that learnt of an empty queue, or of nothing at all, every condition on the
-- queue finds one row, so of two indexes that would do it may take the one in the wrong order: then each claim of a backlog
-- reads and sorts all of it. So each of these indexes can be used by its own queries alone. Those that go by age ask for
-- next_attempt_at, which active_trace_requests_due has; those by offer and by priority for coalesce(next_attempt_at, 'infinity'),
-- from which PostgreSQL does not conclude that next_attempt_at is known.
SET LOCAL lock_timeout = '10s';

DROP INDEX active_trace_requests_offer, active_trace_requests_first;
CREATE INDEX active_trace_requests_offer
    ON active_trace_requests (target_country, coalesce(offer_id, '00000000-0000-0000-0000-000000000000'), coalesce(next_attempt_at, 'infinity'))
 WHERE coalesce(next_attempt_at, 'infinity') < 'infinity' AND priority = 0;
CREATE INDEX active_trace_requests_first
    ON active_trace_requests (target_country, priority DESC, coalesce(next_attempt_at, 'infinity'))
 WHERE coalesce(next_attempt_at, 'infinity') < 'infinity' AND priority > 0;
