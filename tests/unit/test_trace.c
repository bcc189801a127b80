/*
 * test_trace.c - the transition table is sound, and lives replayed as lists of events end where they should.
 *
 * What states start is replaced by stand-ins below, so no loop, network or database is involved.
 */
#include "tests/unit/test.h"

#include "worker/trace.h"

#include <stdio.h>
#include <string.h>

/* What each state's stand-in answers, and which states were entered. */
static enum trace_event answers[TRACE_STATE_COUNT];
static enum trace_state entered[16];
static int nentered;

static enum trace_event enter(struct trace *t)
{
    assert_true(nentered < (int)ARRAY_LEN(entered));
    entered[nentered++] = t->state;
    return answers[t->state];
}

const trace_enter_fn trace_enter[TRACE_STATE_COUNT] = {enter, enter, enter, enter, enter, enter};

static int setup(void **state)
{
    (void)state;
    nentered = 0;
    for (int s = 0; s < TRACE_STATE_COUNT; s++)
        answers[s] = EV_WAIT;
    return 0;
}

static bool leads_to(enum trace_state from, enum trace_state to)
{
    for (int ev = 0; ev < TRACE_EVENT_COUNT; ev++) {
        enum trace_state next;

        if (trace_next(from, (enum trace_event)ev, &next) && next == to)
            return true;
    }
    return false;
}

static void every_state_is_reachable(void **state)
{
    bool is_reached[TRACE_STATE_COUNT] = {[TRACE_CLAIMED] = true};
    (void)state;

    for (int round = 0; round < TRACE_STATE_COUNT; round++) {
        for (int from = 0; from < TRACE_STATE_COUNT; from++) {
            for (int to = 0; is_reached[from] && to < TRACE_STATE_COUNT; to++)
                is_reached[to] |= leads_to((enum trace_state)from, (enum trace_state)to);
        }
    }
    for (int s = 0; s < TRACE_STATE_COUNT; s++)
        assert_true(is_reached[s]);
}

static void every_waiting_state_answers_fail_and_timeout(void **state)
{
    enum trace_state to;
    (void)state;

    for (int s = 0; s < TRACE_STATE_COUNT; s++) {
        if (s == TRACE_GONE)
            continue;
        assert_true(trace_next((enum trace_state)s, EV_FAIL, &to));
        assert_true(trace_next((enum trace_state)s, EV_TIMEOUT, &to));
    }
}

static void a_proxy_is_let_go_through_finishing_only(void **state)
{
    (void)state;
    for (int from = 0; from < TRACE_STATE_COUNT; from++) {
        for (int to = 0; to < TRACE_STATE_COUNT; to++) {
            if (!leads_to((enum trace_state)from, (enum trace_state)to))
                continue;
            if (trace_holds_proxy((enum trace_state)from) && !trace_holds_proxy((enum trace_state)to))
                assert_int_equal(from, TRACE_FINISHING);
        }
    }
}

static void whoever_works_can_be_told_to_let_go(void **state)
{
    enum trace_state to;
    (void)state;

    assert_true(trace_next(TRACE_CLAIMED, EV_LET_GO, &to));
    assert_true(trace_next(TRACE_HTTP, EV_LET_GO, &to));
    assert_true(trace_next(TRACE_BROWSER, EV_LET_GO, &to));
    assert_false(trace_next(TRACE_FINISHING, EV_LET_GO, &to)); /* its result is not thrown away */
}

static void nothing_happens_to_a_trace_that_is_gone(void **state)
{
    enum trace_state to;
    (void)state;

    for (int ev = 0; ev < TRACE_EVENT_COUNT; ev++)
        assert_false(trace_next(TRACE_GONE, (enum trace_event)ev, &to));
}

/* One life: what CLAIMED knows at once, the events that follow, and the states that are entered. */
struct life {
    const char *what;
    enum trace_event at_once;
    enum trace_event events[4];
    int nevents;
    enum trace_state states[5];
    int nstates;
};

/* clang-format off */
static const struct life lives[] = {
    {"traced",               EV_GO,     {EV_DONE, EV_STORED},    2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
    {"timed out",            EV_GO,     {EV_TIMEOUT, EV_STORED}, 2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
    {"failed under way",     EV_GO,     {EV_FAIL, EV_STORED},    2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
    {"no secret",            EV_FAIL,   {EV_STORED},             1, {TRACE_CLAIMED, TRACE_FINISHING, TRACE_GONE},             3},
    {"drained at once",      EV_LET_GO, {EV_STORED},             1, {TRACE_CLAIMED, TRACE_FINISHING, TRACE_GONE},             3},
    {"drained under way",    EV_GO,     {EV_LET_GO, EV_STORED},  2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
    {"lease over, no answer", EV_GO,    {EV_DONE, EV_TIMEOUT},   2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
    {"asked for a browser",  EV_BROWSE, {EV_DONE, EV_STORED},    2, {TRACE_CLAIMED, TRACE_BROWSER, TRACE_FINISHING, TRACE_GONE}, 4},
    {"a browser finds an ad", EV_BROWSE, {EV_AD, EV_DONE, EV_STORED}, 3, {TRACE_CLAIMED, TRACE_BROWSER, TRACE_ADS, TRACE_FINISHING, TRACE_GONE}, 5},
    {"needs a browser",      EV_GO,     {EV_BROWSE, EV_DONE, EV_STORED}, 3, {TRACE_CLAIMED, TRACE_HTTP, TRACE_BROWSER, TRACE_FINISHING, TRACE_GONE}, 5},
    {"learnt, no browser",   EV_BROWSE, {EV_GO, EV_DONE, EV_STORED}, 3, {TRACE_CLAIMED, TRACE_BROWSER, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 5},
    {"a sample, too slow",   EV_GO,     {EV_BROWSE, EV_TIMEOUT, EV_STORED}, 3, {TRACE_CLAIMED, TRACE_HTTP, TRACE_BROWSER, TRACE_FINISHING, TRACE_GONE}, 5},
    {"ended in an ad",       EV_GO,     {EV_AD, EV_DONE, EV_STORED}, 3, {TRACE_CLAIMED, TRACE_HTTP, TRACE_ADS, TRACE_FINISHING, TRACE_GONE}, 5},
    {"is a tag itself",      EV_AD,     {EV_DONE, EV_STORED},    2, {TRACE_CLAIMED, TRACE_ADS, TRACE_FINISHING, TRACE_GONE}, 4},
    {"refused by PostgreSQL", EV_GO,    {EV_DONE, EV_FAIL},      2, {TRACE_CLAIMED, TRACE_HTTP, TRACE_FINISHING, TRACE_GONE}, 4},
};
/* clang-format on */

static void lives_end_where_they_should(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        struct trace t = {0};

        setup(state);
        answers[TRACE_CLAIMED] = lives[i].at_once;
        trace_begin(&t);
        for (int e = 0; e < lives[i].nevents; e++)
            trace_step(&t, lives[i].events[e]);
        if (nentered != lives[i].nstates ||
            memcmp(entered, lives[i].states, (size_t)nentered * sizeof(*entered)))
            fail_msg("%s: ended in %s after %d states", lives[i].what, trace_state_name(t.state), nentered);
        assert_int_equal(t.state, TRACE_GONE);
    }
}

static void what_is_known_at_once_moves_on_at_once(void **state)
{
    struct trace t = {0};
    (void)state;

    answers[TRACE_CLAIMED] = EV_GO;
    answers[TRACE_HTTP] = EV_DONE;
    answers[TRACE_FINISHING] = EV_STORED;
    trace_begin(&t);
    assert_int_equal(t.state, TRACE_GONE);
    assert_int_equal(nentered, 4);
}

static void the_picture_names_every_state_and_event(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    (void)state;

    trace_print_dot(out);
    fclose(out);
    assert_non_null(strstr(text, "digraph trace {"));
    for (int s = 0; s < TRACE_STATE_COUNT; s++)
        assert_non_null(strstr(text, trace_state_name((enum trace_state)s)));
    for (int ev = 0; ev < TRACE_EVENT_COUNT; ev++)
        assert_non_null(strstr(text, trace_event_name((enum trace_event)ev)));
    assert_non_null(strstr(text, "HTTP -> FINISHING [label=\"DONE\\nFAIL\\nTIMEOUT\\nLET_GO\"]"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reachable),
        cmocka_unit_test(every_waiting_state_answers_fail_and_timeout),
        cmocka_unit_test(a_proxy_is_let_go_through_finishing_only),
        cmocka_unit_test(whoever_works_can_be_told_to_let_go),
        cmocka_unit_test(nothing_happens_to_a_trace_that_is_gone),
        cmocka_unit_test_setup(lives_end_where_they_should, setup),
        cmocka_unit_test_setup(what_is_known_at_once_moves_on_at_once, setup),
        cmocka_unit_test(the_picture_names_every_state_and_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
