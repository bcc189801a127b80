#!/bin/sh
# Prints the number of the newest migration: the schema that the programs are built against.
cd "$(dirname "$0")" || exit 1
newest=$(ls | sed -n 's/^\([0-9][0-9]*\)_.*\.sql$/\1/p' | sort -n | tail -n 1)
expr "${newest:-0}" + 0 || [ "${newest:-0}" = 0000 ] || [ -z "$newest" ]
