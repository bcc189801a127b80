-- How psql and its session are set in both databases: an error ends all, only lines come out, times are UTC.
\set ON_ERROR_STOP 1
\set QUIET 1
\pset format unaligned
\pset tuples_only 1
SET client_min_messages = warning;
SET timezone = 'UTC';
