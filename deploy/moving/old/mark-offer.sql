-- From now on the offer is tracepool's (what forwards clicks may ask). Variables: offer, is_moved.
\ir views.sql
\if :is_moved
  INSERT INTO public.moved_to_tracepool (kind, name) VALUES ('offer', :'offer') ON CONFLICT DO NOTHING;
\else
  DELETE FROM public.moved_to_tracepool WHERE kind = 'offer' AND name = :'offer';
\endif
