/*
 * click_ids.c - the table of click ids, and the one question asked of it.
 */
#include "common/click_ids.h"

#include "common/scope.h"

/* clang-format off */
static const struct {
    struct str name; /* with is_prefix: every name that begins so */
    bool is_prefix;
} CLICK_IDS[] = {
    /* name         prefix     sent by */
    {STR("gclid"),           false}, /* Google Ads */
    {STR("gbraid"),          false}, /* Google Ads, iOS app to web */
    {STR("wbraid"),          false}, /* Google Ads, iOS web to app */
    {STR("gad_"),            true},  /* Google Ads: gad_source, gad_campaignid */
    {STR("gclsrc"),          false}, /* Google: where a gclid comes from */
    {STR("dclid"),           false}, /* Google Display and Video */
    {STR("srsltid"),         false}, /* Google Merchant Center */
    {STR("msclkid"),         false}, /* Microsoft Advertising */
    {STR("fbclid"),          false}, /* Meta */
    {STR("ttclid"),          false}, /* TikTok */
    {STR("twclid"),          false}, /* X */
    {STR("li_fat_id"),       false}, /* LinkedIn */
    {STR("yclid"),           false}, /* Yandex */
    {STR("ysclid"),          false}, /* Yandex, search */
    {STR("epik"),            false}, /* Pinterest */
    {STR("sccid"),           false}, /* Snapchat */
    {STR("scclid"),          false}, /* Snapchat */
    {STR("rdt_cid"),         false}, /* Reddit */
    {STR("qclid"),           false}, /* Quora */
    {STR("obclid"),          false}, /* Outbrain */
    {STR("tblci"),           false}, /* Taboola */
    {STR("irclickid"),       false}, /* impact.com */
    {STR("wickedid"),        false}, /* Wicked Reports */
};
/* clang-format on */

/* For every parameter of every click: the first letter sorts nearly all of them out without a call. */
bool click_id_is(struct str name)
{
    char first = name.len ? (char)(name.ptr[0] | 0x20) : '\0';

    for (size_t i = 0; i < ARRAY_LEN(CLICK_IDS); i++) {
        struct str id = CLICK_IDS[i].name;

        if (id.ptr[0] != first)
            continue;
        if (CLICK_IDS[i].is_prefix ? str_starts_nocase(name, id) : str_equal_nocase(name, id))
            return true;
    }
    return false;
}
