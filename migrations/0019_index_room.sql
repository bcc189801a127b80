-- Room in index pages, and one index less: a third of what a trace costs PostgreSQL was writing to indexes.
--
-- A claim moves a request to a new version, which these two indexes list beside the first one. Where a page has no room for
-- that, the claim searches it for dead entries and then splits it, page after page through a backlog: a sixth of all
-- processor time. Filled to less than a half, it has. Claimed requests take no more space than before, waiting ones twice
-- as much. Holds for pages written from now on, which is where new requests go.
--
-- Nobody looks an IP up by its id, and each use of an IP wrote to that index. An IP's key is its address; rows are locked in
-- the order of addresses now, in all functions.
SET LOCAL lock_timeout = '10s';

ALTER INDEX active_trace_requests_pkey SET (fillfactor = 45);
ALTER INDEX active_trace_requests_started SET (fillfactor = 45);

ALTER TABLE ip_rotation_pool
  DROP CONSTRAINT ip_rotation_pool_pkey,
  DROP CONSTRAINT ip_rotation_pool_ip_address_key,
  ADD PRIMARY KEY (ip_address);
