#!/usr/bin/env bash
# Brings a database to this folder's schema: numbered files once each, functions whenever they changed.
#
#   migrations/apply.sh [--database URL] [--passwords DIR]
#
# Without --database: DATABASE_URL, else the text of the file TRACEPOOL_DATABASE_URL_FILE, else psql's own PG* variables.
# A password reaches psql through its environment, never through a command line; a server on another machine is spoken to
# in TLS unless the URL or PGSSLMODE says otherwise. Run it as the schema's owner, who needs
# CREATEROLE the first time, and directly, not through a transaction pooler. Safe to run twice, and by two at once: the second waits.
# --passwords: files named after roles (tracepool_edge, ..._worker, ..._monitor, ..._admin, ..._readonly), those that
# there are, become their passwords. psql turns them into SCRAM verifiers, so the server's log sees none.
# Exit 0 when the schema is up to date, 1 when something failed (and then that file changed nothing), 2 usage.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
lock_key=7235281961   # any number that nothing else in the database locks
roles='tracepool_edge tracepool_worker tracepool_monitor tracepool_admin tracepool_readonly'
url=${DATABASE_URL:-}
passwords='' bare_url='' url_password='' url_sslmode=''
# shellcheck source=migrations/split-url.sh
. "$here/split-url.sh"

say_and_leave() { printf 'apply.sh: %s\n' "$2" >&2; exit "$1"; }
sha() { sha256sum < "$1" | cut -d ' ' -f 1; }
quoted() { printf "'%s'" "${1//\'/\'\'}"; }
names() { local IFS=,; set -- "${@##*/}"; printf '%s' "${*%.sql}"; }

# Moves a password out of the URL into PGPASSWORD; another machine is spoken to in TLS unless somebody said something else.
hide_password() {
  split_url "$url" || say_and_leave 2 'give the password as postgres://USER:PASSWORD@..., PGPASSWORD or PGPASSFILE'
  url=$bare_url
  [[ -z $url_password ]] || export PGPASSWORD=$url_password
  [[ -z $url_sslmode ]] || export PGSSLMODE=$url_sslmode
}

# The psql statements for one numbered file.
numbered() {
  local file=$1 name version hash
  name=${file##*/} hash=$(sha "$file")
  [[ $name =~ ^([0-9]{4})_[a-z0-9_]+\.sql$ ]] || say_and_leave 1 "$name is not named NNNN_what.sql"
  version=$((10#${BASH_REMATCH[1]}))
  ((version > last)) || say_and_leave 1 "two files have the number ${BASH_REMATCH[1]}; renumber the newer one"
  last=$version
  cat <<SQL
SELECT count(*) = 0 AS is_new, coalesce(bool_or(sha256 <> '$hash'), false) AS is_edited
  FROM schema_migrations WHERE version = $version \\gset
\\if :is_edited
  DO \$\$ BEGIN RAISE EXCEPTION '$name was edited after this database had applied it. Restore the file as it was '
    'released (git log -- migrations/$name) and put the change into a new file with the next free number.'; END \$\$;
\\elif :is_new
  SELECT coalesce(max(version), 0) > $version AS is_late FROM schema_migrations \\gset
  \\if :is_late
    DO \$\$ BEGIN RAISE EXCEPTION '$name is new here, but this database already has a higher number. '
      'Give the file the next free number.'; END \$\$;
  \\endif
  \\echo apply $name
  BEGIN;
  \\i $(quoted "$file")
  INSERT INTO schema_migrations (version, name, sha256) VALUES ($version, '$name', '$hash');
  COMMIT;
\\endif
SQL
}

one_function() {
  local file=$1 name hash
  name=$(basename "$file" .sql) hash=$(sha "$file")
  cat <<SQL
SELECT count(*) = 0 AS is_changed FROM schema_functions WHERE name = '$name' AND sha256 = '$hash' \\gset
\\if :is_changed
  \\echo function $name
  \\i $(quoted "$file")
  INSERT INTO schema_functions (name, sha256) VALUES ('$name', '$hash')
      ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = clock_timestamp();
\\endif
SQL
}

opening() {
  cat <<SQL
\\set VERBOSITY terse
SET client_min_messages = warning;
SET search_path = public;
SELECT pg_try_advisory_lock($lock_key) AS is_mine \\gset
\\if :is_mine
\\else
  \\echo another run is at work, waiting for it
  SELECT pg_advisory_lock($lock_key) \\g /dev/null
\\endif
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    integer     NOT NULL PRIMARY KEY,
  name       text        NOT NULL,
  sha256     text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  applied_by text        NOT NULL DEFAULT session_user
);
COMMENT ON TABLE schema_migrations IS 'Numbered files that migrations/apply.sh has run here, with their checksums.';
CREATE TABLE IF NOT EXISTS schema_functions (
  name       text        NOT NULL PRIMARY KEY,
  sha256     text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE schema_functions IS 'Files of migrations/functions as they were last applied here.';
SQL
}

closing() {
  cat <<SQL
SELECT max(version) AS version, max(version) > $last AS is_ahead FROM schema_migrations \\gset
\\if :is_ahead
  DO \$\$ BEGIN RAISE EXCEPTION 'The database is newer than this folder, which ends at $last. '
    'Use the newer checkout.'; END \$\$;
\\endif
BEGIN;
SET LOCAL check_function_bodies = off;   -- files come by name, not by who calls whom
SQL
  local file
  for file in "${functions[@]}"; do one_function "$file"; done
  cat <<SQL
DELETE FROM schema_functions WHERE name <> ALL ('{$(names "${functions[@]}")}');
SELECT close_doors() \\g /dev/null
COMMIT;
SQL
}

# The files of --passwords, and psql's dialogue for them: each password is asked for twice. Without a terminal (setsid)
# psql reads it from its standard input, where no command line and no statement shows it.
password_files() {
  local role
  [[ -n $passwords ]] || return 0
  for role in $roles; do [[ ! -e $passwords/$role ]] || printf '%s\n' "$role"; done
}

check_passwords() {
  [[ -z $passwords || -d $passwords ]] || say_and_leave 2 "--passwords: there is no folder $passwords"
  [[ -z $passwords || -n $(password_files) ]] || say_and_leave 2 "--passwords: no file in $passwords is named after a role ($roles)"
  local role
  for role in $(password_files); do
    [[ $(grep -c . "$passwords/$role") == 1 && $(grep -c '' "$passwords/$role") == 1 ]] ||
      say_and_leave 2 "--passwords: $passwords/$role is not one line"
  done
}

password_commands() {
  local role
  for role in $(password_files); do printf '\\password %s\n\\echo password of %s is set\n' "$role" "$role"; done
}

answers() {
  local role password
  for role in $(password_files); do
    password=$(< "$passwords/$role")
    printf '%s\n%s\n' "$password" "$password"
  done
}

while (($# > 0)); do
  case $1 in
    --database) (($# > 1)) || say_and_leave 2 '--database needs a URL'; url=$2; shift 2 ;;
    --database=*) url=${1#*=}; shift ;;
    --passwords) (($# > 1)) || say_and_leave 2 '--passwords needs a folder'; passwords=$2; shift 2 ;;
    --passwords=*) passwords=${1#*=}; shift ;;
    --help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) say_and_leave 2 "unknown argument $1 (--database URL, --passwords DIR, --help)" ;;
  esac
done
command -v psql > /dev/null || say_and_leave 1 'psql is not installed (Debian: postgresql-client)'
if [[ -z $url && -n ${TRACEPOOL_DATABASE_URL_FILE:-} ]]; then
  url=$(<"$TRACEPOOL_DATABASE_URL_FILE") || say_and_leave 1 "$TRACEPOOL_DATABASE_URL_FILE can't be read"
fi
shopt -s nullglob
files=("$here"/[0-9]*.sql) functions=("$here"/functions/*.sql)
((${#files[@]} > 0)) || say_and_leave 1 "no numbered files in $here"
check_passwords
hide_password

# The whole script is made before psql starts, so that a badly named file stops it before anything ran.
last=0
script=$(mktemp)
trap 'rm -f -- "$script"' EXIT
{
  opening
  for file in "${files[@]}"; do numbered "$file"; done
  closing
  password_commands
  printf '\\echo schema is at version :version\n'
} > "$script"
export PGAPPNAME=tracepool-migrate
run=(psql ${url:+--dbname="$url"} --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "$script")
if [[ -n $passwords ]]; then
  answers | setsid --wait "${run[@]}" 2> >(grep -v '^Enter ' >&2) || exit 1
else
  "${run[@]}" || exit 1
fi
