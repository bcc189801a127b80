-- Gives the offer of that name. Variable: offer.
\ir views.sql
COPY (
  WITH chosen AS (SELECT line FROM moving_offers WHERE name = :'offer' AND name <> '')
  SELECT line FROM chosen UNION ALL SELECT jsonb_build_object('end', count(*)) FROM chosen) TO STDOUT;
