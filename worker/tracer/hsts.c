/*
 * hsts.c - a short list of host names. Expiry is of no interest: no trace lives that long.
 */
#include "worker/tracer/hsts.h"

static bool is_subdomain(struct str name, struct str of)
{
    return name.len > of.len && name.ptr[name.len - of.len - 1] == '.' &&
           str_equal(str_slice(name, name.len - of.len, name.len), of);
}

static struct hsts_host *find(struct hsts *hsts, struct str name)
{
    for (int i = 0; i < hsts->nhosts; i++)
        if (str_equal(hsts->hosts[i].name, name))
            return &hsts->hosts[i];
    return NULL;
}

/* False when max-age is missing: then the header says nothing. */
static bool parse(struct str value, bool *with_subdomains, bool *is_off)
{
    struct str part;
    int64_t seconds;
    bool has_age = false;

    *with_subdomains = *is_off = false;
    while (str_cut(&value, ';', &part)) {
        struct str age = part, key;

        if (str_equal_nocase(str_trim(part), STR("includesubdomains")))
            *with_subdomains = true;
        if (!str_cut(&age, '=', &key) || !age.ptr || !str_equal_nocase(str_trim(key), STR("max-age")))
            continue;
        age = str_trim(age);
        if (age.len > 2 && age.ptr[0] == '"')
            age = str_slice(age, 1, age.len - 1);
        has_age = str_to_int(age, &seconds);
        *is_off = has_age && seconds == 0;
    }
    return has_age;
}

void hsts_note(struct hsts *hsts, const struct url *u, struct str value)
{
    struct hsts_host *host = find(hsts, u->host);
    bool with_subdomains, is_off;

    if (!str_equal(u->scheme, STR("https")) || u->host_kind != URL_HOST_DOMAIN ||
        !parse(value, &with_subdomains, &is_off))
        return;
    if (is_off) {
        if (host)
            host->name = STR("");
        return;
    }
    if (!host && hsts->nhosts < HSTS_HOSTS_MAX)
        host = &hsts->hosts[hsts->nhosts++];
    if (host)
        *host = (struct hsts_host){.name = u->host, .with_subdomains = with_subdomains};
}

bool hsts_applies(const struct hsts *hsts, const struct url *u)
{
    if (!str_equal(u->scheme, STR("http")) || u->host_kind != URL_HOST_DOMAIN)
        return false;
    for (int i = 0; i < hsts->nhosts; i++) {
        const struct hsts_host *host = &hsts->hosts[i];

        if (host->name.len &&
            (str_equal(host->name, u->host) || (host->with_subdomains && is_subdomain(u->host, host->name))))
            return true;
    }
    return false;
}

bool hsts_upgrade(struct arena *a, const struct url *u, struct url *out, struct err *err)
{
    char *text = arena_printf(a, "https%.*s", STR_ARG(str_slice(u->href, u->scheme.len, u->href.len)));

    if (!text)
        return err_set(err, ERR_TOO_BIG, "a trace's memory is used up");
    return url_parse(a, str_from(text), NULL, out, err);
}
