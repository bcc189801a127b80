/*
 * pages.c - serves the dashboard's embedded files. See pages.h.
 *
 * The headers are the second lock on the door. The first is that the scripts show data as text only; should
 * one ever fail to, the policy allows no inline code, no other host, and no HTML made from strings.
 */
#include "monitor/pages.h"

#include "common/metrics.h"
#include "common/scope.h"

struct asset {
    struct str name;
    struct str type;
    struct str body;
};

#include "monitor/dashboard_asset.h"

enum { HEADERS_MAX_BYTES = 2000 };

#define PAGE_NAME "index.html"
#define DESCRIPTION_NAME "openapi.json"
#define ASSETS_PATH "/assets/" ASSETS_TAG "/"
#define ETAG "\"" ASSETS_TAG "\""

/* blob: is how a screenshot, which is fetched with the token, comes into an image. */
#define SAFETY_HEADERS                                                                                       \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "                     \
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "                        \
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"                   \
    "X-Content-Type-Options: nosniff\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                                       \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                            \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

static const struct asset *find_asset(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(assets); i++)
        if (str_equal(assets[i].name, name))
            return &assets[i];
    return NULL;
}

/* These two have a path of their own, and no other. */
static bool is_named(struct str name)
{
    return str_equal(name, STR(PAGE_NAME)) || str_equal(name, STR(DESCRIPTION_NAME));
}

static const struct asset *find_page(struct str path)
{
    struct str prefix = STR(ASSETS_PATH);

    if (str_equal(path, STR("/")))
        return find_asset(STR(PAGE_NAME));
    if (!str_starts(path, prefix))
        return NULL;
    struct str name = str_slice(path, prefix.len, path.len);
    return is_named(name) ? NULL : find_asset(name);
}

/* RFC 9110 13.1.2: a list of tags, or *. Weak ones compare equal too. */
static bool has_it_already(const struct httpd_head *head)
{
    struct str list = httpd_header(head, STR("If-None-Match"));

    for (struct str rest = list, tag; str_cut(&rest, ',', &tag);) {
        tag = str_trim(tag);
        if (str_starts(tag, STR("W/")))
            tag = str_slice(tag, 2, tag.len);
        if (str_equal(tag, STR(ETAG)) || str_equal(tag, STR("*")))
            return true;
    }
    return false;
}

static void answer(struct httpd_conn *conn, const struct httpd_head *head, const struct asset *asset)
{
    SCOPED_VALUE(buf) headers;

    buf_init(&headers, HEADERS_MAX_BYTES);
    buf_printf(&headers,
               "Content-Type: %.*s\r\n"
               "Cache-Control: %s\r\n"
               "ETag: " ETAG "\r\n" SAFETY_HEADERS,
               STR_ARG(asset->type),
               is_named(asset->name) ? "no-cache" : "public, max-age=31536000, immutable");
    metrics_add(METRIC_API_CALLS, 1);
    if (has_it_already(head))
        httpd_respond(conn, 304, buf_str(&headers), STR(""));
    else
        httpd_respond(conn, 200, buf_str(&headers), asset->body);
}

bool pages_answer(struct httpd_conn *conn, const struct httpd_head *head)
{
    const struct asset *asset = head->method == HTTPD_POST ? NULL : find_page(head->path);

    if (asset)
        answer(conn, head, asset);
    return asset;
}

void pages_get_description(struct monitor *m, struct httpd_conn *conn)
{
    (void)m;
    answer(conn, httpd_request(conn)->head, find_asset(STR(DESCRIPTION_NAME)));
}
