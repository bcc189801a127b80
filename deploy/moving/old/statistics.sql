-- Gives the snapshots.
\ir views.sql
COPY (SELECT line FROM moving_statistics UNION ALL SELECT jsonb_build_object('end', count(*)) FROM moving_statistics) TO STDOUT;
