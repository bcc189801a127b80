#!/bin/sh
# check-pool-health.sh [OPTIONS] - is the pool healthy? For crontab, and for a person.
#
#   */10 * * * * /usr/share/tracepool/deploy/check-pool-health.sh --config /etc/tracepool/tracepool.ini
#
# Prints pool and queue and a line for each warning. Asks the database itself (DATABASE_URL, or what the options say), so it
# works while the monitor is down. Exit 0 healthy, 1 warnings, 2 unreachable, or wrong options.
# TRACEPOOL_MONITOR names the program when it is not in the PATH.
exec "${TRACEPOOL_MONITOR:-tracepool-monitor}" "$@" check
