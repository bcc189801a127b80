/*
 * trace.c - the transition table of trace.h at work. No other line of code assigns t->state.
 *
 * What a state starts is in enter.c; why a state is left is known by whoever calls trace_step.
 */
#include "worker/trace.h"

#include "common/log.h"

#include <assert.h>

static const char *const state_names[TRACE_STATE_COUNT] = {
#define NAME(name, holds, text) [TRACE_##name] = #name,
    TRACE_STATES(NAME)
#undef NAME
};

static const char *const state_texts[TRACE_STATE_COUNT] = {
#define TEXT(name, holds, text) [TRACE_##name] = text,
    TRACE_STATES(TEXT)
#undef TEXT
};

static const bool state_holds[TRACE_STATE_COUNT] = {
#define HOLDS(name, holds, text) [TRACE_##name] = holds,
    TRACE_STATES(HOLDS)
#undef HOLDS
};

static const char *const event_names[TRACE_EVENT_COUNT] = {
#define NAME(name, text) [EV_##name] = #name,
    TRACE_EVENTS(NAME)
#undef NAME
};

static const struct transition {
    enum trace_state from;
    enum trace_event on;
    enum trace_state to;
} transitions[] = {
#define ROW(from, on, to) {TRACE_##from, EV_##on, TRACE_##to},
    TRACE_TRANSITIONS(ROW)
#undef ROW
};

const char *trace_state_name(enum trace_state s)
{
    return state_names[s];
}

const char *trace_event_name(enum trace_event ev)
{
    return ev < TRACE_EVENT_COUNT ? event_names[ev] : "WAIT";
}

bool trace_holds_proxy(enum trace_state s)
{
    return state_holds[s];
}

bool trace_next(enum trace_state from, enum trace_event ev, enum trace_state *to)
{
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].from != from || transitions[i].on != ev)
            continue;
        *to = transitions[i].to;
        return true;
    }
    return false;
}

void trace_begin(struct trace *t)
{
    enum trace_event ev;

    t->state = TRACE_CLAIMED;
    ev = trace_enter[TRACE_CLAIMED](t);
    if (ev != EV_WAIT)
        trace_step(t, ev);
}

void trace_step(struct trace *t, enum trace_event ev)
{
    while (ev != EV_WAIT) {
        enum trace_state to;
        bool is_known = trace_next(t->state, ev, &to);

        assert(is_known && "a hole in TRACE_TRANSITIONS");
        log_debug("trace.step", kv("trace", t->claim.request_id), kv("from", state_names[t->state]),
                  kv("on", event_names[ev]), kv("to", state_names[to]));
        t->state = to;
        ev = trace_enter[to](t);
    }
}

/* Events between the same two states share an arrow, so that the picture stays readable. */
static void print_arrow(FILE *to, size_t first)
{
    const struct transition *row = &transitions[first];

    for (size_t i = 0; i < first; i++) {
        if (transitions[i].from == row->from && transitions[i].to == row->to)
            return;
    }
    fprintf(to, "    %s -> %s [label=\"", state_names[row->from], state_names[row->to]);
    for (size_t i = first; i < ARRAY_LEN(transitions); i++) {
        if (transitions[i].from == row->from && transitions[i].to == row->to)
            fprintf(to, "%s%s", i == first ? "" : "\\n", event_names[transitions[i].on]);
    }
    fputs("\"];\n", to);
}

void trace_print_dot(FILE *to)
{
    fputs("digraph trace {\n    rankdir=LR;\n    node [shape=box];\n", to);
    for (int s = 0; s < TRACE_STATE_COUNT; s++) {
        fprintf(to, "    %s [label=\"%s\\n%s\"%s];\n", state_names[s], state_names[s], state_texts[s],
                state_holds[s] ? ", peripheries=2" : "");
    }
    for (size_t i = 0; i < ARRAY_LEN(transitions); i++)
        print_arrow(to, i);
    fputs("}\n", to);
}
