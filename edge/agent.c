/*
 * agent.c - declared bots and link previews, by words in the User-Agent.
 */
#include "edge/agent.h"

#include "common/scope.h"

static const char BOT[] = "bot", PREVIEW[] = "link_preview";

/* clang-format off */
/* Lower case, sorted; anywhere in the agent. The first that is found decides. */
static const struct { const char *word; const char *reason; } WORDS[] = {
    {"adsbot",                BOT}, {"bingpreview",           BOT},
    {"bytespider",            BOT}, {"crawler",               BOT},
    {"discordbot",            PREVIEW}, {"embedly",               PREVIEW},
    {"facebookexternalhit",   PREVIEW}, {"facebot",               PREVIEW},
    {"google-inspectiontool", BOT}, {"google-pagerenderer",   PREVIEW},
    {"google-read-aloud",     BOT}, {"googleother",           BOT},
    {"ia_archiver",           BOT}, {"lighthouse",            BOT},
    {"linkedinbot",           PREVIEW}, {"mattermost-bot",        PREVIEW},
    {"mediapartners-google",  BOT}, {"microsoftpreview",      PREVIEW},
    {"pinterestbot",          PREVIEW}, {"redditbot",             PREVIEW},
    {"skypeuripreview",       PREVIEW}, {"slack-imgproxy",        PREVIEW},
    {"slackbot",              PREVIEW}, {"slurp",                 BOT},
    {"spider",                BOT}, {"telegrambot",           PREVIEW},
    {"twitterbot",            PREVIEW}, {"viber",                 PREVIEW},
    {"vkshare",               PREVIEW}, {"whatsapp/",             PREVIEW},
};
/* clang-format on */

/* Where the words with that first letter are, because most places in an agent begin none of them. */
static struct {
    uint8_t from, to;
} by_letter[26];

__attribute__((constructor)) static void index_words(void)
{
    for (uint8_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        int letter = WORDS[i].word[0] - 'a';

        if (by_letter[letter].to == 0)
            by_letter[letter].from = i;
        by_letter[letter].to = (uint8_t)(i + 1);
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word_at(struct str s, size_t at, const char *word)
{
    for (; *word; word++, at++)
        if (at == s.len || lower(s.ptr[at]) != *word)
            return false;
    return true;
}

static bool is_letter(struct str s, size_t at)
{
    return at < s.len && lower(s.ptr[at]) >= 'a' && lower(s.ptr[at]) <= 'z';
}

/* "bot" at a word's end: Googlebot, bingbot/2.0, YandexBot. Cubot makes telephones. */
static bool is_bot_at(struct str s, size_t at)
{
    return is_word_at(s, at, "bot") && !is_letter(s, at + 3) && !(at >= 2 && is_word_at(s, at - 2, "cubot"));
}

static const char *reason_at(struct str s, size_t at)
{
    int letter = lower(s.ptr[at]) - 'a';

    if (letter < 0 || letter >= 26)
        return NULL;
    for (uint8_t i = by_letter[letter].from; i < by_letter[letter].to; i++)
        if (is_word_at(s, at, WORDS[i].word))
            return WORDS[i].reason;
    return NULL;
}

const char *agent_skip_reason(struct str s)
{
    bool is_bot = false;

    for (size_t at = 0; at < s.len; at++) {
        const char *reason = reason_at(s, at);

        if (reason)
            return reason;
        is_bot |= is_bot_at(s, at);
    }
    return is_bot ? BOT : NULL;
}
