-- Everything a connection says on its own account, before its program may use it.
-- (LISTEN takes no parameters; conn.c quotes the channel names itself.)

-- name: schema_version
-- The highest migration that this database has; fails when there is no schema at all.
SELECT schema_version()::text AS version;
