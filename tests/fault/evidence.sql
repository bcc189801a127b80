-- Where the outside evidence of a campaign is put for check.sql, beside the tables that it judges.
CREATE SCHEMA proof;
CREATE TABLE proof.run (began timestamptz, ended timestamptz, interval_s numeric, lease_s numeric);
CREATE TABLE proof.clicks (cid text PRIMARY KEY, kind text, offer text, sent timestamptz, status integer, ms numeric);
CREATE TABLE proof.faults (name text, family text, began timestamptz, ended timestamptz);
CREATE TABLE proof.exits (ip_address text PRIMARY KEY, exit text);
CREATE TABLE proof.visits (cid text, path text, peer text, at timestamptz);
CREATE TABLE proof.passages ("user" text, cid text, how text, opened timestamptz);
CREATE TABLE proof.beacons (cid text, event text, host text, answer text, at timestamptz);
CREATE TABLE proof.residue (kind text, what text);
CREATE VIEW proof.requests AS SELECT t.*, t.inbound_params ->> 'cid' AS cid FROM public.traces t;
CREATE VIEW proof.attempts AS
SELECT a.*, r.cid, e.exit
  FROM public.trace_attempts a
  JOIN proof.requests r USING (request_id)
  LEFT JOIN proof.exits e USING (ip_address);
