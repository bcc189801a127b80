/*
 * test_conf.c - settings: the order of the sources, and a complaint that names place, value and range.
 */
#include "tests/unit/test.h"

#include "common/conf.h"

#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/test_conf.XXXXXX";

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Loads with the given options behind the program's name; the error's text on failure, else NULL. */
static const char *load(struct conf *conf, const char *a, const char *b)
{
    static struct err err;
    struct conf_cli cli;
    char *argv[4] = {(char *)"program", (char *)a, (char *)b, NULL};
    int argc = a ? (b ? 3 : 2) : 1;

    return conf_load(&argc, argv, conf, &cli, &err) ? NULL : err.detail;
}

static const char *load_ini(struct conf *conf, const char *text)
{
    write_file(path, text);
    return load(conf, "--config", path);
}

static void later_sources_win(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    (void)state;

    assert_null(load(&conf, NULL, NULL));
    assert_int_equal(conf.database_query_timeout_ms, 5000);
    conf_finish(&conf);
    assert_null(load_ini(&conf, "[database]\nquery_timeout_ms = 700\n[log]\nlevel = warn\n"));
    assert_int_equal(conf.database_query_timeout_ms, 700);
    assert_string_equal(conf.log_level, "warn");
    conf_finish(&conf);
    setenv("TRACEPOOL_DATABASE_QUERY_TIMEOUT_MS", "800", 1);
    setenv("TRACEPOOL_CONFIG", path, 1);
    assert_null(load(&conf, NULL, NULL));
    assert_int_equal(conf.database_query_timeout_ms, 800);
    conf_finish(&conf);
    assert_null(load(&conf, "--database.query_timeout_ms=900", NULL));
    assert_int_equal(conf.database_query_timeout_ms, 900);
    unsetenv("TRACEPOOL_DATABASE_QUERY_TIMEOUT_MS");
    unsetenv("TRACEPOOL_CONFIG");
}

static void units_are_read(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    (void)state;

    assert_null(load(&conf, "--database.query_timeout_ms=2s", NULL));
    assert_int_equal(conf.database_query_timeout_ms, 2000);
}

static void complaints_name_place_value_and_range(void **state)
{
    static const struct {
        const char *ini, *parts[4];
    } cases[] = {
        {"[database]\n\nquery_timeout_ms = 1\n", {":3:", "query_timeout_ms", "\"1\"", "50 to 600000"}},
        {"[database]\nquery_timeout_ms = 5d\n", {":2:", "\"5d\"", "milliseconds", NULL}},
        {"[database]\nquery_timeout_ms = 99999999999999999999\n", {":2:", "50 to 600000", NULL, NULL}},
        {"[database]\nquery_timeout_ms =\n", {":2:", "50 to 600000", NULL, NULL}},
        {"[database]\nquery_timeuot_ms = 1000\n",
         {":2:", "database.query_timeuot_ms", "--print-config", NULL}},
        {"[log]\nformat = xml\n", {":2:", "\"xml\"", "logfmt json", NULL}},
        {"[log]\nformat = json\nformat = logfmt\n", {":3:", "before", NULL, NULL}},
        {"[log]\nwhat is this\n", {":2:", "key = value", NULL, NULL}},
        {"[database]\npooled = perhaps\n", {":2:", "\"perhaps\"", "true or false", NULL}},
        {"[database]\nurl_file = /nowhere/at/all\n", {":2:", "url_file", "No such file", NULL}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf conf;
        const char *said = load_ini(&conf, cases[i].ini);

        assert_non_null(said);
        for (int k = 0; k < 4 && cases[i].parts[k]; k++)
            if (!strstr(said, cases[i].parts[k]))
                fail_msg("\"%s\" does not say \"%s\"", said, cases[i].parts[k]);
    }
}

/* The longest list of choices fits, behind the longest name of a place. */
static void complaints_are_whole(void **state)
{
    struct conf conf;
    const char *said;
    (void)state;

    setenv("TRACEPOOL_EDGE_REFERRER_POLICY", "unsafe-everything", 1);
    said = load(&conf, NULL, NULL);
    unsetenv("TRACEPOOL_EDGE_REFERRER_POLICY");
    assert_non_null(said);
    assert_non_null(strstr(said, "TRACEPOOL_EDGE_REFERRER_POLICY: "));
    assert_non_null(strstr(said, "\"unsafe-everything\": allowed is off "));
    assert_non_null(strstr(said, " unsafe-url"));
}

static void a_complaint_about_an_option_names_it_once(void **state)
{
    struct conf conf;
    (void)state;

    assert_string_equal(load(&conf, "--edge.children=0", NULL),
                        "command line: edge.children = \"0\": allowed is 1 to 64 (a whole number)");
}

static void without_a_database_the_complaint_says_where_to_name_it(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    struct err err;
    (void)state;

    assert_null(load(&conf, NULL, NULL));
    assert_false(conf_require_database(&conf, &err));
    assert_int_equal(err.code, ERR_BAD_SETTING);
    assert_non_null(strstr(err.detail, "database.url "));
    assert_non_null(strstr(err.detail, " DATABASE_URL"));
    conf_finish(&conf);
    assert_null(load_ini(&conf, "[database]\nurl = postgresql://db/x\n"));
    assert_true(conf_require_database(&conf, &err));
}

static void sections_with_names_are_kept_as_lines(void **state)
{
    static const char *const bad[][2] = {
        {"[vast_provider a]\nx = 1\nx = 2\n", "before, at "},
        {"[nothing a]\nx = 1\n", "no section [nothing a]"},
        {"[vast_provider a-name-that-goes-on-until-inih-would-cut-it]\nx = 1\n", "49 characters"},
    };
    SCOPED_VALUE(conf) conf = {0};
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    (void)state;

    assert_null(load_ini(&conf, "[vast_provider acme]\nparams.zone = 12\nheaders.X-Key = hunter2\n"
                                "[log]\nlevel = warn\n[vast_provider b]\nparams.zone = 13\n"));
    assert_non_null(conf.named);
    assert_string_equal(conf.named->section, "vast_provider");
    assert_string_equal(conf.named->name, "acme");
    assert_string_equal(conf.named->key, "params.zone");
    assert_string_equal(conf.named->value, "12");
    assert_non_null(strstr(conf.named->where, ":2"));
    assert_true(conf.named->next && conf.named->next->next);
    assert_string_equal(conf.named->next->next->name, "b");
    assert_string_equal(conf.log_level, "warn");
    conf_print(&conf, to);
    fclose(to);
    assert_non_null(strstr(text, "\n[vast_provider acme]\nparams.zone = 12\n; headers.X-Key = ********\n"));
    assert_null(strstr(text, "hunter2"));
    free(text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf none;
        const char *said = load_ini(&none, bad[i][0]);

        if (!said || !strstr(said, bad[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", said ? said : "nothing", bad[i][1]);
    }
}

/* A folder can be opened, and reading it fails. */
static void a_file_that_can_not_be_read_is_not_an_empty_one(void **state)
{
    struct conf conf;
    const char *said = load(&conf, "--config", "/");
    (void)state;

    assert_non_null(said);
    assert_non_null(strstr(said, "settings file /: Is a directory"));
}

static void a_line_that_inih_would_cut_is_refused(void **state)
{
    struct conf conf;
    char text[400] = "[log]\nformat = json ; ";
    const char *said;
    (void)state;

    memset(text + strlen(text), 'x', 250);
    said = load_ini(&conf, text);
    assert_non_null(said);
    assert_non_null(strstr(said, ":2:"));
    assert_non_null(strstr(said, "198 bytes"));
}

static void secrets_come_by_environment_or_file(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    const char *said;
    (void)state;

    setenv("DATABASE_URL", "postgresql://a", 1);
    assert_null(load(&conf, NULL, NULL));
    assert_string_equal(conf.database_url, "postgresql://a");
    conf_finish(&conf);
    write_file(path, "postgresql://from-a-file\n");
    setenv("TRACEPOOL_DATABASE_URL_FILE", path, 1);
    assert_null(load(&conf, NULL, NULL));
    assert_string_equal(conf.database_url, "postgresql://from-a-file");
    unsetenv("TRACEPOOL_DATABASE_URL_FILE");
    unsetenv("DATABASE_URL");
    said = load(&conf, "--database.url=postgresql://u:hunter2@h/", NULL);
    assert_non_null(said);
    assert_null(strstr(said, "hunter2"));
    assert_non_null(strstr(said, "--database.url_file=PATH"));
}

/* As LoadCredential=tracepool:FOLDER puts them there: only those that the operator has. */
static void secrets_come_by_the_service_managers_folder(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    char folder[] = "/tmp/tracepool-conf-XXXXXX", file[64];
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/tracepool_database.url", folder);
    write_file(file, "postgresql://from-a-credential\n");
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_null(load(&conf, NULL, NULL));
    assert_string_equal(conf.database_url, "postgresql://from-a-credential");
    assert_string_equal(conf.api_token, "");
    conf_finish(&conf);
    setenv("DATABASE_URL", "postgresql://from-the-environment", 1);
    assert_null(load(&conf, NULL, NULL));
    assert_string_equal(conf.database_url, "postgresql://from-the-environment");
    unsetenv("DATABASE_URL");
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(file);
    rmdir(folder);
}

static void the_reference_masks_secrets_and_can_be_read_back(void **state)
{
    SCOPED_VALUE(conf) conf = {0};
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    (void)state;

    setenv("DATABASE_URL", "postgresql://u:hunter2@h/", 1);
    assert_null(load(&conf, "--log.level=debug", NULL));
    unsetenv("DATABASE_URL");
    conf_print(&conf, to);
    fclose(to);
    conf_finish(&conf);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "level = debug"));
    assert_null(load_ini(&conf, text));
    assert_string_equal(conf.log_level, "debug");
    assert_string_equal(conf.database_url, "");
    free(text);
}

static void the_environment_forgets_secrets_and_nothing_else(void **state)
{
    static char given[] = "DATABASE_URL=postgresql://u:hunter2@h/";

    (void)state;
    putenv(given);
    setenv("TRACEPOOL_API_TOKEN", "hunter2", 1);
    setenv("TRACEPOOL_API_TOKEN_FILE", "/run/token", 1);
    setenv("TRACEPOOL_LOG_LEVEL", "debug", 1);
    conf_forget_environment();
    assert_null(getenv("DATABASE_URL"));
    assert_null(getenv("TRACEPOOL_API_TOKEN"));
    assert_string_equal(getenv("TRACEPOOL_API_TOKEN_FILE"), "/run/token");
    assert_string_equal(getenv("TRACEPOOL_LOG_LEVEL"), "debug");
    assert_string_equal(given, "DATABASE_URL="); /* the bytes themselves are gone */
    unsetenv("TRACEPOOL_API_TOKEN_FILE");
    unsetenv("TRACEPOOL_LOG_LEVEL");
}

static void a_word_is_shown_up_to_where_a_secret_may_begin(void **state)
{
    static const struct {
        const char *word, *shown;
    } cases[] = {{"trace", "trace"},
                 {"--worker.children=4", "--worker.children"},
                 {"postgresql://u:hunter2@h/", "postgresql"},
                 {"--token hunter2", "--token"},
                 {"", ""}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str(conf_shown_word(cases[i].word), cases[i].shown);
}

static void what_is_not_ours_is_left_in_place(void **state)
{
    char *argv[] = {(char *)"program",
                    (char *)"trace",
                    (char *)"--log.level=warn",
                    (char *)"--json",
                    (char *)"--",
                    (char *)"--log.level=oops",
                    NULL};
    int argc = 6;
    SCOPED_VALUE(conf) conf = {0};
    struct conf_cli cli;
    struct err err;
    (void)state;

    assert_true(conf_load(&argc, argv, &conf, &cli, &err));
    assert_int_equal(argc, 5);
    assert_string_equal(argv[1], "trace");
    assert_string_equal(argv[2], "--json");
    assert_string_equal(argv[3], "--");
    assert_string_equal(argv[4], "--log.level=oops");
    assert_null(argv[5]);
    assert_string_equal(conf.log_level, "warn");
}

static int make_file(void **state)
{
    (void)state;
    return close(mkstemp(path));
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(units_are_read),
        cmocka_unit_test(complaints_name_place_value_and_range),
        cmocka_unit_test(complaints_are_whole),
        cmocka_unit_test(a_complaint_about_an_option_names_it_once),
        cmocka_unit_test(without_a_database_the_complaint_says_where_to_name_it),
        cmocka_unit_test(sections_with_names_are_kept_as_lines),
        cmocka_unit_test(a_file_that_can_not_be_read_is_not_an_empty_one),
        cmocka_unit_test(a_line_that_inih_would_cut_is_refused),
        cmocka_unit_test(secrets_come_by_environment_or_file),
        cmocka_unit_test(secrets_come_by_the_service_managers_folder),
        cmocka_unit_test(the_reference_masks_secrets_and_can_be_read_back),
        cmocka_unit_test(what_is_not_ours_is_left_in_place),
        cmocka_unit_test(the_environment_forgets_secrets_and_nothing_else),
        cmocka_unit_test(a_word_is_shown_up_to_where_a_secret_may_begin),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
