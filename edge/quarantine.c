/*
 * quarantine.c - see quarantine.h.
 */
#include "edge/quarantine.h"

#include "common/json.h"
#include "common/log.h"
#include "common/uuid.h"
#include "edge/queries.h"
#include "edge/segment.h"

#include <stdio.h>

bool quarantine_is_for(const char *sqlstate)
{
    /* clang-format off */
    static const char *const classes[] = {
        "21", /* cardinality: what was sent repeats itself */
        "22", /* data exception */
        "23", /* constraint */
        "54", /* a limit, such as that of an index row */
        "P0", /* raised by a function or a trigger */
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (sqlstate[0] == classes[i][0] && sqlstate[1] == classes[i][1])
            return true;
    return false;
}

static void put_hex(struct buf *out, struct str bytes)
{
    static const char HEX[] = "0123456789abcdef";

    buf_append_str(out, STR("\\x"));
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        buf_append(out, (char[]){HEX[c >> 4], HEX[c & 15]}, 2);
    }
}

void quarantine_send(struct pg *pg, const char *incarnation, struct str payload, const char *sqlstate,
                     const struct err *why, pg_done_cb done, void *arg)
{
    SCOPED_VALUE(buf) hex = {.max = 2 * SEGMENT_MAX_PAYLOAD + 2};
    struct err ignored;
    SCOPED(json_t) click = json_parse(payload, &ignored);
    struct str id = json_get_str(click, "id", STR(""));
    bool has_id = uuid_is_valid(id);
    char reason[300];

    put_hex(&hex, payload);
    snprintf(reason, sizeof(reason), "%s: %s", sqlstate, why->detail);
    log_error("click.quarantined", kv("trace", has_id ? id : STR("unknown")), kv("sqlstate", sqlstate),
              kv("advice", "see table spool_quarantine"));
    pg_send(pg, Q_QUARANTINE_CLICK,
            (const char *const[]){has_id ? id.ptr : NULL, incarnation, reason, buf_cstr(&hex)}, 0, done, arg);
}
