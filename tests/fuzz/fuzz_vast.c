/*
 * fuzz_vast.c - any bytes as a VAST document: read, repaired, linted, scheduled, written down.
 *
 * Holds: the only codes are 0, 100, 101 and 102; a repaired document reads as VAST; the structure is JSON.
 */
#include "worker/vast/events.h"
#include "worker/vast/lint.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void schedule_all(struct arena *a, const struct vast_doc *doc)
{
    for (int i = 0; i < doc->nads; i++)
        for (int k = 0; k < doc->ads[i].ncreatives; k++) {
            struct vast_schedule schedule;
            struct err err;

            if (!vast_schedule(a, &doc->ads[i], &doc->ads[i].creatives[k], &schedule, &err))
                return;
            for (int e = 1; e < schedule.n; e++)
                assert(schedule.items[e].at_ms >= schedule.items[e - 1].at_ms);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_VALUE(arena) a;
    struct vast_findings findings;
    struct vast_doc *doc;
    struct err err;
    json_t *json;
    int code;

    arena_init(&a, 4 * 1024 * 1024);
    if (!vast_parse(&a, (struct str){(const char *)data, size}, &doc, &err))
        return 0;
    code = vast_result_code(doc->result);
    assert(code == 0 || (code >= 100 && code <= 102));
    assert(!doc->repaired || vast_result_code(doc->repaired->result) == 0);
    schedule_all(&a, doc->repaired ? doc->repaired : doc);
    if (!vast_lint(&a, doc, &findings, &err))
        return 0;
    json = vast_doc_json(doc);
    assert(json);
    json_decref(json);
    return 0;
}
