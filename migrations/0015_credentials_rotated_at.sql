-- The name that operators know. Between this file and the functions, a second later, one look at the alerts may fail.
SET LOCAL lock_timeout = '10s';

ALTER TABLE proxy_providers RENAME COLUMN secret_rotated_at TO credentials_rotated_at;
COMMENT ON COLUMN proxy_providers.credentials_rotated_at IS
  'When password, its file or the user name was last changed (credentials_rotated(), or a change by hand); old ones raise an alert.';
