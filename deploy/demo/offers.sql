-- The demo's offers. Placeholders take a parameter of the click; what none takes is appended.
INSERT INTO offers (offer_name, tracking_urls, target_country, expected_params, tracer_mode, notes)
VALUES
  ('shoes',  '[{"url": "http://go.ads.test/c?cid=77&sub={sub}"}]',           'us', '{order}',   'http_only', 'demo'),
  ('travel', '[{"url": "http://click.travel.test/out?campaign={campaign}"}]', 'us', '{booking}', 'http_only', 'demo'),
  ('phone',  '[{"url": "http://t.phone.test/go?sub={sub}"}]',                'us', '{plan}',    'http_only', 'demo'),
  ('lamps',  '[{"url": "http://ads.lamps.test/c?cid=5&sub={sub}"}]',         'us', '{token}',   'auto',      'demo'),
  ('maple',  '[{"url": "http://ads.maple.test/click?placement=top"}]',       'ca', '{sku}',     'http_only', 'demo'),
  ('books',  '[{"url": "http://r.books.test/x?sub={sub}"}]',                 'ca', '{aid}',     'http_only', 'demo')
ON CONFLICT (offer_name) DO NOTHING;

-- How the demo's pool entries become proxies: host and port are the entry's own, user and password are the
-- same for all. The password is in the file of that name in worker.secrets_dir, never in the database.
INSERT INTO proxy_providers (provider, scheme, host_template, port_template, user_template, secret_name, notes)
VALUES ('demo', 'http', '{ip}', '{port}', 'demo', 'demo-proxy', 'the quickstart''s tinyproxies')
ON CONFLICT (provider) DO NOTHING;

-- The one ad of the demo whose trackers are called, and the one host where they may be: psql variable sink.
INSERT INTO offers (offer_name, tracking_urls, target_country, expected_params, tracer_mode, tracking_mode, notes)
VALUES ('film', '[{"url": "http://go.film.test/ad?page={page}"}]', 'us', '{page}', 'http_only', 'fire', 'demo')
ON CONFLICT (offer_name) DO NOTHING;
INSERT INTO tracking_allowed_hosts (host, owner, purpose)
VALUES (:'sink', 'the quickstart', 'the demo''s ad calls the demo''s own sink')
ON CONFLICT (host) DO NOTHING;
