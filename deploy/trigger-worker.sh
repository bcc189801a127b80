#!/bin/sh
# trigger-worker.sh [BATCH_SIZE] [MAX_CONCURRENT] - ask the farm for one batch (10, 5) and wait for its result; for crontab.
#
# Asks the monitor when TRACEPOOL_URL is set (http://127.0.0.1:8081), with the token in TRACEPOOL_TOKEN_FILE or TRACEPOOL_TOKEN;
# otherwise the database, through `tracepool-worker run-batch`: with DATABASE_URL, or TRACEPOOL_CONFIG, the path of an ini file.
# TRACEPOOL_WORKER is that program's path when it is neither in the PATH nor in this checkout's build/.
#
# Prints {"success":true,"processed":10,"succeeded":9,"failed":1,"errors":["request-id: message"]}. Several at once share
# the work and trace nothing twice, so no lock is needed around it.
# Exit: 0 all succeeded (or nothing to do), 1 some failed, 2 usage, 3 no answer.
set -eu

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    echo "trigger-worker.sh: $1" >&2
    exit 2
}

number() {
    case $2 in '' | *[!0-9]* | 0*) usage "$1 $2: must be a whole number above 0" ;; esac
}

[ $# -le 2 ] || usage "one word too many: $3"
size=${1:-10}
at_once=${2:-5}
number BATCH_SIZE "$size"
number MAX_CONCURRENT "$at_once"

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
        curl --silent --show-error --noproxy '*' --header @- --header 'Content-Type: application/json' \
            --data "{\"batch_size\": $size, \"max_concurrent\": $at_once}" "${TRACEPOOL_URL%/}/functions/v1/trace-worker" || return 3
}

find_worker() {
    here=$(dirname "$0")
    for path in "${TRACEPOOL_WORKER:-}" "$(command -v tracepool-worker || true)" "$here/../build/worker/tracepool-worker"; do
        [ -n "$path" ] && [ -x "$path" ] && echo "$path" && return
    done
    echo "trigger-worker.sh: tracepool-worker is not in the PATH; set TRACEPOOL_WORKER to its path, or TRACEPOOL_URL" >&2
    exit 3
}

if [ -z "${TRACEPOOL_URL:-}" ]; then
    worker=$(find_worker)
    exec "$worker" ${TRACEPOOL_CONFIG:+--config "$TRACEPOOL_CONFIG"} run-batch "$size" "$at_once"
fi
answer=$(ask_monitor) || exit 3
printf '%s\n' "$answer"
case $answer in
*'"success":true'*'"failed":0,'*) exit 0 ;;
*'"success":true'*) exit 1 ;;
*) exit 3 ;;
esac
