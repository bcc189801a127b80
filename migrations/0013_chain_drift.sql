-- Chain drift: what the chain of an offer is expected to look like, and what was seen instead.
SET LOCAL lock_timeout = '10s';

ALTER TABLE trace_policy
  ADD COLUMN drift_learn_traces integer NOT NULL DEFAULT 20 CHECK (drift_learn_traces BETWEEN 0 AND 10000);
COMMENT ON COLUMN trace_policy.drift_learn_traces IS
  'So many completed traces teach what the chain of an offer looks like; afterwards another one raises a drift event. 0: chains are not watched.';

CREATE TABLE chain_expectations (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  offer_id   uuid        NOT NULL,
  country    text        NOT NULL DEFAULT '',
  start_url  text        NOT NULL DEFAULT '',
  source     text        NOT NULL CHECK (source IN ('learnt', 'accepted', 'pinned')),
  shape      jsonb       NOT NULL,
  traces     integer     NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text        NOT NULL DEFAULT session_user
);
COMMENT ON TABLE chain_expectations IS
  'Shapes that a chain may have, one or more for each offer, country and tracking URL: several are all right.';
COMMENT ON COLUMN chain_expectations.country IS 'Country of the traces; empty in a pinned one: any.';
COMMENT ON COLUMN chain_expectations.start_url IS
  'The tracking URL up to its first placeholder or its query; empty: none of the offer''s (a visible target), and in a pinned one: any.';
COMMENT ON COLUMN chain_expectations.source IS 'learnt from the first traces, accepted (accept_drift), or pinned (pin_chain): then what was learnt counts no more.';
COMMENT ON COLUMN chain_expectations.shape IS
  '{"hops": ["https://host", ...] (null: they vary), "final", "params": names that the chain adds, "carried": names of the link that arrive, "issuers": {host: [name]}}.';
COMMENT ON COLUMN chain_expectations.traces IS 'How many traces taught it.';
CREATE INDEX chain_expectations_offer ON chain_expectations (offer_id);

CREATE TABLE chain_lessons (
  offer_id   uuid        NOT NULL,
  country    text        NOT NULL,
  start_url  text        NOT NULL,
  shape      jsonb       NOT NULL,
  traces     integer     NOT NULL,
  learnt_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE chain_lessons IS 'Shapes of the first traces, until there are enough of them to know what is usual.';
CREATE INDEX chain_lessons_offer ON chain_lessons (offer_id, country, start_url);

CREATE TABLE chain_drift_events (
  id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  offer_id         uuid        NOT NULL,
  offer_name       text        NOT NULL,
  country          text        NOT NULL,
  start_url        text        NOT NULL,
  shape_key        text        NOT NULL,
  expectation_id   bigint      NOT NULL,
  expected         jsonb       NOT NULL,
  seen             jsonb       NOT NULL,
  differences      text[]      NOT NULL,
  state            text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'dismissed', 'over')),
  traces           bigint      NOT NULL,
  others           bigint      NOT NULL DEFAULT 0,
  first_request_id uuid        NOT NULL,
  last_request_id  uuid        NOT NULL,
  first_at         timestamptz NOT NULL,
  last_at          timestamptz NOT NULL,
  closed_at        timestamptz,
  closed_by        text
);
COMMENT ON TABLE chain_drift_events IS 'Chains that went another way than expected: one row for each way, however many traces took it.';
COMMENT ON COLUMN chain_drift_events.differences IS 'What is different, one sentence each.';
COMMENT ON COLUMN chain_drift_events.state IS
  'open, accepted (it is the expected one now), dismissed (a person said so), over (not seen for trace_policy.retention_days).';
COMMENT ON COLUMN chain_drift_events.traces IS 'Traces that were looked at and went this way; of a busy offer that is a sample.';
COMMENT ON COLUMN chain_drift_events.others IS 'Traces that went still other ways when ten events of that link were open already.';
CREATE UNIQUE INDEX chain_drift_events_open ON chain_drift_events (offer_id, country, start_url, shape_key)
 WHERE state = 'open';
CREATE INDEX chain_drift_events_offer ON chain_drift_events (offer_id, last_at);

CREATE TABLE chain_watch (
  only_row   boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
  ended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  request_id uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  tidied_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO chain_watch DEFAULT VALUES;
COMMENT ON TABLE chain_watch IS 'How far watch_chains() has come: the last attempt that it looked at.';

-- Two chains side by side, for people: SELECT * FROM chain_drift WHERE state = 'open'.
CREATE VIEW chain_drift AS
SELECT e.id, e.offer_name, e.country, e.start_url, e.state, e.differences,
       (SELECT string_agg(hop, E'\n' ORDER BY place) FROM jsonb_array_elements_text(CASE jsonb_typeof(e.expected->'hops') WHEN 'array' THEN e.expected->'hops'
               ELSE jsonb_build_array('...', e.expected->'final') END) WITH ORDINALITY AS h (hop, place)) AS expected_chain,
       (SELECT string_agg(hop, E'\n' ORDER BY place) FROM jsonb_array_elements_text(e.seen->'hops') WITH ORDINALITY AS h (hop, place)) AS seen_chain,
       e.traces, e.others, e.first_at, e.last_at, e.first_request_id, e.last_request_id, e.closed_at, e.closed_by, e.offer_id
  FROM chain_drift_events e;
COMMENT ON VIEW chain_drift IS 'Drift events with both chains as text; accept_drift(id) or dismiss_drift(id) closes one.';

CREATE VIEW chain_drift_open AS
SELECT e.offer_id, e.offer_name, count(*) AS events, sum(e.traces + e.others) AS traces, min(e.first_at) AS since, max(e.last_at) AS last_at
  FROM chain_drift_events e
 WHERE e.state = 'open'
 GROUP BY e.offer_id, e.offer_name;
COMMENT ON VIEW chain_drift_open IS 'Offers whose chains go other ways than expected, and how many ways.';

CREATE VIEW chain_expected AS
SELECT x.id, o.offer_name, x.country, x.start_url, x.source,
       (SELECT string_agg(hop, E'\n' ORDER BY place) FROM jsonb_array_elements_text(CASE jsonb_typeof(x.shape->'hops') WHEN 'array' THEN x.shape->'hops'
               ELSE jsonb_build_array('...', x.shape->'final') END) WITH ORDINALITY AS h (hop, place)) AS chain,
       ARRAY(SELECT jsonb_array_elements_text(x.shape->'params')) AS params,
       ARRAY(SELECT jsonb_array_elements_text(x.shape->'carried')) AS carried, x.shape->'issuers' AS issuers, x.traces, x.created_at, x.created_by
  FROM chain_expectations x
  JOIN offers o ON o.id = x.offer_id;
COMMENT ON VIEW chain_expected IS 'What each offer''s chain is expected to look like.';

GRANT SELECT ON chain_expectations, chain_lessons, chain_drift_events, chain_watch, chain_drift, chain_drift_open, chain_expected
   TO tracepool_readonly, tracepool_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON chain_expectations, chain_lessons, chain_drift_events TO tracepool_admin;
GRANT SELECT ON chain_watch, chain_drift, chain_drift_open, chain_expected TO tracepool_admin;
