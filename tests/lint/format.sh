#!/usr/bin/env bash
# Format is .clang-format and nobody discusses it.
mapfile -t files < <(git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.c' '*.h')
clang-format --dry-run -Werror "${files[@]}" 2>&1 | grep -E 'error:' | sed 's/: error: code should be.*/: not formatted/' | sort -u -t: -k1,1
[ "${PIPESTATUS[0]}" = 0 ]
