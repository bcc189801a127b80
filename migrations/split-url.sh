# split-url.sh - a PostgreSQL URL without its password, which command lines would show to everybody, and whether it takes TLS;
# sourced by apply.sh and deploy/moving/move.
# shellcheck shell=bash disable=SC2034

percent_decoded() { local s=${1//\\/\\\\}; printf '%b' "${s//%/\\x}"; }

# is_strange HOST[:PORT] - a server that is neither a socket nor this machine by number or name.
is_strange() {
  local host=$1
  case $host in
  \[*) host=${host#[} host=${host%%]*} ;;
  *:*:*) ;;
  *) host=${host%%:*} ;;
  esac
  [[ ! $host =~ ^(|[/@].*|localhost|127\.[0-9.]+|::1)$ ]]
}

# tls_of URL - the sslmode that psql has to be told, so that it does as our programs do: none where somebody said one, or where
# all servers are this machine.
tls_of() {
  local hosts='' mode=require host
  [[ -z ${PGSSLMODE:-} && ! $1 =~ (^|[?\&\ ])sslmode= ]] || return 0
  if [[ $1 =~ (^|[?\&\ ])hostaddr=([^\&\ ]*) || $1 =~ (^|[?\&\ ])host=([^\&\ ]*) || $1 =~ ^(postgres(ql)?://)([^/?#@]*@)?([^/?#]*) ]]; then
    hosts=$(percent_decoded "${BASH_REMATCH[-1]}")
  fi
  [[ $1 != *sslrootcert=* && -z ${PGSSLROOTCERT:-} ]] || mode=verify-full
  IFS=, read -ra hosts <<<"${hosts:-${PGHOSTADDR:-${PGHOST:-}}}"
  for host in "${hosts[@]}"; do
    if is_strange "$host"; then echo "$mode"; return 0; fi
  done
}

# split_url URL - puts it without its password into $bare_url, the password into $url_password (empty: it has none), and what
# PGSSLMODE has to be into $url_sslmode (empty: as it is). 1 when the password stands where we do not look for it.
split_url() {
  bare_url=$1 url_password='' url_sslmode=$(tls_of "$1")
  if [[ $1 =~ ^(postgres(ql)?://[^/?#@:]*):([^@/]*)@(.*)$ ]]; then
    bare_url="${BASH_REMATCH[1]}@${BASH_REMATCH[4]}"
    url_password=$(percent_decoded "${BASH_REMATCH[3]}")
  elif [[ $1 =~ [?\&\ ]password= || $1 == password=* ]]; then
    return 1
  fi
}
