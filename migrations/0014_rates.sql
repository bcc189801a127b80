-- What the charts of clicks and traces draw.
SET LOCAL lock_timeout = '10s';

ALTER TABLE ip_pool_statistics ADD COLUMN last_minute jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ip_pool_statistics.last_minute IS
  'Counts of the minute before: {"clicks", "skipped"} that came, traces that ended: {"http_only", "browser"} completed, "failed" not.';
