/*
 * purpose.c - the headers by which browsers say that they only prepare for a visit.
 */
#include "edge/purpose.h"

static bool contains_nocase(struct str value, const char *word)
{
    struct str needle = str_from(word);

    for (size_t i = 0; i + needle.len <= value.len; i++)
        if (str_equal_nocase(str_slice(value, i, i + needle.len), needle))
            return true;
    return false;
}

static bool names_a_purpose(struct str name)
{
    static const struct str headers[] = {STR("Sec-Purpose"), STR("Purpose"), STR("X-Purpose"), STR("X-Moz")};

    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        if (str_equal_nocase(name, headers[i]))
            return true;
    return false;
}

static bool is_prefetch(const struct httpd_head *head)
{
    static const char *const words[] = {"prefetch", "preview", "prerender"};

    for (int i = 0; i < head->nheaders; i++)
        for (size_t w = 0; names_a_purpose(head->headers[i].name) && w < ARRAY_LEN(words); w++)
            if (contains_nocase(head->headers[i].value, words[w]))
                return true;
    return false;
}

const char *purpose_not_a_click(const struct httpd_head *head)
{
    if (head->method == HTTPD_HEAD)
        return "head";
    return is_prefetch(head) ? "prefetch" : NULL;
}
