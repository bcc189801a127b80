#!/bin/sh
# check-pool-health.sh [-q] [OPTIONS] - is the pool healthy? For a person, and for crontab.
#
# Asks the monitor when TRACEPOOL_URL is set (http://127.0.0.1:8081), with the token in TRACEPOOL_TOKEN_FILE or TRACEPOOL_TOKEN;
# otherwise the database, through `tracepool-monitor check`: with DATABASE_URL, or TRACEPOOL_CONFIG, the path of an ini file, and
# OPTIONS as that program takes them. TRACEPOOL_MONITOR is its path when it is neither in the PATH nor in this checkout's build/.
#
# Prints pool and queue, a line for each warning, and what to do; with -q only when something is wrong.
# Exit: 0 healthy, 1 warnings, 2 unreachable, or wrong usage.
set -eu

if [ "${1:-}" = -q ]; then
    quiet=yes
    shift
fi

find_monitor() {
    here=$(dirname "$0")
    for path in "${TRACEPOOL_MONITOR:-}" "$(command -v tracepool-monitor || true)" "$here/../build/monitor/tracepool-monitor"; do
        [ -n "$path" ] && [ -x "$path" ] && echo "$path" && return
    done
    echo "check-pool-health.sh: tracepool-monitor is not in the PATH; set TRACEPOOL_MONITOR to its path, or TRACEPOOL_URL" >&2
    exit 2
}

token() {
    if [ -n "${TRACEPOOL_TOKEN_FILE:-}" ]; then
        cat "$TRACEPOOL_TOKEN_FILE"
    else
        printf '%s\n' "${TRACEPOOL_TOKEN:-}"
    fi
}

# The token goes by standard input: arguments are everybody's to read.
ask_monitor() {
    token | sed 's/^/Authorization: Bearer /' |
        curl --silent --show-error --noproxy '*' --header @- "${TRACEPOOL_URL%/}/functions/v1/pool-monitor"
}

# From the monitor's JSON: its numbers, its warnings one a line, its recommendation.
in_words() {
    printf '%s\n' "$1" | sed -n 's/.*"health":{\([^}]*\)}.*/\1/p' | tr -d '"' | sed 's/:/ /g; s/,/, /g; s/_/ /g'
    printf '%s\n' "$1" | sed -n 's/.*"warnings":\["\(.*\)"\],"recommendation":.*/\1/p' | sed 's/","/\n/g' | sed '/./s/^/warning: /'
    printf '%s\n' "$1" | sed -n 's/.*"recommendation":"\([^"]*\)".*/\1/p'
}

by_url() {
    answer=$(ask_monitor) || return 2
    case $answer in
    *'"warnings":[],'*) in_words "$answer" ;;
    *'"recommendation":'*) in_words "$answer" && return 1 ;;
    *) printf 'unreachable: %s\n' "$answer" && return 2 ;;
    esac
}

by_database() {
    monitor=$(find_monitor) || return 2
    "$monitor" ${TRACEPOOL_CONFIG:+--config "$TRACEPOOL_CONFIG"} "$@" check
}

status=0
if [ -n "${TRACEPOOL_URL:-}" ]; then
    said=$(by_url 2>&1) || status=$?
else
    said=$(by_database "$@" 2>&1) || status=$?
fi
[ $status = 0 ] && [ -n "${quiet:-}" ] || printf '%s\n' "$said"
exit $status
