/*
 * beacon.c - see beacon.h.
 */
#include "worker/beacon.h"

#include "common/json.h"
#include "common/pg/row.h"

enum { BEACON_MEMORY_MAX = 4 * 1024 * 1024 };

void beacons_push(struct beacons *list, struct beacon *b)
{
    b->next = NULL;
    if (list->last)
        list->last->next = b;
    else
        list->first = b;
    list->last = b;
    list->n++;
}

static struct beacon *unlink_after(struct beacons *list, struct beacon *before)
{
    struct beacon *b = before ? before->next : list->first;

    if (!b)
        return NULL;
    if (before)
        before->next = b->next;
    else
        list->first = b->next;
    if (list->last == b)
        list->last = before;
    list->n--;
    b->next = NULL;
    return b;
}

struct beacon *beacons_pop(struct beacons *list)
{
    return unlink_after(list, NULL);
}

struct beacon *beacons_take(struct beacons *list, int64_t id)
{
    struct beacon *before = NULL;

    for (struct beacon *b = list->first; b; before = b, b = b->next) {
        if (b->id == id)
            return unlink_after(list, before);
    }
    return NULL;
}

void beacon_free(struct beacon *b)
{
    arena_finish(&b->arena);
    free(b);
}

void beacons_free(struct beacons *list)
{
    for (struct beacon *b; (b = beacons_pop(list)) != NULL;)
        beacon_free(b);
}

static struct str copy(struct beacon *b, const PGresult *res, int row, const char *column)
{
    return arena_copy(&b->arena, row_str(res, row, row_column(res, column)));
}

/* As the provider of its ad wants its macros; NULL columns leave it as the settings have it. */
static struct vast_sender sender_of(const PGresult *res, int row, const struct vast_sender *sender)
{
    struct str mode = row_str(res, row, row_column(res, "macro_mode"));
    struct str formats = row_str(res, row, row_column(res, "macro_formats"));
    struct vast_sender own = *sender;

    if (mode.len)
        own.mode = str_equal(mode, STR("iab")) ? VAST_MACRO_IAB : VAST_MACRO_LEAVE;
    if (str_equal(formats, STR("[]")))
        own.formats = VAST_MACRO_BRACKETS;
    else if (str_equal(formats, STR("${}")))
        own.formats = VAST_MACRO_DOLLARS;
    return own;
}

static bool find_url(struct beacon *b, const PGresult *res, int row, const struct vast_sender *settings)
{
    struct vast_sender sender = sender_of(res, row, settings);
    struct str fixed = row_str(res, row, row_column(res, "url"));
    SCOPED(json_t) macros = json_parse(row_str(res, row, row_column(res, "macros")), &b->refusal);
    SCOPED(json_t) params = json_parse(row_str(res, row, row_column(res, "params")), &b->refusal);

    if (fixed.len)
        return url_parse(&b->arena, fixed, NULL, &b->url, &b->refusal);
    return macros && params &&
           vast_event_url(&b->arena, row_str(res, row, row_column(res, "url_template")), macros, params,
                          &sender, &b->url, &b->refusal);
}

struct beacon *beacon_read(const PGresult *res, int row, const struct vast_sender *sender)
{
    struct beacon *b = calloc(1, sizeof(*b));

    if (!b)
        abort();
    arena_init(&b->arena, BEACON_MEMORY_MAX);
    b->id = row_int(res, row, row_column(res, "id"), 0);
    b->attempts = (int)row_int(res, row, row_column(res, "attempts"), 0);
    b->is_billing = row_bool(res, row, row_column(res, "is_billing"), true);
    b->request_id = copy(b, res, row, "request_id");
    b->event = copy(b, res, row, "event");
    b->creative_id = copy(b, res, row, "creative_id");
    b->is_logged = row_bool(res, row, row_column(res, "is_logged"), true);
    b->has_url = find_url(b, res, row, sender);
    b->is_refused = !b->has_url;
    return b;
}

json_t *beacons_begin_json(const struct beacons *list)
{
    json_t *all = json_array();

    for (const struct beacon *b = list->first; b; b = b->next) {
        json_t *o = json_object();

        json_put_int(o, "id", b->id);
        json_put_int(o, "attempts", b->attempts);
        if (b->has_url) {
            json_put_str(o, "url", b->url.href);
            json_put_str(o, "host", allow_host(&b->url));
        }
        if (b->is_refused)
            json_put_str(o, "refusal", str_from(b->refusal.detail));
        json_add(all, o);
    }
    return all;
}

static json_t *finish_json(const struct beacon *b, int attempts)
{
    const struct fire_result *r = &b->result;
    json_t *o = json_object();

    json_put_int(o, "id", b->id);
    json_put_int(o, "attempts", attempts);
    json_put_str(o, "outcome", str_from(fire_outcome_name(r->outcome)));
    json_put_str(o, "phase", str_from(r->phase));
    json_put(o, "status", r->status ? json_integer(r->status) : json_null());
    json_put(o, "error", r->err.code != ERR_OK ? json_from_str(str_from(r->err.detail)) : json_null());
    json_put(o, "response_ms", r->response_ms >= 0 ? json_integer(r->response_ms) : json_null());
    json_put(o, "reused", json_boolean(r->is_reused));
    json_put(o, "remote", r->remote[0] ? json_from_str(str_from(r->remote)) : json_null());
    json_put_int(o, "pause_ms", r->pause_ms);
    return o;
}

/* One that may or may not have been recorded is told for both; the fence lets one of them through. */
json_t *beacons_finish_json(const struct beacons *list)
{
    json_t *all = json_array();

    for (const struct beacon *b = list->first; b; b = b->next) {
        json_add(all, finish_json(b, b->attempts));
        if (b->is_unsure)
            json_add(all, finish_json(b, b->attempts + 1));
    }
    return all;
}

void beacon_hold(struct beacon *b, int64_t pause_ms)
{
    b->result = (struct fire_result){
        .outcome = FIRE_HELD, .phase = "held", .response_ms = -1, .pause_ms = pause_ms > 0 ? pause_ms : 0};
}
