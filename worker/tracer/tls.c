/*
 * tls.c - what the handshake of a transfer showed: its version, what was agreed to be spoken, the
 * certificate. Asked of libcurl for https alone (CURLOPT_CERTINFO, CURLOPT_VERBOSE in transfer.c).
 */
#include "worker/tracer/internal.h"

#include <string.h>
#include <time.h>

/* The last word of "ALPN: server accepted h2", or of what older versions say. */
static struct str last_word(struct str line)
{
    size_t from = line.len;

    while (from && line.ptr[from - 1] != ' ')
        from--;
    return str_slice(line, from, line.len);
}

int transfer_on_debug(CURL *easy, curl_infotype type, char *bytes, size_t len, void *arg)
{
    static const char prefix[] = "SSL connection using ", accepted[] = " server accepted ";
    struct transfer *t = arg;
    struct str line = str_trim((struct str){bytes, len});

    (void)easy;
    if (type != CURLINFO_TEXT)
        return 0;
    if (str_starts(line, STR("ALPN")) && str_starts(str_slice(line, 5, line.len), str_from(accepted)))
        t->alpn = arena_copy(t->arena, last_word(line));
    if (!str_starts(line, str_from(prefix)))
        return 0;
    line = str_slice(line, sizeof(prefix) - 1, line.len);
    t->tls_version = arena_copy(t->arena, str_slice(line, 0, str_find(line, 0, ' ')));
    return 0;
}

/* "Jan 31 12:00:00 2027 GMT", as OpenSSL has it, becomes ISO 8601; what looks otherwise stays as it is. */
static struct str time_of(struct arena *a, const char *text)
{
    struct tm tm = {0};
    char iso[32];
    const char *end = strptime(text, "%b %d %H:%M:%S %Y", &tm);

    if (!end || strcmp(end, " GMT") != 0)
        return arena_copy(a, str_from(text));
    strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return arena_copy(a, str_from(iso));
}

/* "DNS:shop.test, DNS:*.shop.test, IP Address:192.0.2.1" */
static void take_names(struct transfer *t, struct str list)
{
    struct str name, kind;

    while (str_cut(&list, ',', &name)) {
        name = str_trim(name);
        str_cut(&name, ':', &kind);
        if (str_equal(kind, STR("DNS")) || str_equal(kind, STR("IP Address")))
            certificate_add_name(t->arena, &t->certificate, name);
    }
}

static void take_fact(struct transfer *t, struct str line)
{
    struct hop_certificate *c = &t->certificate;
    struct str name;

    str_cut(&line, ':', &name);
    if (str_equal(name, STR("Subject")))
        c->subject = arena_copy(t->arena, line);
    else if (str_equal(name, STR("Issuer")))
        c->issuer = arena_copy(t->arena, line);
    else if (str_equal(name, STR("Start date")))
        c->not_before = time_of(t->arena, line.ptr);
    else if (str_equal(name, STR("Expire date")))
        c->not_after = time_of(t->arena, line.ptr);
    else if (str_equal(name, STR("X509v3 Subject Alternative Name")))
        take_names(t, line);
}

void transfer_look_at_certificate(struct transfer *t)
{
    struct curl_certinfo *found = NULL;

    curl_easy_getinfo(t->easy, CURLINFO_CERTINFO, &found);
    t->certificate = (struct hop_certificate){0};
    if (!found || found->num_of_certs < 1)
        return;
    for (struct curl_slist *line = found->certinfo[0]; line; line = line->next)
        take_fact(t, str_from(line->data));
}
