-- What waits and what runs, by country. What runs is counted by its leases: the pool is small, the queue is not.
CREATE OR REPLACE FUNCTION work_by_country() RETURNS TABLE (country text, pending bigint, processing bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
  SELECT work.country, sum(work.pending)::bigint, sum(work.processing)::bigint
    FROM (SELECT q.country, q.pending, 0::bigint AS processing
            FROM queue_depths() AS q
          UNION ALL
          SELECT t.target_country, 0::bigint, count(*)
            FROM ip_rotation_pool p
            JOIN active_trace_requests t ON t.request_id = p.locked_by_request
           WHERE p.status = 'locked' AND t.status = 'processing'
           GROUP BY t.target_country) AS work
   GROUP BY work.country
$$;
REVOKE ALL ON FUNCTION work_by_country() FROM PUBLIC;
