# show.sh - the demo: clicks, and what became of them; sourced by deploy/quickstart.
# shellcheck shell=bash disable=SC2154

# What visitors ask for. The gclid is their own click id: it travels on to the advertiser, not into the trace.
CLICKS='
offer=shoes&sub=s1&utm_source=google&gclid=demo-visitor-1
offer=travel&campaign=summer&utm_medium=cpc&gclid=demo-visitor-2
offer=phone&sub=p7&gclid=demo-visitor-3
offer=lamps&sub=l6&gclid=demo-visitor-4
offer=maple&gclid=demo-visitor-5
offer=books&sub=b3&gclid=demo-visitor-6
offer=film&page=f1&gclid=demo-visitor-7
'

edge_url() { echo "http://127.0.0.1:$edge_port"; }
monitor_url() { echo "http://127.0.0.1:$monitor_port"; }

# The token goes to curl through a file descriptor: an argument could be read by every user of the machine.
ask_monitor() {
    curl -sS --fail-with-body -m 20 -K - "$@" <<<"header = \"Authorization: Bearer $(cat "$home/secrets/api-token")\""
}

heading() { printf '\n%s\n\n' "$*"; }

send_clicks() {
    local query code time location offer
    heading "Seven clicks, as a browser would send them ($(edge_url)/functions/v1/track-hit-instant?offer=...)"
    while read -r query; do
        [ -n "$query" ] || continue
        read -r code time location < <(curl -sS -m 10 -o /dev/null -w '%{http_code} %{time_total} %{redirect_url}\n' \
            "$(edge_url)/functions/v1/track-hit-instant?$query")
        offer=${query#offer=}
        printf '  %s in %5.1f ms  %-7s -> %s\n' "$code" "$(awk "BEGIN { print $time * 1000 }")" "${offer%%&*}" "$location"
        [ "$code" = 302 ] || fail "the edge answered $code instead of 302; see deploy/quickstart logs edge"
    done <<<"$CLICKS"
}

demo_is_traced() { # SINCE
    [ "$(sql -v since="$1" <<'SQL'
SELECT count(*) FILTER (WHERE status NOT IN ('pending', 'processing')) >= 7
  FROM active_trace_requests
 WHERE started_at >= :'since'::timestamptz;
SQL
)" = t ]
}

# What the scripted web wrote down since line $1, as JSON: which address asked for which URL.
seen_by_target() {
    tail -n "+$(($1 + 1))" "$home/state/web/requests.log" | /usr/bin/python3 -c '
import json, sys
entries = [json.loads(line) for line in sys.stdin]
print(json.dumps([{"address": e["peer"], "url": e["url"]} for e in entries]))'
}

# What the sink wrote down since line $1, as JSON: the requests in the order in which they came.
seen_by_sink() {
    tail -n "+$(($1 + 1))" "$home/state/sink/ledger" | /usr/bin/python3 -c '
import json, sys
lines = [line.split(" ", 1) for line in sys.stdin.read().splitlines()]
print(json.dumps([{"place": place, "url": f"http://{host}:{sys.argv[1]}{path}"} for place, (host, path) in enumerate(lines, 1)]))
' "$(port sink)"
}

view_has_ended() { # SINCE
    [ "$(sql -v since="$1" <<'SQL'
SELECT count(*) > 0 AND bool_and(state <> 'playing') FROM ad_views WHERE begins_at >= :'since'::timestamptz;
SQL
)" = t ]
}

show_sql() {
    PAGER='' "$bin/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off -P linestyle=unicode -P null='-' \
        -h "$(socket_dir)" -p "$(port postgres)" -U tracepool_admin -d tracepool "$@"
}

run_demo() {
    local since log_lines ledger_lines
    bin=$(postgres_bin)
    since=$(sql -c 'SELECT clock_timestamp()')
    log_lines=$(wc -l <"$home/state/web/requests.log")
    ledger_lines=$(wc -l <"$home/state/sink/ledger")
    if [ "$(sql -c "SELECT count(*) FROM ip_rotation_pool WHERE locked_until > now() + interval '2 s'")" != 0 ]; then
        say "" "The proxies still rest from the last clicks; a trace waits for its turn, up to a minute."
    fi
    send_clicks
    wait_until 150 "the traces' end" demo_is_traced "$since"
    heading "What the workers found, each through one proxy address of the offer's country"
    show_sql -v since="$since" -v seen="$(seen_by_target "$log_lines")" -f "$root/deploy/demo/show.sql"
    heading "The film's ad, four seconds long: its tracking events, and in which order the demo's sink ($SINK) got them"
    wait_until 60 "the ad view's end" view_has_ended "$since"
    show_sql -v since="$since" -v ledger="$(seen_by_sink "$ledger_lines")" -f "$root/deploy/demo/view.sql"
    heading "Health, as the monitor tells it (GET $(monitor_url)/functions/v1/pool-monitor)"
    ask_monitor "$(monitor_url)/functions/v1/pool-monitor" | /usr/bin/python3 -m json.tool --no-ensure-ascii --indent 2 | sed 's/^/  /'
}

say_next() {
    heading "Next"
    cat <<NEXT
  a click of your own     curl -i '$(edge_url)/functions/v1/track-hit-instant?offer=shoes&sub=me'
  its trace               deploy/quickstart psql -x -c 'SELECT * FROM active_trace_requests ORDER BY started_at DESC LIMIT 1'
  the demo once more      deploy/quickstart demo
  what runs               deploy/quickstart status
  the operator's API      curl -H @<(echo "Authorization: Bearer \$(deploy/quickstart token)") $(monitor_url)/functions/v1/pool-monitor
  end it                  deploy/quickstart down
NEXT
}
