/*
 * code.c - JavaScript as a row of tokens, looked at through a window of six.
 *
 * Braces are followed to know when a function that waits for a click has ended; everything in it is passed
 * over. A handler begins where a function follows `onclick =` or the name of such an event in a call
 * (addEventListener('click', ...), $(x).on('submit', ...), x.click(function ...)).
 */
#include "worker/tracer/code.h"

#include "common/scope.h"

#include <string.h>

enum { WINDOW = 6, DEPTH_MAX = 256 };

enum token_kind { TOKEN_NONE, TOKEN_NAME, TOKEN_STRING, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    struct str text; /* a string's content, without its quotes */
};

struct scan {
    struct str code;
    size_t at;
    struct token last[WINDOW]; /* last[0] is the newest */
    int depth;                 /* of braces and parentheses */
    int handler_depth;         /* the depth outside the click handler that we are in; -1: in none */
    bool is_handler_near;      /* what follows on this level is a handler: until its function, or a ';' */
    int near_depth;
    struct code_signs *signs;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static char peek(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->code.len ? s->code.ptr[s->at + ahead] : '\0';
}

/* --- tokens --------------------------------------------------------------------------------------------- */

static void skip_to(struct scan *s, const char *end)
{
    const char *hit = memmem(s->code.ptr + s->at, s->code.len - s->at, end, strlen(end));

    s->at = hit ? (size_t)(hit - s->code.ptr) + strlen(end) : s->code.len;
}

static bool skip_space(struct scan *s)
{
    char c = peek(s, 0);

    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        s->at++;
        return true;
    }
    if (c == '/' && peek(s, 1) == '/') {
        skip_to(s, "\n");
        return true;
    }
    if (c == '/' && peek(s, 1) == '*') {
        s->at += 2;
        skip_to(s, "*/");
        return true;
    }
    return false;
}

/* From the opening quote behind the closing one; a template's ${...} is taken as text. */
static struct token take_string(struct scan *s, char quote)
{
    size_t from = ++s->at;

    while (s->at < s->code.len && s->code.ptr[s->at] != quote) {
        if (s->code.ptr[s->at] == '\n' && quote != '`')
            break;
        s->at += s->code.ptr[s->at] == '\\' ? 2 : 1;
    }
    if (s->at > s->code.len)
        s->at = s->code.len;
    return (struct token){TOKEN_STRING, str_slice(s->code, from, s->at++)};
}

/* Where an operand may stand, '/' begins a regular expression; behind a value it divides. */
static bool is_regex_place(const struct scan *s)
{
    const struct token *before = &s->last[0];

    if (before->kind == TOKEN_NAME)
        return str_equal(before->text, STR("return")) || str_equal(before->text, STR("typeof"));
    if (before->kind == TOKEN_SIGN)
        return before->text.ptr[0] != ')' && before->text.ptr[0] != ']' && before->text.ptr[0] != '}';
    return before->kind == TOKEN_NONE;
}

static struct token take_regex(struct scan *s)
{
    bool in_class = false;
    size_t from = ++s->at;

    for (; s->at < s->code.len && s->code.ptr[s->at] != '\n'; s->at++) {
        char c = s->code.ptr[s->at];

        if (c == '\\')
            s->at++;
        else if (c == '[')
            in_class = true;
        else if (c == ']')
            in_class = false;
        else if (c == '/' && !in_class)
            break;
    }
    if (s->at > s->code.len)
        s->at = s->code.len;
    return (struct token){TOKEN_STRING, str_slice(s->code, from, s->at++)};
}

static struct token take_name(struct scan *s)
{
    size_t from = s->at;

    while (s->at < s->code.len && is_name_char(s->code.ptr[s->at]))
        s->at++;
    return (struct token){TOKEN_NAME, str_slice(s->code, from, s->at)};
}

/* One character, but for what begins with '=': "==", "===" and "=>" are no assignment. */
static struct token take_sign(struct scan *s)
{
    size_t from = s->at++;

    if (s->code.ptr[from] == '=')
        while (peek(s, 0) == '=' || (peek(s, 0) == '>' && s->at == from + 1))
            s->at++;
    return (struct token){TOKEN_SIGN, str_slice(s->code, from, s->at)};
}

static bool next_token(struct scan *s, struct token *out)
{
    char c;

    while (s->at < s->code.len && skip_space(s))
        ;
    if (s->at >= s->code.len)
        return false;
    c = peek(s, 0);
    if (c == '"' || c == '\'' || c == '`')
        *out = take_string(s, c);
    else if (is_name_char(c))
        *out = take_name(s);
    else if (c == '/' && is_regex_place(s))
        *out = take_regex(s);
    else
        *out = take_sign(s);
    return true;
}

/* --- what they mean ------------------------------------------------------------------------------------- */

static bool is_one_of(struct str text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(text, str_from(words[i])))
            return true;
    return false;
}

#define IS_ONE_OF(text, words) is_one_of(text, words, ARRAY_LEN(words))

static bool is_sign(const struct token *t, const char *text)
{
    return t->kind == TOKEN_SIGN && str_equal(t->text, str_from(text));
}

static bool is_name(const struct token *t, const char *text)
{
    return t->kind == TOKEN_NAME && str_equal(t->text, str_from(text));
}

/* `location`, or ['location'] as packers write it. */
static bool is_location(const struct scan *s, int i)
{
    const struct token *t = &s->last[i];

    if (is_name(t, "location"))
        return true;
    return is_sign(t, "]") && i + 2 < WINDOW && s->last[i + 1].kind == TOKEN_STRING &&
           str_equal(s->last[i + 1].text, STR("location")) && is_sign(&s->last[i + 2], "[");
}

/* `location =`, `location.href =`: looked at when the '=' has come. */
static bool is_assignment(const struct scan *s)
{
    if (!is_sign(&s->last[0], "="))
        return false;
    if (is_location(s, 1))
        return true;
    return is_name(&s->last[1], "href") && is_sign(&s->last[2], ".") && is_location(s, 3);
}

/* A call of a method: looked at when its '(' has come. */
static bool is_call_of(const struct scan *s, const char *method)
{
    return is_sign(&s->last[0], "(") && is_name(&s->last[1], method) && is_sign(&s->last[2], ".");
}

static bool is_location_call(const struct scan *s)
{
    return (is_call_of(s, "assign") || is_call_of(s, "replace")) && is_location(s, 3);
}

static bool is_unpacking(const struct scan *s)
{
    static const char *const words[] = {"eval", "atob", "unescape", "fromCharCode", "Function"};

    return is_sign(&s->last[0], "(") && s->last[1].kind == TOKEN_NAME && IS_ONE_OF(s->last[1].text, words);
}

static bool is_user_event(struct str name)
{
    static const char *const events[] = {"click",     "dblclick",   "mousedown", "mouseup",    "mousemove",
                                         "mouseover", "keydown",    "keyup",     "keypress",   "submit",
                                         "change",    "input",      "focus",     "touchstart", "touchend",
                                         "scroll",    "pointerdown"};

    return IS_ONE_OF(name, events);
}

/* `onclick =`, `'click',` within a call, `.click(`: what function comes next waits for a person. */
static bool announces_handler(const struct scan *s)
{
    const struct token *now = &s->last[0], *before = &s->last[1];

    if (is_sign(now, "=") && before->kind == TOKEN_NAME && str_starts(before->text, STR("on")))
        return is_user_event(str_slice(before->text, 2, before->text.len));
    if (is_sign(now, ",") && before->kind == TOKEN_STRING && is_sign(&s->last[2], "("))
        return is_user_event(before->text);
    return false;
}

/* `.click(function` and `.submit(() =>`: jQuery's short form takes a handler. */
static bool is_handler_argument(const struct scan *s)
{
    return is_name(&s->last[0], "function") && is_sign(&s->last[1], "(") && s->last[2].kind == TOKEN_NAME &&
           is_sign(&s->last[3], ".") && is_user_event(s->last[2].text);
}

/* The call has no argument: an element's own click() or submit(), which acts at once. */
static bool is_bare_call_of(const struct scan *s, const char *method)
{
    return is_sign(&s->last[0], ")") && is_sign(&s->last[1], "(") && is_name(&s->last[2], method) &&
           is_sign(&s->last[3], ".");
}

static void judge(struct scan *s)
{
    if (s->handler_depth >= 0)
        return;
    s->signs->navigates |= is_assignment(s) || is_location_call(s) || is_bare_call_of(s, "click");
    s->signs->submits |= is_bare_call_of(s, "submit") || is_bare_call_of(s, "requestSubmit");
    s->signs->is_hidden |= is_unpacking(s);
}

static bool opens_function(const struct scan *s)
{
    return is_name(&s->last[0], "function") || is_sign(&s->last[0], "=>");
}

static void enter_handler(struct scan *s)
{
    s->handler_depth = s->depth;
    s->is_handler_near = false;
}

/* A handler's body ends with the brace that closes it, or, for an arrow without braces, with its call. */
static void follow_depth(struct scan *s)
{
    char c = s->last[0].kind == TOKEN_SIGN ? s->last[0].text.ptr[0] : '\0';

    if (c == '{' || c == '(') {
        s->depth += s->depth < DEPTH_MAX;
    } else if (c == '}' || c == ')') {
        s->depth -= s->depth > 0;
        if (s->handler_depth >= 0 &&
            (s->depth < s->handler_depth || (c == '}' && s->depth == s->handler_depth)))
            s->handler_depth = -1;
    } else if (c == ';' && s->is_handler_near && s->depth <= s->near_depth) {
        s->is_handler_near = false;
    }
}

static void follow_handlers(struct scan *s)
{
    if (s->handler_depth >= 0)
        return;
    if (announces_handler(s)) {
        s->is_handler_near = true;
        s->near_depth = s->depth;
    } else if (is_handler_argument(s) || (s->is_handler_near && opens_function(s))) {
        enter_handler(s);
    }
}

void code_read(struct str code, struct code_signs *signs)
{
    struct scan s = {.code = code, .handler_depth = -1, .signs = signs};
    struct token token;

    while (next_token(&s, &token)) {
        memmove(&s.last[1], &s.last[0], sizeof(s.last) - sizeof(s.last[0]));
        s.last[0] = token;
        follow_depth(&s);
        follow_handlers(&s);
        judge(&s);
    }
}
