# split-url.sh - a PostgreSQL URL without its password, which command lines would show to everybody; sourced by apply.sh
# and deploy/moving/move.
# shellcheck shell=bash disable=SC2034

percent_decoded() { local s=${1//\\/\\\\}; printf '%b' "${s//%/\\x}"; }

# split_url URL - puts it without its password into $bare_url, and the password into $url_password (empty: it has none).
# 1 when the password stands where we do not look for it.
split_url() {
  bare_url=$1 url_password=
  if [[ $1 =~ ^(postgres(ql)?://[^/?#@:]*):([^@/]*)@(.*)$ ]]; then
    bare_url="${BASH_REMATCH[1]}@${BASH_REMATCH[4]}"
    url_password=$(percent_decoded "${BASH_REMATCH[3]}")
  elif [[ $1 =~ [?\&\ ]password= || $1 == password=* ]]; then
    return 1
  fi
}
