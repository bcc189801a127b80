/*
 * click_ids.c - the table of click ids, and the one question asked of it.
 */
#include "common/click_ids.h"

#include "common/scope.h"

/* clang-format off */
static const struct {
    const char *name; /* with is_prefix: every name that begins so */
    bool is_prefix;
} CLICK_IDS[] = {
    /* name         prefix     sent by */
    {"gclid",           false}, /* Google Ads */
    {"gbraid",          false}, /* Google Ads, iOS app to web */
    {"wbraid",          false}, /* Google Ads, iOS web to app */
    {"gad_",            true},  /* Google Ads: gad_source, gad_campaignid */
    {"gclsrc",          false}, /* Google: where a gclid comes from */
    {"dclid",           false}, /* Google Display and Video */
    {"srsltid",         false}, /* Google Merchant Center */
    {"msclkid",         false}, /* Microsoft Advertising */
    {"fbclid",          false}, /* Meta */
    {"ttclid",          false}, /* TikTok */
    {"twclid",          false}, /* X */
    {"li_fat_id",       false}, /* LinkedIn */
    {"yclid",           false}, /* Yandex */
    {"ysclid",          false}, /* Yandex, search */
    {"epik",            false}, /* Pinterest */
    {"sccid",           false}, /* Snapchat */
    {"scclid",          false}, /* Snapchat */
    {"rdt_cid",         false}, /* Reddit */
    {"qclid",           false}, /* Quora */
    {"obclid",          false}, /* Outbrain */
    {"tblci",           false}, /* Taboola */
    {"irclickid",       false}, /* impact.com */
    {"wickedid",        false}, /* Wicked Reports */
};
/* clang-format on */

bool click_id_is(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(CLICK_IDS); i++) {
        struct str id = str_from(CLICK_IDS[i].name);

        if (CLICK_IDS[i].is_prefix ? str_starts_nocase(name, id) : str_equal_nocase(name, id))
            return true;
    }
    return false;
}
