/*
 * test_metrics.c - metrics: what is written is shown, over several processes, in a text Prometheus reads.
 *
 * The table itself is checked too, by the rules that `promtool check metrics` applies.
 */
#include "tests/unit/test.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/metrics_internal.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_metric_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!islower(*p) && !isdigit(*p) && *p != '_')
            return false;
    return islower(name[0]);
}

static bool ends_with(const char *name, const char *suffix)
{
    return str_ends_nocase(str_from(name), str_from(suffix));
}

static void the_table_follows_the_rules(void **state)
{
    (void)state;

    for (int m = 0; m < METRIC_COUNT; m++) {
        const struct metric_row *row = metrics_row(m);

        assert_true(is_metric_name(row->name));
        assert_true(str_starts(str_from(row->name), STR("tracepool_")));
        assert_int_equal(ends_with(row->name, "_total"), row->kind == METRIC_COUNTER);
        assert_false(ends_with(row->name, "_count") || ends_with(row->name, "_sum") ||
                     ends_with(row->name, "_bucket"));
        assert_true(row->help[0] != '\0' && !strpbrk(row->help, "\n\\"));
        if (row->kind == METRIC_HISTOGRAM) {
            assert_true(ends_with(row->name, "_seconds"));
            assert_true(row->nbounds > 0);
            for (int i = 1; i < row->nbounds; i++)
                assert_true(row->bounds_us[i] > row->bounds_us[i - 1]);
        }
    }
}

/* Rows of one family stand together, agree in everything but the labels, and differ in those. */
static void families_stand_together(void **state)
{
    (void)state;

    for (int m = 0; m < METRIC_COUNT; m++) {
        for (int n = m + 1; n < METRIC_COUNT; n++) {
            const struct metric_row *a = metrics_row(m), *b = metrics_row(n), *before = metrics_row(n - 1);

            if (strcmp(a->name, b->name) != 0)
                continue;
            assert_string_equal(before->name, b->name);
            assert_int_equal(a->kind, b->kind);
            assert_int_not_equal(a->kind, METRIC_HISTOGRAM);
            assert_string_not_equal(a->labels, b->labels);
            assert_string_equal(a->help, b->help);
            assert_int_equal(a->program, b->program);
        }
    }
}

static bool has_line(const struct buf *text, const char *line)
{
    for (struct str rest = buf_str(text), part; str_cut(&rest, '\n', &part);)
        if (str_equal(part, str_from(line)))
            return true;
    print_error("no line \"%s\" in:\n%s", line, buf_cstr(text));
    return false;
}

static int count_of(const struct buf *text, const char *what)
{
    int n = 0;

    for (const char *p = buf_cstr(text); (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void buckets_are_cumulative_and_in_seconds(void **state)
{
    SCOPED_VALUE(buf) text;
    (void)state;

    buf_init(&text, 1 << 20);
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, 500);     /* le 0.001 */
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, 1000);    /* a bound belongs to its bucket */
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, 1001);    /* le 0.005 */
    metrics_observe_us(METRIC_DB_QUERY_SECONDS, 9000000); /* +Inf */
    metrics_render(METRICS_ALL, &text);
    assert_true(has_line(&text, "# TYPE tracepool_database_query_seconds histogram"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_bucket{le=\"0.001\"} 2"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_bucket{le=\"0.005\"} 3"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_bucket{le=\"5\"} 3"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_bucket{le=\"+Inf\"} 4"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_sum 9.002501"));
    assert_true(has_line(&text, "tracepool_database_query_seconds_count 4"));
    assert_int_equal(metrics_value(METRIC_DB_QUERY_SECONDS), 4);
}

static void every_family_has_one_head(void **state)
{
    SCOPED_VALUE(buf) text;
    (void)state;

    buf_init(&text, 1 << 20);
    metrics_render(METRICS_ALL, &text);
    for (int m = 0; m < METRIC_COUNT; m++) {
        char head[200];

        snprintf(head, sizeof(head), "# TYPE %s ", metrics_row(m)->name);
        assert_int_equal(count_of(&text, head), 1);
        snprintf(head, sizeof(head), "# HELP %s ", metrics_row(m)->name);
        assert_int_equal(count_of(&text, head), 1);
    }
    assert_true(has_line(&text, "tracepool_build_info{version=\"" TRACEPOOL_VERSION "\"} 1"));
    assert_int_equal(buf_cstr(&text)[text.len - 1], '\n');
}

static double value_of(const struct buf *text, const char *name)
{
    size_t len = strlen(name);

    for (struct str rest = buf_str(text), line; str_cut(&rest, '\n', &line);)
        if (str_starts(line, str_from(name)) && line.ptr[len] == ' ')
            return strtod(line.ptr + len, NULL);
    print_error("no %s\n", name);
    fail();
    return -1;
}

static void the_process_tells_about_itself(void **state)
{
    SCOPED_VALUE(buf) text;
    double age;
    (void)state;

    buf_init(&text, 1 << 20);
    metrics_render(METRICS_EDGE, &text);
    age = (double)time(NULL) - value_of(&text, "process_start_time_seconds");
    assert_true(age > -2 && age < 600);
    assert_true(value_of(&text, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(&text, "process_open_fds") >= 3);
    assert_true(value_of(&text, "process_cpu_seconds_total") >= 0);
}

/* A child that has counted n in its slot, and lives until end_child kills it. */
static pid_t attached_child(int fd, int slot, int64_t n)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!metrics_attach(fd, slot, &err))
            _exit(1);
        metrics_add(METRIC_DB_ERRORS, n);
        metrics_set(METRIC_DB_UP, n);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void counters_survive_their_process_and_gauges_do_not(void **state)
{
    int fd = -1;
    pid_t a, b, c;
    struct err err;
    (void)state;

    assert_true(metrics_create(2, &fd, &err));
    a = attached_child(fd, 1, 5);
    b = attached_child(fd, 1, 7); /* the replacement of a, while a drains */
    assert_true(metrics_attach(fd, 0, &err));
    metrics_add(METRIC_DB_ERRORS, 100);
    metrics_set(METRIC_DB_UP, 1);
    assert_int_equal(metrics_value(METRIC_DB_ERRORS), 112);
    assert_int_equal(metrics_value(METRIC_DB_UP), 13);
    end_child(a);
    assert_int_equal(metrics_value(METRIC_DB_ERRORS), 112);
    assert_int_equal(metrics_value(METRIC_DB_UP), 8);
    c = attached_child(fd, 1, 1); /* takes over the place of a */
    assert_int_equal(metrics_value(METRIC_DB_ERRORS), 113);
    assert_int_equal(metrics_value(METRIC_DB_UP), 9);
    end_child(b);
    end_child(c);
    assert_int_equal(metrics_value(METRIC_DB_UP), 1);
    close(fd);
}

static void a_wrong_slot_is_refused(void **state)
{
    struct err err;
    int fd = -1;
    (void)state;

    assert_true(metrics_create(2, &fd, &err));
    assert_false(metrics_attach(fd, 2, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_false(metrics_attach(fd, -1, &err));
    assert_false(metrics_attach(-1, 0, &err));
    close(fd);
}

/* 200 ms and 99.9 % within 500 ms are what clicks are promised: both have to be bounds. */
static void the_promises_of_the_edge_can_be_read(void **state)
{
    SCOPED_VALUE(buf) text;
    (void)state;

    buf_init(&text, 1 << 20);
    metrics_observe_us(METRIC_EDGE_ANSWER_SECONDS, 150 * 1000);
    metrics_observe_us(METRIC_EDGE_ANSWER_SECONDS, 350 * 1000);
    metrics_observe_us(METRIC_EDGE_ANSWER_SECONDS, 700 * 1000);
    metrics_render(METRICS_EDGE, &text);
    assert_true(has_line(&text, "tracepool_edge_answer_seconds_bucket{le=\"0.2\"} 1"));
    assert_true(has_line(&text, "tracepool_edge_answer_seconds_bucket{le=\"0.5\"} 2"));
    assert_true(has_line(&text, "tracepool_edge_answer_seconds_count 3"));
}

static void json_has_the_same_values(void **state)
{
    SCOPED(json_t) object = metrics_json(METRICS_ALL);
    (void)state;

    assert_int_equal(json_get_int(object, "tracepool_database_errors_total", -1),
                     metrics_value(METRIC_DB_ERRORS));
    assert_true(json_is_number(json_object_get(object, "tracepool_database_query_seconds_count")));
    assert_true(json_is_real(json_object_get(object, "tracepool_database_query_seconds_sum")));
    assert_int_equal(json_get_int(object, "tracepool_edge_answer_seconds_bucket{le=\"0.2\"}", -1), 1);
    assert_int_equal(json_get_int(object, "tracepool_edge_answer_seconds_bucket{le=\"1\"}", -1), 3);
    assert_int_equal(json_get_int(object, "tracepool_edge_answer_seconds_count", -1), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_follows_the_rules),
        cmocka_unit_test(families_stand_together),
        cmocka_unit_test(buckets_are_cumulative_and_in_seconds),
        cmocka_unit_test(every_family_has_one_head),
        cmocka_unit_test(the_process_tells_about_itself),
        cmocka_unit_test(counters_survive_their_process_and_gauges_do_not),
        cmocka_unit_test(a_wrong_slot_is_refused),
        cmocka_unit_test(the_promises_of_the_edge_can_be_read),
        cmocka_unit_test(json_has_the_same_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
