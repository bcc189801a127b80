-- Evidence is kept for a time of its own: what the offer says, or trace_policy. Rows that are there stay as long as
-- their trace, as they were promised.
SET LOCAL lock_timeout = '2s';

ALTER TABLE trace_policy
  ADD COLUMN evidence_keep_days integer NOT NULL DEFAULT 30 CHECK (evidence_keep_days BETWEEN 0 AND 36500);
COMMENT ON COLUMN trace_policy.evidence_keep_days IS
  'Evidence is kept for so many days, where its offer does not say otherwise; 0: as long as its trace.';

ALTER TABLE offers
  ADD COLUMN evidence_keep interval CHECK (evidence_keep BETWEEN interval '1 minute' AND interval '100 years');
COMMENT ON COLUMN offers.evidence_keep IS 'How long its evidence is kept, from then on; NULL is trace_policy.evidence_keep_days.';
COMMENT ON COLUMN offers.evidence IS
  'What to keep beyond the chain: screenshot, har, cookies, console. Screenshot and console need a browser: mode auto takes it then, http_only keeps neither.';

ALTER TABLE trace_evidence ADD COLUMN keep_until timestamptz;
COMMENT ON COLUMN trace_evidence.keep_until IS 'When prune_evidence deletes it; NULL: with its trace. Filled from offer and policy.';
COMMENT ON TABLE trace_evidence IS 'What an offer asked to keep beyond the chain; goes when its time is over, or with its archived day.';
CREATE INDEX trace_evidence_old ON trace_evidence (keep_until) WHERE keep_until IS NOT NULL;
