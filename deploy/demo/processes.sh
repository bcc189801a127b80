# processes.sh - background processes of one quickstart home; sourced by deploy/quickstart.
#
# Each process has run/NAME.pid: its pid, its start time (so that a pid that the system gave to somebody
# else later is never taken for ours) and a sum of its command (so that changed settings mean a restart).
# Every process leads a session of its own: what it leaves behind can be found, and ended, by that.
# Needs: $home, $program_user and $program_group (empty unless root), $process_env, say, fail.
# shellcheck shell=bash disable=SC2154

# The command prefix that gives up root for good; nothing when we are not root.
unprivileged() {
    if [ -n "$program_user" ]; then
        setpriv --reuid="$program_user" --regid="$program_group" --clear-groups --inh-caps=-all --no-new-privs "$@"
    else
        "$@"
    fi
}

# Field 22 of /proc/PID/stat, counted after the name, which may hold spaces; a zombie has none.
start_time() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -r -a fields <<<"${stat##*) }" # state is field 3
    [ "${fields[0]}" != Z ] || return 1
    echo "${fields[19]}"
}

# Prints the pid of NAME if it runs.
pid_of() {
    local pid started
    read -r pid started _ 2>/dev/null <"$home/run/$1.pid" || return 1
    [ "$(start_time "$pid")" = "$started" ] || return 1
    echo "$pid"
}

is_up() { pid_of "$1" >/dev/null; }

# Every living process of the session that PID leads or led: itself first, then what it forked.
session_of() {
    local each stat field
    for each in /proc/[0-9]*; do
        { read -r stat <"$each/stat"; } 2>/dev/null || continue
        read -r -a field <<<"${stat##*) }" # state, parent, group, session
        if [ "${field[0]}" != Z ] && [ "${field[3]}" = "$1" ]; then
            echo "${each#/proc/}"
        fi
    done
}

# start NAME COMMAND... - in the background, unprivileged, in a clean environment; output to log/NAME.log.
# What is in $process_env (NAME=VALUE words) is all that it inherits. Runs on when it already does, with the
# same command, the same program file and the same settings ($settings, their text, when it reads a file).
start() {
    local name=$1 sum pid
    shift
    sum=$(printf '%s\n' "${process_env[@]}" "$@" "${settings:-}" | cksum | cut -d ' ' -f 1)
    if pid=$(pid_of "$name"); then
        case $(readlink "/proc/$pid/exe") in
        *' (deleted)') ;;
        *) [ "$(cut -d ' ' -f 3 "$home/run/$name.pid")" != "$sum" ] || return 0 ;;
        esac
        stop "$name"
    fi
    (
        # From here on this subshell becomes the process: the pid is written before anything can go wrong.
        exec 9>&- </dev/null >>"$home/log/$name.log" 2>&1
        cd /
        pid=$BASHPID # here: inside $() it would be another one
        echo "$pid $(start_time "$pid") $sum" >"$home/run/$name.pid"
        if [ -n "$program_user" ]; then
            exec setsid setpriv --reuid="$program_user" --regid="$program_group" --clear-groups --inh-caps=-all \
                --no-new-privs env -i "${process_env[@]}" "$@"
        fi
        exec setsid env -i "${process_env[@]}" "$@"
    ) &
    until is_started "$!" "$name"; do sleep 0.01; done
}

# Whether the pid file is already that of the subshell above.
is_started() { [ "$(cut -d ' ' -f 1 "$home/run/$2.pid" 2>/dev/null)" = "$1" ]; }

# stop NAME [SIGNAL] - asks with SIGTERM, waits, then insists; nothing of its session is left afterwards.
# While a session has members its number is given to nobody else, so a leader that was killed is no obstacle.
stop() {
    local name=$1 signal=${2:-TERM} pid started each waited=0
    read -r pid started _ 2>/dev/null <"$home/run/$name.pid" || return 0
    if [ -e "/proc/$pid" ] && [ "$(start_time "$pid")" != "$started" ]; then
        rm -f "$home/run/$name.pid" # somebody else's process by now
        return 0
    fi
    kill "-$signal" "$pid" 2>/dev/null || : # gone already
    # Children that outlive their parent drain by themselves; what is left after half a minute is ended.
    while [ $waited -lt 600 ] && [ -n "$(session_of "$pid")" ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
    for each in $(session_of "$pid"); do
        kill -KILL "$each" 2>/dev/null || :
    done
    rm -f "$home/run/$name.pid"
}

# wait_until SECONDS WHAT COMMAND... - polls; the log of $watching is shown when it ends or time is up.
wait_until() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if [ -n "${watching:-}" ] && ! is_up "$watching"; then
            tail -n 8 "$home/log/$watching.log" >&2
            fail "$watching ended while we waited for $what; its last words are above ($home/log/$watching.log)."
        fi
        if [ $SECONDS -ge $end ]; then
            [ -z "${watching:-}" ] || tail -n 8 "$home/log/$watching.log" >&2
            fail "$what did not come within $seconds s."
        fi
        sleep 0.1
    done
}

# --- ports ----------------------------------------------------------------------------------------------

port_is_free() { # ADDRESS PORT
    /usr/bin/python3 - "$1" "$2" <<'PYTHON' 2>/dev/null
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen()
PYTHON
}

answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; } # ADDRESS PORT

# keep_port NAME [ADDRESS [PROCESS]] - decides on a free port: the same one at each start, unless another
# process than PROCESS (default: of the port's name) has it.
keep_port() {
    local name=$1 address=${2:-127.0.0.1} port
    port=$(port "$name")
    if [ "$port" = 0 ] || { ! is_up "${3:-$name}" && ! port_is_free "$address" "$port"; }; then
        /usr/bin/python3 -c 'import socket, sys
s = socket.socket()
s.bind((sys.argv[1], 0))
print(s.getsockname()[1])' "$address" >"$home/run/$name.port"
    fi
}

port() { cat "$home/run/$1.port" 2>/dev/null || echo 0; }
