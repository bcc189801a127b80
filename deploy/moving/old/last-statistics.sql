-- The moment of the last snapshot.
\ir views.sql
SELECT max(recorded_at) FROM moving_statistics;
