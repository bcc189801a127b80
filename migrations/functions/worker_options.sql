-- What a claim tells its worker of the request's offer: its options, and its ad server's where it has one.
-- One expression, so that it becomes a part of the claim.
CREATE OR REPLACE FUNCTION worker_options(o offers) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN (o).vast_provider IS NULL THEN offer_options(o)
            ELSE offer_options(o) || vast_provider_options((o).vast_provider) END;
REVOKE ALL ON FUNCTION worker_options(offers) FROM PUBLIC;
