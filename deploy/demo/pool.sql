-- One proxy of the demo: psql variables ip, port, country.
INSERT INTO ip_rotation_pool (ip_address, ip_port, country, provider)
VALUES (:'ip', :'port', :'country', 'demo')
ON CONFLICT (ip_address) DO UPDATE
   SET ip_port = excluded.ip_port, country = excluded.country
 WHERE (ip_rotation_pool.ip_port, ip_rotation_pool.country) IS DISTINCT FROM (excluded.ip_port, excluded.country);
