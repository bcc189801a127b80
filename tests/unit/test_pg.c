/*
 * test_pg.c - the parts of a connection that need no server: connection strings and the table of states.
 */
#include "tests/unit/test.h"

#include "common/pg/internal.h"
#include "common/pg/row.h"
#include "common/pg/tls.h"

#include <stdio.h>
#include <string.h>

#define KEEPALIVES                                                                                           \
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"                       \
    " -c tcp_user_timeout=10000"

static const struct pg_extras extras = {"tracepool-test", 2000, 6000};

static const char *value_of(const struct pg_params *p, const char *keyword)
{
    const char *found = NULL;

    for (int i = 0; i < p->n; i++) {
        if (strcmp(p->keywords[i], keyword) != 0)
            continue;
        assert_null(found); /* each keyword once */
        found = p->values[i];
    }
    return found ? found : "";
}

static void expect_param(const struct pg_params *p, const char *keyword, const char *want)
{
    assert_str(str_from(value_of(p, keyword)), want);
}

static int forget_environment(void **state)
{
    static const char *const names[] = {"PGHOST",     "PGHOSTADDR", "PGPORT",    "PGUSER",    "PGPASSWORD",
                                        "PGDATABASE", "PGSERVICE",  "PGOPTIONS", "PGPASSFILE"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return 0;
}

static void test_hosts_are_told_apart(void **state)
{
    struct pg_target t;
    struct err err;

    (void)state;
    assert_true(pg_target_init(&t, "postgresql://u@db1.example:1,192.0.2.7:2,[2001:db8::1]:3/app", &err));
    assert_int_equal(t.nhosts, 3);
    assert_true(t.hosts[0].needs_lookup);
    assert_str(t.hosts[0].name, "db1.example");
    assert_str(t.hosts[0].port, "1");
    assert_false(t.hosts[1].needs_lookup);
    assert_str(t.hosts[1].hostaddr, "192.0.2.7");
    assert_false(t.hosts[2].needs_lookup);
    assert_str(t.hosts[2].hostaddr, "2001:db8::1");
    assert_str(t.hosts[2].port, "3");
    pg_target_finish(&t);
}

static void test_given_hostaddr_needs_no_lookup(void **state)
{
    struct pg_target t;
    struct err err;

    (void)state;
    assert_true(pg_target_init(&t, "host=db1.example hostaddr=192.0.2.1 port=5433", &err));
    assert_int_equal(t.nhosts, 1);
    assert_false(t.hosts[0].needs_lookup);
    assert_str(t.hosts[0].hostaddr, "192.0.2.1");
    pg_target_finish(&t);
}

static void test_sockets_are_left_to_libpq(void **state)
{
    struct pg_target t;
    struct pg_params p;
    struct err err;
    struct pg_address addresses[PG_MAX_ADDRESSES];
    int n = -1;

    (void)state;
    assert_true(pg_target_init(&t, "host=/run/postgresql dbname=app", &err));
    assert_true(pg_resolve_literals(&t, addresses, &n));
    assert_int_equal(n, 1);
    pg_params_init(&p, &t, addresses, n, 0, &extras);
    expect_param(&p, "host", "/run/postgresql");
    expect_param(&p, "hostaddr", "");
    expect_param(&p, "dbname", "app");
    pg_params_finish(&p);
    pg_target_finish(&t);
}

static void test_params_keep_the_name_beside_its_addresses(void **state)
{
    struct pg_target t;
    struct pg_params p;
    struct err err;
    const struct pg_address addresses[] = {{0, "192.0.2.1"}, {0, "2001:db8::9"}, {1, "192.0.2.2"}};

    (void)state;
    assert_true(pg_target_init(&t, "postgresql://u@a.example:1,b.example:2/app?sslmode=verify-full", &err));
    pg_params_init(&p, &t, addresses, 3, 0, &extras);
    expect_param(&p, "host", "a.example,a.example,b.example");
    expect_param(&p, "hostaddr", "192.0.2.1,2001:db8::9,192.0.2.2");
    expect_param(&p, "port", "1,1,2");
    expect_param(&p, "sslmode", "verify-full");
    pg_params_finish(&p);
    pg_params_init(&p, &t, addresses, 3, 5, &extras);
    expect_param(&p, "hostaddr", "192.0.2.2,192.0.2.1,2001:db8::9");
    expect_param(&p, "port", "2,1,1");
    pg_params_finish(&p);
    pg_target_finish(&t);
}

static void test_params_bring_the_timeouts(void **state)
{
    struct pg_target t;
    struct pg_params p;
    struct err err;

    (void)state;
    assert_true(pg_target_init(&t, "postgresql://u@192.0.2.1/app", &err));
    pg_params_init(&p, &t, NULL, 0, 0, &extras);
    expect_param(&p, "connect_timeout", "2");
    expect_param(&p, "tcp_user_timeout", "3000");
    expect_param(&p, "keepalives_idle", "1");
    expect_param(&p, "keepalives_interval", "1");
    expect_param(&p, "keepalives_count", "3");
    expect_param(&p, "application_name", "tracepool-test");
    expect_param(&p, "client_encoding", "UTF8");
    expect_param(&p, "options", "-c jit=off  -c statement_timeout=6000" KEEPALIVES);
    pg_params_finish(&p);
    pg_target_finish(&t);
}

static void test_params_respect_what_was_asked_for(void **state)
{
    static const char url[] = "host=192.0.2.1 options='-c search_path=x' keepalives_idle=7 connect_timeout=9 "
                              "application_name=mine client_encoding=LATIN1";
    struct pg_target t;
    struct pg_params p;
    struct err err;
    struct pg_extras pooled = extras;

    (void)state;
    assert_true(pg_target_init(&t, url, &err));
    pg_params_init(&p, &t, NULL, 0, 0, &extras);
    expect_param(&p, "options", "-c jit=off -c search_path=x -c statement_timeout=6000" KEEPALIVES);
    expect_param(&p, "keepalives_idle", "7");
    expect_param(&p, "connect_timeout", "9");
    expect_param(&p, "application_name", "tracepool-test"); /* the rescue looks for it */
    expect_param(&p, "client_encoding", "UTF8");
    pg_params_finish(&p);
    pooled.statement_timeout_ms = 0;
    pg_params_init(&p, &t, NULL, 0, 0, &pooled);
    expect_param(&p, "options", "-c search_path=x");
    pg_params_finish(&p);
    pg_target_finish(&t);
}

static void test_of_several_hosts_the_writable_one_is_taken(void **state)
{
    struct pg_target t;
    struct pg_params p;
    struct err err;

    (void)state;
    assert_true(pg_target_init(&t, "postgresql://u@192.0.2.1,192.0.2.2/app", &err));
    pg_params_init(&p, &t, NULL, 0, 0, &extras);
    expect_param(&p, "target_session_attrs", "read-write");
    pg_params_finish(&p);
    pg_target_finish(&t);
    assert_true(pg_target_init(&t, "postgresql://u@192.0.2.1/app?target_session_attrs=any", &err));
    pg_params_init(&p, &t, NULL, 0, 0, &extras);
    expect_param(&p, "target_session_attrs", "any");
    pg_params_finish(&p);
    pg_target_finish(&t);
}

static const char *sslmode_of(const char *url)
{
    static char mode[32];
    struct pg_target t;
    struct err err;

    assert_true(pg_target_init(&t, url, &err));
    for (const PQconninfoOption *o = t.options; o->keyword; o++)
        if (strcmp(o->keyword, "sslmode") == 0)
            snprintf(mode, sizeof(mode), "%s%s", o->val, pg_tls_is_optional(&t) ? " in the clear" : "");
    pg_target_finish(&t);
    return mode;
}

static void test_another_machine_is_asked_for_tls(void **state)
{
    static const struct {
        const char *url, *mode;
    } cases[] = {
        {"postgresql://u@db.example/app", "require"},
        {"postgresql://u@192.0.2.1/app", "require"},
        {"postgresql://u@[2001:db8::1]/app", "require"},
        {"host=db.example hostaddr=192.0.2.1", "require"},
        {"host=/run/postgresql,db.example", "require"},
        {"host=localhost,10.0.0.1", "require"},
        {"host=db.example sslrootcert=/etc/ssl/db.pem", "verify-full"},
        {"host=db.example sslmode=verify-ca sslrootcert=/etc/ssl/db.pem", "verify-ca"},
        {"host=db.example sslmode=disable", "disable in the clear"},
        {"host=db.example sslmode=prefer", "prefer in the clear"},
        {"host=db.example sslmode=allow", "allow in the clear"},
        {"host=localhost sslmode=disable", "disable"},
        {"host=/run/postgresql", "prefer"},
        {"dbname=app", "prefer"},
        {"host=localhost", "prefer"},
        {"host=127.0.0.5", "prefer"},
        {"postgresql://u@[::1]/app", "prefer"},
        {"host=db.example hostaddr=127.0.0.1", "prefer"},
        {"host=localhost hostaddr=192.0.2.1", "require"},
        {"host=127.example", "require"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(sslmode_of(cases[i].url), cases[i].mode);
    setenv("PGSSLMODE", "disable", 1);
    assert_string_equal(sslmode_of("host=db.example"), "disable in the clear");
    unsetenv("PGSSLMODE");
    setenv("PGSSLROOTCERT", "/etc/ssl/db.pem", 1);
    assert_string_equal(sslmode_of("host=db.example"), "verify-full");
    unsetenv("PGSSLROOTCERT");
}

static void test_environment_fills_what_the_string_leaves_out(void **state)
{
    struct pg_target t;
    struct err err;

    (void)state;
    setenv("PGHOST", "env.example", 1);
    setenv("PGPORT", "5999", 1);
    assert_true(pg_target_init(&t, "dbname=app", &err));
    assert_int_equal(t.nhosts, 1);
    assert_str(t.hosts[0].name, "env.example");
    assert_str(t.hosts[0].port, "5999");
    assert_true(t.hosts[0].needs_lookup);
    pg_target_finish(&t);
    forget_environment(NULL);
}

/* Whatever is wrong with the string, its text never shows up in the error: "hunter2" is the password. */
static void test_errors_never_quote_the_string(void **state)
{
    static const char *const urls[] = {
        "postgresql://u:hunter2@h:5432/db?nonsense=hunter2",
        "postgresql://u:p@hunter2@h/db",
        "postgresql://u:hunter2/x@h/db",
        "host=h password=x hunter2",
        "host=h hunter2=x",
        "postgresql://u:x%zzhunter2@h/db",
        "password=hunter2 service=other",
        "host=a,b port=1,2,3 password=hunter2",
        "hunter2",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct pg_target t = {0};
        struct err err = {.code = ERR_OK};

        if (pg_target_init(&t, urls[i], &err))
            fail_msg("accepted: %s", urls[i]);
        assert_int_equal(err.code, ERR_BAD_SETTING);
        assert_null(strstr(err.detail, "hunter2"));
        assert_true(strlen(err.detail) > 20);
        assert_null(t.options);
    }
}

static void test_texts_are_cleaned(void **state)
{
    struct pg_target t;
    struct err err;
    char out[60];

    (void)state;
    assert_true(pg_target_init(&t, "postgresql://app:hunter2@192.0.2.1/db", &err));
    pg_target_clean_text(&t, "first\n\tsaw hunter2 and hunter2\n", out, sizeof(out));
    assert_string_equal(out, "first  saw *** and ***");
    pg_target_clean_text(&t, "a long text that does not fit", out, 12);
    assert_true(strlen(out) < 12);
    pg_target_finish(&t);
    assert_true(pg_target_init(&t, "postgresql://app:app@192.0.2.1/db", &err));
    pg_target_clean_text(&t, "password authentication failed for user \"app\"", out, sizeof(out));
    assert_string_equal(out, "password authentication failed for user \"app\"");
    pg_target_finish(&t);
}

/* Every waiting state can be destroyed, fails into the pause, and is reached from the pause. */
static void test_table_of_states_has_no_hole(void **state)
{
    bool reached[PG_STATE_COUNT] = {[PG_WAITING] = true};

    (void)state;
    for (int round = 0; round < PG_STATE_COUNT; round++)
        for (int s = 0; s < PG_STATE_COUNT; s++)
            for (int e = 0; reached[s] && e < PG_EVENT_COUNT; e++)
                if (pg_transition((enum pg_state)s, (enum pg_event)e) >= 0)
                    reached[pg_transition((enum pg_state)s, (enum pg_event)e)] = true;
    for (int s = 0; s < PG_STATE_COUNT; s++) {
        assert_true(reached[s]);
        assert_int_equal(pg_transition((enum pg_state)s, PG_EV_WAIT), -1);
        if (s == PG_CLOSING)
            continue;
        assert_int_equal(pg_transition((enum pg_state)s, PG_EV_CLOSE), PG_CLOSING);
        if (s != PG_WAITING)
            assert_int_equal(pg_transition((enum pg_state)s, PG_EV_FAIL), PG_WAITING);
        if (s != PG_WAITING && s != PG_READY)
            assert_int_equal(pg_transition((enum pg_state)s, PG_EV_TIMEOUT), PG_WAITING);
    }
}

static void test_rows_are_read_by_type(void **state)
{
    PGresAttDesc columns[] = {{.name = (char *)"n", .typid = 20, .typlen = 8},
                              {.name = (char *)"b", .typid = 16, .typlen = 1},
                              {.name = (char *)"t", .typid = 25, .typlen = -1}};
    SCOPED(PGresult) res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    (void)state;
    assert_true(PQsetResultAttrs(res, 3, columns));
    assert_true(PQsetvalue(res, 0, 0, (char *)"-9223372036854775808", 20));
    assert_true(PQsetvalue(res, 0, 1, (char *)"t", 1));
    assert_true(PQsetvalue(res, 0, 2, (char *)"a\0b", 3));
    for (int c = 0; c < 3; c++)
        assert_true(PQsetvalue(res, 1, c, NULL, -1));
    assert_int_equal(row_int(res, 0, row_column(res, "n"), 0), INT64_MIN);
    assert_true(row_bool(res, 0, row_column(res, "b"), false));
    assert_int_equal(row_str(res, 0, row_column(res, "t")).len, 3);
    assert_true(row_is_null(res, 1, 0));
    assert_int_equal(row_int(res, 1, 0, 42), 42);
    assert_true(row_bool(res, 1, 1, true));
    assert_int_equal(row_str(res, 1, 2).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_told_apart),
        cmocka_unit_test(test_given_hostaddr_needs_no_lookup),
        cmocka_unit_test(test_sockets_are_left_to_libpq),
        cmocka_unit_test(test_params_keep_the_name_beside_its_addresses),
        cmocka_unit_test(test_params_bring_the_timeouts),
        cmocka_unit_test(test_of_several_hosts_the_writable_one_is_taken),
        cmocka_unit_test(test_another_machine_is_asked_for_tls),
        cmocka_unit_test(test_params_respect_what_was_asked_for),
        cmocka_unit_test(test_environment_fills_what_the_string_leaves_out),
        cmocka_unit_test(test_errors_never_quote_the_string),
        cmocka_unit_test(test_texts_are_cleaned),
        cmocka_unit_test(test_table_of_states_has_no_hole),
        cmocka_unit_test(test_rows_are_read_by_type),
    };

    return cmocka_run_group_tests_name("pg", tests, forget_environment, NULL);
}
