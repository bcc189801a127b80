-- Names the IPs that moved. Variable: country (empty: all).
\ir views.sql
COPY (
  WITH chosen AS (SELECT jsonb_build_object('ip', address) AS line FROM moving_ips WHERE :'country' = '' OR line->>'country' = lower(:'country'))
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
