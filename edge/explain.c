/*
 * explain.c - a decision in the words of the README.
 */
#include "edge/explain.h"

#include "common/json.h"

#include <arpa/inet.h>

static const char *const VISIBLE[] = {[DECIDE_VISIBLE_NONE] = "none",
                                      [DECIDE_VISIBLE_FOLLOWED] = "followed",
                                      [DECIDE_VISIBLE_REFUSED] = "refused"};

static bool has_debug(struct str query)
{
    for (struct str rest = query, piece; str_cut(&rest, '&', &piece);)
        if (str_equal(str_slice(piece, 0, str_find(piece, 0, '=')), STR("debug")))
            return true;
    return false;
}

bool explain_is_asked(const struct httpd_head *head, struct str token)
{
    struct str sent = httpd_header(head, STR("Authorization")), scheme = STR("Bearer ");

    return token.len && has_debug(head->query) && str_starts_nocase(sent, scheme) &&
           str_equal_secret(str_slice(sent, scheme.len, sent.len), token);
}

static void put_text(json_t *object, const char *key, struct str text)
{
    json_put(object, key, text.len ? json_from_str(text) : json_null());
}

static json_t *params(const struct inbound *in)
{
    json_t *list = json_array();

    for (size_t i = 0; i < in->n; i++) {
        json_t *one = json_object();

        json_put_str(one, "name", in->params[i].name);
        json_put_str(one, "value", in->params[i].value);
        json_put(one, "is_click_id", json_boolean(in->params[i].is_click_id));
        json_put(one, "is_for_the_edge", json_boolean(in->params[i].is_own));
        json_array_append_new(list, one);
    }
    return list;
}

static void put_offer(json_t *object, const struct decision *d)
{
    put_text(object, "offer", d->offer_name);
    put_text(object, "offer_id", d->offer ? d->offer->id : STR(""));
    json_put_str(object, "outcome", str_from(decide_outcome_name(d->outcome)));
    put_text(object, "message", str_from(decide_message(d->outcome)));
    json_put_str(object, "visible_target", str_from(VISIBLE[d->visible]));
    json_put(object, "is_fallback", json_boolean(d->location.len && d->outcome != DECIDE_REDIRECT));
}

static void put_visitor(json_t *object, const struct visit *visit)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (visit->is_known)
        inet_ntop(AF_INET6, visit->address, text, sizeof(text));
    put_text(object, "visitor_address", str_from(text));
}

static const char *skip_reason(const struct decision *d, const struct visit *visit)
{
    return decide_skip_reason(d->outcome) ? decide_skip_reason(d->outcome) : visit->skip_reason;
}

void explain_write(const struct decision *d, const struct visit *visit, const char *not_a_click,
                   struct buf *out)
{
    SCOPED(json_t) object = json_object();
    bool is_redirected = d->location.len > 0;

    json_put_int(object, "status", is_redirected ? 302 : decide_status(d->outcome));
    put_text(object, "location", buf_str(&d->location));
    put_text(object, "traced_url", is_redirected ? buf_str(&d->traced) : STR(""));
    put_offer(object, d);
    put_text(object, "country", d->country);
    put_visitor(object, visit);
    json_put(object, "makes_a_row", json_boolean(is_redirected && !not_a_click));
    put_text(object, "not_a_click", str_from(not_a_click));
    put_text(object, "skip_reason", is_redirected ? str_from(skip_reason(d, visit)) : STR(""));
    put_text(object, "duplicate_of", str_from(visit->duplicate_of.text));
    json_put(object, "params", params(&d->inbound));
    json_write(object, out);
}
