#!/usr/bin/env bash
# Every shell script parses and shellcheck has no warning; every Python file compiles.
status=0
list() { git -c safe.directory='*' ls-files --cached --others --exclude-standard; }
while read -r file; do
    [ -f "$file" ] || continue
    first=$(head -c 60 "$file" | tr -d '\0' | head -n 1)
    case $first in
    '#!'*bash) shell='bash' ;;
    '#!'*sh) shell='sh' ;;
    *) case $file in *.sh) shell='bash' ;; *) continue ;; esac ;;
    esac
    "$shell" -n "$file" || status=1
    # 1091: a sourced file that is not followed; 2317: a function that only a trap calls
    shellcheck -s "$shell" -S warning -f gcc -e SC1091,SC2317 "$file" || status=1
done < <(list)
while read -r file; do
    /usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file" || status=1
done < <(list | grep '\.py$')
exit $status
