# queries.awk - queries.sql becomes a C header: an enum of names and a table of statements.
#
# A block starts with `-- name: some_name`; comment lines are documentation and are left out of the
# text; the block ends at the next name. nparams is the highest $n. One program includes the header once
# with QUERIES_DEFINE set, which also defines the table; others see the enum alone.
/^-- name: / { name[++n] = $3; next }
/^[ \t]*--/ { next }
/^[ \t]*$/ { next }
{
    if (!n) { print "#error " FILENAME ": text before the first -- name:"; exit 1 }
    line = $0
    rest = line
    while (match(rest, /\$[0-9]+/)) {
        v = substr(rest, RSTART + 1, RLENGTH - 1) + 0
        if (v > nparams[n]) nparams[n] = v
        rest = substr(rest, RSTART + RLENGTH)
    }
    sub(/;[ \t]*$/, "", line)
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
    text[n] = text[n] "\n        \"" line "\\n\""
}
END {
    print "/* made by common/pg/queries.awk from " FILENAME "; do not edit */"
    print "#include \"common/pg/query.h\""
    print "enum query_id {"
    for (i = 1; i <= n; i++) print "    Q_" toupper(name[i]) ","
    print "    Q_COUNT"
    print "};"
    print "#ifdef QUERIES_DEFINE"
    print "static const struct query queries[Q_COUNT] = {"
    for (i = 1; i <= n; i++)
        printf "    [Q_%s] = {\"%s\", %d,%s},\n", toupper(name[i]), name[i], nparams[i], text[i]
    print "};"
    print "#endif"
}
