/*
 * browser_body.c - the last answer itself, when it may be an ad: an XML document is handed out as the tracer
 * does over HTTP, so that whoever asked for the trace may know what it is.
 *
 * It is read from the tab, which has it already: nothing is fetched twice. A page of HTML is asked for only
 * when it loaded nothing else, as a VAST document does that is served by the wrong name; others are pages. A
 * type that Chromium does not show but downloads (application/vast+xml) is a download, and not read.
 */
#include "worker/browser/browser_internal.h"

#include "common/json.h"
#include "worker/chain/head.h"

static bool is_xml(const struct hop *hop)
{
    struct head head = {.content_type = hop->content_type};

    return head_may_be_xml(&head);
}

bool body_is_wanted(struct browser_job *job)
{
    struct page *p = &job->page;
    struct hop *hop = page_hop(p);

    return p->result->outcome == OUTCOME_OK && hop && hop->status == 200 && p->is_shown &&
           p->is_document_whole && p->document_bytes <= p->options.request.max_body &&
           (is_xml(hop) || p->is_alone);
}

/*
 * Chromium has made text of it, whatever it was encoded in, so the encoding that the declaration names is no
 * longer true: without one it is UTF-8. Empty when it is no XML.
 */
static struct str xml_of(struct str text)
{
    static const struct str mark = STR("\xef\xbb\xbf");
    struct str body = str_trim(str_starts(text, mark) ? str_slice(text, mark.len, text.len) : text);

    if (str_starts_nocase(body, STR("<?xml")))
        return str_trim(str_slice(body, str_find(body, 0, '>') + 1, body.len));
    return str_starts(body, STR("<")) ? body : STR("");
}

static void on_body(struct browser_job *job, const json_t *result, const struct err *err)
{
    struct trace_result *r = job->page.result;
    struct str body = xml_of(json_get_str(result, "body", STR("")));

    if (job->phase != JOB_KEEPING)
        return;
    if (err->code != ERR_OK)
        page_note(&job->page, "the last answer could not be read: %s", err->detail);
    else if (!json_get_bool(result, "base64Encoded", false) &&
             kept_has_room(job->page.options.arena, body.len))
        r->body = arena_copy(job->page.options.arena, body);
    evidence_arrived(job, EVIDENCE_BODY);
}

void body_ask(struct browser_job *job)
{
    json_t *params = json_object();

    json_put_str(params, "requestId", page_id_str(&job->page.document));
    job_ask(job, page_id_str(&job->page.session), "Network.getResponseBody", params, on_body);
}
