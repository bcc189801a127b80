-- Gives an offer as it is now. Variable: offer.
\ir views.sql
COPY (
  WITH chosen AS (SELECT line FROM moving_offers WHERE name = :'offer')
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
