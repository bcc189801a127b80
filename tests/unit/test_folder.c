/*
 * test_folder.c - a folder is its maker's while that one lives, and nobody's afterwards.
 */
#include "tests/unit/test.h"

#include "worker/browser/folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_into(const struct folder *f, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->path, name);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/file", f->path, name);
    fclose(fopen(path, "w"));
}

static bool is_there(const struct folder *f)
{
    return access(f->path, F_OK) == 0;
}

static void only_its_user_may_enter(void **state)
{
    struct folder f;
    struct stat st;

    (void)state;
    assert_true(folder_make(&f));
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(st.st_uid, geteuid());
    write_into(&f, "cache");
    assert_true(folder_remove(&f));
    assert_false(is_there(&f));
}

static void what_is_held_stays_and_what_nobody_holds_is_removed(void **state)
{
    struct folder kept, abandoned;

    (void)state;
    assert_true(folder_make(&kept));
    assert_true(folder_make(&abandoned));
    write_into(&kept, "cache");
    write_into(&abandoned, "cache");
    folder_remove_abandoned();
    assert_true(is_there(&kept) && is_there(&abandoned));
    close(abandoned.lock); /* as when its process is killed */
    folder_remove_abandoned();
    assert_true(is_there(&kept));
    assert_false(is_there(&abandoned));
    assert_true(folder_remove(&kept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_user_may_enter),
        cmocka_unit_test(what_is_held_stays_and_what_nobody_holds_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
