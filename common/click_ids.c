/*
 * click_ids.c - the table of click ids, and the one question asked of it.
 */
#include "common/click_ids.h"

#include "common/scope.h"

/* clang-format off */
/* Sorted by the first letter. */
static const struct {
    struct str name; /* with is_prefix: every name that begins so */
    bool is_prefix;
} CLICK_IDS[] = {
    /* name         prefix     sent by */
    {STR("dclid"),           false}, /* Google Display and Video */
    {STR("epik"),            false}, /* Pinterest */
    {STR("fbclid"),          false}, /* Meta */
    {STR("gad_"),            true},  /* Google Ads: gad_source, gad_campaignid */
    {STR("gbraid"),          false}, /* Google Ads, iOS app to web */
    {STR("gclid"),           false}, /* Google Ads */
    {STR("gclsrc"),          false}, /* Google: where a gclid comes from */
    {STR("irclickid"),       false}, /* impact.com */
    {STR("li_fat_id"),       false}, /* LinkedIn */
    {STR("msclkid"),         false}, /* Microsoft Advertising */
    {STR("obclid"),          false}, /* Outbrain */
    {STR("qclid"),           false}, /* Quora */
    {STR("rdt_cid"),         false}, /* Reddit */
    {STR("sccid"),           false}, /* Snapchat */
    {STR("scclid"),          false}, /* Snapchat */
    {STR("srsltid"),         false}, /* Google Merchant Center */
    {STR("tblci"),           false}, /* Taboola */
    {STR("ttclid"),          false}, /* TikTok */
    {STR("twclid"),          false}, /* X */
    {STR("wbraid"),          false}, /* Google Ads, iOS web to app */
    {STR("wickedid"),        false}, /* Wicked Reports */
    {STR("yclid"),           false}, /* Yandex */
    {STR("ysclid"),          false}, /* Yandex, search */
};
/* clang-format on */

/*
 * Where the ids of a letter are: the question is asked of every parameter of every click, and most are none.
 */
static struct {
    uint8_t from, to;
} by_letter[UINT8_MAX + 1];

__attribute__((constructor)) static void index_ids(void)
{
    for (uint8_t i = 0; i < ARRAY_LEN(CLICK_IDS); i++) {
        unsigned char letter = (unsigned char)CLICK_IDS[i].name.ptr[0];

        if (by_letter[letter].to == 0)
            by_letter[letter].from = i;
        by_letter[letter].to = (uint8_t)(i + 1);
    }
}

bool click_id_is(struct str name)
{
    unsigned char letter = name.len ? (unsigned char)name.ptr[0] | 0x20 : 0; /* in lower case, if it is one */

    for (uint8_t i = by_letter[letter].from; i < by_letter[letter].to; i++) {
        struct str id = CLICK_IDS[i].name;

        if (CLICK_IDS[i].is_prefix ? str_starts_nocase(name, id) : str_equal_nocase(name, id))
            return true;
    }
    return false;
}
