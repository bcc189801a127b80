/*
 * test_secrets.c - proxy passwords from files: found by name only, changed without a restart, never told.
 */
#include "tests/unit/test.h"

#include "worker/secrets.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/tracepool-secrets-XXXXXX";
static struct secrets secrets;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    memcpy(strrchr(dir, '-') + 1, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    secrets_init(&secrets, dir);
    arena_init(&arena, 100000);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int teardown(void **state)
{
    static const char *const names[] = {"luna_password", "other", "empty", "long", "new"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(path_of(names[i]));
    rmdir(path_of("folder"));
    rmdir(dir);
    secrets_finish(&secrets);
    arena_finish(&arena);
    return 0;
}

/* Written beside and renamed, as careful operators and Kubernetes do. */
static void write_secret(const char *name, const char *value)
{
    char new_path[200];
    FILE *f;

    snprintf(new_path, sizeof(new_path), "%s", path_of("new"));
    f = fopen(new_path, "w");
    assert_non_null(f);
    fputs(value, f);
    fclose(f);
    assert_int_equal(rename(new_path, path_of(name)), 0);
}

static void expect_secret(const char *name, int64_t now_ms, const char *value)
{
    struct str got = {0};
    struct err err = {0};

    if (!secrets_get(&secrets, str_from(name), now_ms, &arena, &got, &err))
        fail_msg("%s: %s", name, err.detail);
    assert_str(got, value);
}

static struct err expect_none(const char *name, int64_t now_ms)
{
    struct str got = {0};
    struct err err = {0};

    assert_false(secrets_get(&secrets, str_from(name), now_ms, &arena, &got, &err));
    assert_null(got.ptr);
    assert_int_equal(err.code, ERR_PROXY_UNKNOWN);
    return err;
}

static void a_secret_is_its_files_content_without_the_newline(void **state)
{
    (void)state;
    write_secret("luna_password", "s3 cret:@\n");
    expect_secret("luna_password", 1000, "s3 cret:@");
}

static void a_changed_file_counts_within_a_second(void **state)
{
    (void)state;
    write_secret("luna_password", "before");
    expect_secret("luna_password", 1000, "before");
    write_secret("luna_password", "after!");
    expect_secret("luna_password", 1500, "before");
    expect_secret("luna_password", 2000, "after!");
}

static void a_removed_file_is_a_removed_secret(void **state)
{
    (void)state;
    write_secret("luna_password", "once");
    expect_secret("luna_password", 1000, "once");
    unlink(path_of("luna_password"));
    expect_none("luna_password", 5000);
    write_secret("luna_password", "again");
    expect_secret("luna_password", 5000, "again");
}

static void what_is_wrong_is_said_without_the_value(void **state)
{
    char text[SECRET_MAX_BYTES + 100];
    (void)state;

    assert_non_null(
        strstr(expect_none("other", 1000).detail, "secret other in worker.secrets_dir: No such file"));
    write_secret("empty", "\n");
    assert_non_null(strstr(expect_none("empty", 1000).detail, "empty"));
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    write_secret("long", text);
    assert_null(strstr(expect_none("long", 1000).detail, "xxx"));
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_non_null(strstr(expect_none("folder", 1000).detail, "not a plain file"));
}

static void a_name_cannot_leave_the_folder(void **state)
{
    static const char *const names[] = {"",        ".",   "..",  "../luna_password", "a/b", "/etc/hostname",
                                        ".hidden", "a b", "a\nb"};
    (void)state;

    write_secret("luna_password", "secret");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_none(names[i], 1000);
}

static void more_names_than_places_still_work(void **state)
{
    char name[16];
    (void)state;

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SECRETS_CACHED + 4; i++) {
            snprintf(name, sizeof(name), "s%d", i);
            write_secret(name, name);
            expect_secret(name, 1000 + i, name);
            unlink(path_of(name));
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_its_files_content_without_the_newline),
        TEST(a_changed_file_counts_within_a_second),
        TEST(a_removed_file_is_a_removed_secret),
        TEST(what_is_wrong_is_said_without_the_value),
        TEST(a_name_cannot_leave_the_folder),
        TEST(more_names_than_places_still_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
