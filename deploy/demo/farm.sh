# farm.sh - what a quickstart home consists of: PostgreSQL, seven proxies, the scripted web, a sink for tracking
# requests and the three programs; sourced by deploy/quickstart.
# shellcheck shell=bash disable=SC2154

# Each proxy leaves through the address that it listens on, so that the target sees which one came.
# name, address, country
PROXIES='
proxy-1 127.0.0.2 us
proxy-2 127.0.0.3 us
proxy-3 127.0.0.4 us
proxy-4 127.0.0.5 us
proxy-5 127.0.0.6 ca
proxy-6 127.0.0.7 ca
proxy-7 127.0.0.8 us
'
# Where the demo's ad has its trackers: the one host that tracking requests may go to.
SINK=127.0.0.9
PROCESSES='postgres web sink proxy-1 proxy-2 proxy-3 proxy-4 proxy-5 proxy-6 proxy-7 edge worker monitor'

postgres_bin() { "$root/deploy/install-packages" --postgres-bin; }

# A socket's path has at most 107 bytes; a deep home gets a short folder elsewhere.
socket_dir() {
    local dir=$home/state/socket
    if [ ${#dir} -gt 85 ]; then
        dir=/tmp/tracepool-$(cksum <<<"$home" | cut -d ' ' -f 1)
    fi
    echo "$dir"
}

own() { [ -z "$program_user" ] || chown "$program_user:$program_group" "$@"; }

# secret FILE - makes it once: 32 random characters, for the programs' user only.
secret() {
    [ -s "$home/secrets/$1" ] && return 0
    (
        umask 077
        head -c 24 /dev/urandom | base64 -w 0 | tr '+/' 'ab' >"$home/secrets/$1.new"
    )
    own "$home/secrets/$1.new"
    mv "$home/secrets/$1.new" "$home/secrets/$1"
}

sql() { "$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$(socket_dir)" -p "$(port postgres)" -U postgres -d tracepool "$@"; }

# --- the parts --------------------------------------------------------------------------------------------

start_postgres() {
    local socket data=$home/state/postgres
    socket=$(socket_dir)
    mkdir -p "$socket"
    chmod 700 "$socket"
    own "$socket"
    secret database-password
    if [ ! -d "$data" ]; then
        rm -rf "$data.new" # a first start that was killed half way
        unprivileged "$bin/initdb" -D "$data.new" -U postgres --auth-local=trust --auth-host=scram-sha-256 \
            --pwfile="$home/secrets/database-password" -E UTF8 --locale=C.UTF-8 >"$home/log/initdb.log" 2>&1 ||
            { tail -n 5 "$home/log/initdb.log" >&2; fail "initdb failed; see $home/log/initdb.log."; }
        mv "$data.new" "$data"
    fi
    # Who can enter the socket's folder (mode 700) is trusted; over TCP a password is asked for.
    start postgres "$bin/postgres" -D "$data" -p "$(port postgres)" -k "$socket" -c listen_addresses=127.0.0.1 \
        -c shared_buffers=32MB -c log_min_messages=warning
    watching=postgres wait_until 60 "PostgreSQL" "$bin/pg_isready" -q -h "$socket" -p "$(port postgres)"
}

# The schema's owner is no superuser, so that functions with the owner's rights have no more than those.
make_database() {
    local server=("$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$(socket_dir)" -p "$(port postgres)" -U postgres -d postgres)
    "${server[@]}" -c "SELECT 1 FROM pg_roles WHERE rolname = 'tracepool'" | grep -q 1 ||
        "${server[@]}" -c 'CREATE ROLE tracepool LOGIN CREATEROLE'
    "${server[@]}" -c "SELECT 1 FROM pg_database WHERE datname = 'tracepool'" | grep -q 1 ||
        "${server[@]}" -c 'CREATE DATABASE tracepool OWNER tracepool'
}

migrate() {
    local owner
    make_database
    # A home of an earlier version has its tables from postgres.
    owner=$(sql -c "SELECT coalesce((SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'schema_migrations'), 'tracepool')")
    PATH=$bin:$PATH DATABASE_URL=$(database_url "$owner") "$root/migrations/apply.sh" >"$home/log/migrate.log" 2>&1 ||
        { tail -n 8 "$home/log/migrate.log" >&2; fail "the migrations failed; see $home/log/migrate.log."; }
    step database "PostgreSQL $("$bin/postgres" --version | sed 's/.* \([0-9.]*\).*/\1/'), port $(port postgres), schema $(sql -c 'SELECT schema_version()')"
}

# The scripted web is an HTTP server and, for the proxies, the next proxy: so its .test names need no DNS.
start_web() {
    mkdir -p "$home/state/web" "$home/state/sink"
    own "$home/state/web" "$home/state/sink"
    # The programs' user may not be able to read the checkout.
    mkdir -p "$home/web"
    cp "$root/tests/lib/web.py" "$root/tests/lib/sink.py" "$home/web/"
    rm -rf "$home/web/worlds"
    cp -r "$root/deploy/demo/worlds" "$home/web/"
    sed -i "s/{sink}/$SINK:$(port sink)/g" "$home/web/worlds/film.json"
    start web /usr/bin/python3 "$home/web/web.py" --port "$(port web)" --log "$home/state/web/requests.log" "$home/web/worlds"
    watching=web wait_until 20 "the scripted web" answers 127.0.0.1 "$(port web)"
    start sink /usr/bin/python3 "$home/web/sink.py" "$home/state/sink/ledger" "$SINK" "$(port sink)"
    watching=sink wait_until 20 "the sink" answers "$SINK" "$(port sink)"
}

start_proxies() {
    local name address country count=0 list=
    secret proxies/demo-proxy
    while read -r name address country; do
        [ -n "$name" ] || continue
        (
            umask 077
            cat >"$home/secrets/$name.conf" <<CONF
Port $(port "$name")
Listen $address
Bind $address
Timeout 60
MaxClients 50
LogLevel Warning
DisableViaHeader Yes
Upstream http 127.0.0.1:$(port web)
BasicAuth demo $(cat "$home/secrets/proxies/demo-proxy")
CONF
        )
        own "$home/secrets/$name.conf"
        settings=$(<"$home/secrets/$name.conf") start "$name" "$(command -v tinyproxy)" -d -c "$home/secrets/$name.conf"
        watching=$name wait_until 20 "proxy $name" answers "$address" "$(port "$name")"
        count=$((count + 1))
        list+=" $address ($country)"
    done <<<"$PROXIES"
    step proxies "$count tinyproxies, each with its own exit address:$list"
}

# Pool entries follow the proxies' ports; health and history of an address that is known stay as they are.
fill_pool() {
    local name address country
    sql -U tracepool_admin -v sink="$SINK" -f "$root/deploy/demo/offers.sql"
    while read -r name address country; do
        [ -n "$name" ] || continue
        sql -U tracepool_admin -v ip="$address" -v port="$(port "$name")" -v country="$country" -f "$root/deploy/demo/pool.sql"
    done <<<"$PROXIES"
}

database_url() { echo "host=$(socket_dir) port=$(port postgres) user=$1 dbname=tracepool"; }

# One settings file for the three; what differs, the role, comes by environment. No secret is in either.
write_settings() {
    cat >"$home/tracepool.ini" <<INI
; Written by deploy/quickstart at each start. The names of settings: tracepool-edge --print-config
[edge]
listen = 127.0.0.1:$edge_port
admin_listen = 127.0.0.1:$(port edge-admin)
spool_dir = $home/state/edge

[worker]
children = 2
secrets_dir = $home/secrets/proxies

[tracking]
; Sent is what the offer asks for and the table tracking_allowed_hosts agrees to: here the demo's ad, to the demo's sink.
mode = fire

[trace]
; The demo's proxies and targets are on loopback, which the address guard refuses otherwise.
allow_private = true

[api]
listen = 127.0.0.1:$monitor_port
token_file = $home/secrets/api-token
INI
}

start_programs() {
    local plain=("${process_env[@]}") name
    secret api-token
    write_settings
    mkdir -p "$home/state/edge"
    own "$home/state/edge"
    for name in edge worker monitor; do
        process_env=("${plain[@]}" "DATABASE_URL=$(database_url "tracepool_$name")")
        settings=$(<"$home/tracepool.ini") start "$name" "$home/build/$name/tracepool-$name" --config "$home/tracepool.ini"
    done
    process_env=("${plain[@]}")
    watching=edge wait_until 30 "the edge" curl -sf -o /dev/null "http://127.0.0.1:$(port edge-admin)/readyz"
    watching=worker wait_until 30 "the worker" worker_is_heard
    watching=monitor wait_until 30 "the monitor" curl -sf -o /dev/null "http://127.0.0.1:$monitor_port/healthz"
    step edge "clicks on 127.0.0.1:$edge_port"
    step worker "2 children, tracing whatever is due"
    step monitor "the operator's API on 127.0.0.1:$monitor_port"
}

worker_is_heard() {
    sql -c "SELECT count(*) > 0 FROM process_heartbeats WHERE program = 'worker' AND seen_at > now() - interval '15 s'" | grep -q t
}

# Decided once, before anything starts: what starts later is told where the others are.
keep_ports() {
    local name address country
    keep_port postgres
    keep_port web
    keep_port sink "$SINK"
    keep_port edge-admin 127.0.0.1 edge
    while read -r name address country; do
        [ -z "$name" ] || keep_port "$name" "$address"
    done <<<"$PROXIES"
}

start_farm() {
    bin=$(postgres_bin)
    keep_ports
    start_postgres
    migrate
    start_web
    start_proxies
    fill_pool
    start_programs
}

stop_farm() {
    local name list=
    for name in $PROCESSES; do list="$name $list"; done # newest first
    for name in $list; do
        case $name in
        postgres) stop postgres INT ;; # a fast shutdown
        *) stop "$name" ;;
        esac
    done
}

# --- what runs --------------------------------------------------------------------------------------------

all_up() {
    local name
    for name in $PROCESSES; do
        is_up "$name" || return 1
    done
}

verb_status() {
    local name pid
    say "home $home $why_home"
    for name in $PROCESSES; do
        if pid=$(pid_of "$name"); then
            printf '%-10s up     pid %-8s since %s\n' "$name" "$pid" "$(date -r "$home/run/$name.pid" '+%F %T')"
        else
            printf '%-10s down\n' "$name"
        fi
    done
    all_up
}
