-- Fairness between offers, and the pool in people's hands.
SET LOCAL lock_timeout = '10s';

ALTER TABLE trace_policy
  ADD COLUMN fair_after_s integer NOT NULL DEFAULT 5 CHECK (fair_after_s BETWEEN 0 AND 86400);
COMMENT ON COLUMN trace_policy.fair_after_s IS
  'When the oldest request of a country has waited for longer, half of what is claimed there goes around its offers.';

-- Only a first look for claims, so nothing rests on its being exact: rows appear with an offer's first request and
-- stay while it is used (prune_history). No unique key, or one open transaction would make all other clicks of a new
-- offer wait: two that list it at once list it twice, which does no harm.
CREATE TABLE queue_offers (
  country   text        NOT NULL,
  offer_id  uuid        NOT NULL,
  listed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX queue_offers_country ON queue_offers (country, offer_id);
COMMENT ON TABLE queue_offers IS 'Offers that may have requests waiting in a country: claims go around them when its queue is late.';
COMMENT ON COLUMN queue_offers.offer_id IS 'All zeros for requests without an offer.';
GRANT SELECT ON queue_offers TO tracepool_readonly, tracepool_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON queue_offers TO tracepool_admin;

INSERT INTO queue_offers (country, offer_id)
SELECT DISTINCT target_country, coalesce(offer_id, '00000000-0000-0000-0000-000000000000')
  FROM active_trace_requests
 WHERE next_attempt_at IS NOT NULL;

-- Grows with each click, and with nothing that happens to it later.
CREATE INDEX active_trace_requests_offer
    ON active_trace_requests (target_country, coalesce(offer_id, '00000000-0000-0000-0000-000000000000'), next_attempt_at)
 WHERE next_attempt_at IS NOT NULL AND priority = 0;

-- A lease changes no indexed column, so that taking one is a HOT update: it writes to no index, and a claim does not
-- read the row versions that a forgotten transaction keeps in those.
ALTER TABLE ip_rotation_pool ADD COLUMN free_at timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN ip_rotation_pool.free_at IS
  'locked_until as it was when the IP was last not locked: its place in the queue of free IPs. Kept by a trigger.';
UPDATE ip_rotation_pool SET free_at = locked_until, revision = revision + 1 WHERE status <> 'locked';
DROP INDEX ip_rotation_pool_free, ip_rotation_pool_probe;
-- Least recently used first, cooldown included, in one range scan; nobody needs to turn cooldown into available.
CREATE INDEX ip_rotation_pool_free ON ip_rotation_pool (country, free_at) WHERE is_healthy;
CREATE INDEX ip_rotation_pool_probe ON ip_rotation_pool (country, next_probe_at) WHERE NOT is_healthy;
-- A leased version is longer than a free one, and should still fit beside it.
ALTER TABLE ip_rotation_pool SET (fillfactor = 40);

ALTER TABLE ip_rotation_pool ADD COLUMN retired_at timestamptz;
COMMENT ON COLUMN ip_rotation_pool.retired_at IS 'Taken out for good while it was leased (retire_ips); prune_history deletes it.';

-- A way in and out for people: \copy writes and reads it as CSV. What a row of it means is in functions/pool_csv.sql.
CREATE VIEW pool_csv AS
SELECT ip_address, ip_port, country, provider, notes
  FROM ip_rotation_pool
 WHERE retired_at IS NULL;
COMMENT ON VIEW pool_csv IS
  'The pool as a list: \copy (SELECT * FROM pool_csv) TO ''pool.csv'' CSV HEADER, and \copy pool_csv FROM ''pool.csv'' CSV HEADER adds '
  'what is new and corrects port, country, provider and notes of what is there.';
GRANT SELECT ON pool_csv TO tracepool_readonly, tracepool_monitor;
GRANT SELECT, INSERT ON pool_csv TO tracepool_admin;

-- How many IPs there should be: the most traces at once in a week's snapshots, times 2.5 because IPs rest, and a fifth
-- more for those that fail.
CREATE VIEW pool_advice AS
WITH seen AS (
  SELECT place.key AS country, max((place.value->>'locked')::integer) AS peak
    FROM ip_pool_statistics s
   CROSS JOIN LATERAL jsonb_each(s.country_breakdown) AS place
   WHERE s.recorded_at > now() - interval '7 days'
   GROUP BY place.key
), busiest AS (
  SELECT max(s.locked_ips) AS peak FROM ip_pool_statistics s WHERE s.recorded_at > now() - interval '7 days'
), clicks AS (
  SELECT t.target_country AS country, count(*) AS n, sum(count(*)) OVER () AS total
    FROM active_trace_requests t
   WHERE t.started_at > now() - interval '1 day' AND t.status <> 'skipped'
   GROUP BY t.target_country
), pool AS (
  SELECT p.country, count(*) FILTER (WHERE p.is_healthy AND p.retired_at IS NULL) AS healthy
    FROM ip_rotation_pool p
   GROUP BY p.country
)
SELECT country, coalesce(seen.peak, 0) AS peak_concurrency,
       coalesce(round(100.0 * clicks.n / clicks.total, 1), 0) AS click_percent,
       ceil(coalesce(seen.peak, 0) * 2.5 * 1.2)::integer AS needed_by_peak,
       ceil(coalesce(busiest.peak * 2.5 * 1.2 * clicks.n / clicks.total, 0))::integer AS needed_by_clicks,
       coalesce(pool.healthy, 0)::integer AS healthy_ips,
       greatest(0, ceil(greatest(coalesce(seen.peak, 0) * 2.5 * 1.2,
                                 coalesce(busiest.peak * 2.5 * 1.2 * clicks.n / clicks.total, 0),
                                 coalesce(sign(clicks.n), 0))) - coalesce(pool.healthy, 0))::integer AS missing_ips
  FROM seen
  FULL JOIN clicks USING (country)
  FULL JOIN pool USING (country)
 CROSS JOIN busiest;
COMMENT ON VIEW pool_advice IS
  'IPs that each country should have: a week''s peak of traces at once x 2.5, and 20 % more; by the country''s own peak, and by its '
  'share of a day''s clicks in the whole farm''s peak. missing_ips is what the larger of both lacks.';
GRANT SELECT ON pool_advice TO tracepool_readonly, tracepool_monitor, tracepool_admin;
