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
