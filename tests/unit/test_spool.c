/*
 * test_spool.c - the spool on a real disk: what was durable comes out again, in order, whoever reads it, and
 * only what is committed is forgotten. Its files' format has a test of its own (test_segment.c).
 */
#include "tests/unit/test.h"

#include "common/loop.h"
#include "common/metrics.h"
#include "edge/quarantine.h"
#include "edge/segment.h"
#include "edge/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    uv_loop_t loop;
    char dir[64];
    struct spool *spool;
    struct spool_batch batch;
    bool is_read;
    int nmore;
    int64_t segment_bytes, max_bytes, keep_ms;
    int (*sync)(int fd);
};

struct one {
    struct spool_entry entry;
    int answered; /* 0, 1 durable, -1 not */
};

static void on_more(void *arg)
{
    ((struct fixture *)arg)->nmore++;
}

static void on_done(struct spool_entry *entry, bool is_durable)
{
    struct one *one = container_of(entry, struct one, entry);

    assert_int_equal(one->answered, 0);
    one->answered = is_durable ? 1 : -1;
}

/* A turn of the loop, with a timer so that it waits for the disk but never for ever. */
static void on_patience(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for 10 s");
}

#define RUN_UNTIL(f, condition)                                                                              \
    do {                                                                                                     \
        uv_timer_t patience_;                                                                                \
        uv_timer_init(&(f)->loop, &patience_);                                                               \
        uv_timer_start(&patience_, on_patience, 10000, 0);                                                   \
        while (!(condition))                                                                                 \
            uv_run(&(f)->loop, UV_RUN_ONCE);                                                                 \
        uv_close((uv_handle_t *)&patience_, NULL);                                                           \
        uv_run(&(f)->loop, UV_RUN_NOWAIT);                                                                   \
    } while (0)

static void open_spool(struct fixture *f)
{
    struct spool_options options = {.loop = &f->loop,
                                    .dir = f->dir,
                                    .segment_bytes = f->segment_bytes,
                                    .max_bytes = f->max_bytes,
                                    .keep_ms = f->keep_ms,
                                    .is_synced = true,
                                    .sync = f->sync,
                                    .arg = f,
                                    .on_more = on_more};
    struct err err;

    if (!spool_create(&options, &f->spool, &err))
        fail_msg("%s", err.detail);
    RUN_UNTIL(f, spool_is_writable(f->spool));
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->spool = NULL;
}

static void close_spool(struct fixture *f)
{
    spool_destroy(f->spool, on_closed, f);
    RUN_UNTIL(f, !f->spool);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/tracepool-spool-XXXXXX");
    if (!mkdtemp(f->dir) || uv_loop_init(&f->loop) != 0)
        return -1;
    f->segment_bytes = 1 << 20;
    f->max_bytes = 1 << 26;
    *state = f;
    return 0;
}

/* The files of the folder whose names end so. */
static int count_files(const struct fixture *f, const char *suffix, bool remove_them)
{
    DIR *dir = opendir(f->dir);
    int n = 0;

    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.' || !str_ends_nocase(str_from(e->d_name), str_from(suffix)))
            continue;
        n++;
        if (remove_them)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
    return n;
}

static int end(void **state)
{
    struct fixture *f = *state;

    if (f->spool)
        close_spool(f);
    spool_batch_finish(&f->batch);
    loop_finish(&f->loop);
    count_files(f, "", true);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void append(struct fixture *f, const char *payload, int answer)
{
    struct one one = {.entry.done = on_done};

    assert_true(spool_append(f->spool, 1000, str_from(payload), &one.entry));
    RUN_UNTIL(f, one.answered);
    assert_int_equal(one.answered, answer);
}

static void on_read(void *arg)
{
    ((struct fixture *)arg)->is_read = true;
}

static void read_batch(struct fixture *f, size_t max)
{
    f->is_read = false;
    spool_read(f->spool, max, &f->batch, on_read, f);
    RUN_UNTIL(f, f->is_read);
}

/* Reads and commits everything; the payloads, each followed by a blank. */
static void drain(struct fixture *f, struct buf *out)
{
    buf_clear(out);
    while (spool_unshipped_bytes(f->spool) > 0) {
        read_batch(f, 3);
        for (size_t i = 0; i < f->batch.n; i++) {
            buf_append_str(out, f->batch.items[i].payload);
            buf_append_char(out, ' ');
        }
        if (f->batch.n)
            spool_commit(f->spool, &f->batch, f->batch.n);
    }
}

static void test_append_read_commit(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;

    open_spool(f);
    append(f, "a", 1);
    append(f, "b", 1);
    assert_int_equal(f->nmore, 2);
    read_batch(f, 100);
    assert_int_equal(f->batch.n, 2);
    assert_int_equal(f->batch.items[0].at_ms, 1000);
    spool_commit(f->spool, &f->batch, 1); /* half of it: the rest stays */
    spool_commit(f->spool, &f->batch, 2);
    assert_int_equal(spool_unshipped_bytes(f->spool), 0);
    append(f, "c", 1);
    drain(f, &out);
    assert_str(buf_str(&out), "c ");
    close_spool(f);
    assert_int_equal(count_files(f, ".spool", false), 0); /* all is committed: nothing stays */
}

static void test_what_is_not_committed_comes_again(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;

    open_spool(f);
    for (int i = 0; i < 5; i++)
        append(f, (char[]){(char)('a' + i), 0}, 1);
    read_batch(f, 4);
    spool_commit(f->spool, &f->batch, 2);
    close_spool(f);
    assert_int_equal(count_files(f, ".spool", false), 1);
    open_spool(f);
    RUN_UNTIL(f, spool_unshipped_bytes(f->spool) > 0);
    append(f, "new", 1);
    drain(f, &out);
    assert_str(buf_str(&out), "c d e new "); /* the orphan first */
    assert_int_equal(metrics_value(METRIC_SPOOL_ADOPTED), 1);
    close_spool(f);
    assert_int_equal(count_files(f, ".spool", false), 0);
}

static void test_another_database_gets_all_that_is_kept(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;

    f->keep_ms = 3600 * 1000;
    open_spool(f);
    assert_false(spool_meet_server(f->spool, STR("1/00000001"))); /* the first one is no news */
    append(f, "a", 1);
    append(f, "b", 1);
    drain(f, &out);
    close_spool(f);
    assert_int_equal(count_files(f, ".spool.kept", false), 1);

    open_spool(f); /* a is in a kept segment, c in the one at hand */
    append(f, "c", 1);
    drain(f, &out);
    assert_str(buf_str(&out), "c ");
    assert_false(spool_meet_server(f->spool, STR("1/00000001")));
    assert_int_equal(spool_unshipped_bytes(f->spool), 0);
    append(f, "d", 1);
    read_batch(f, 1);
    assert_true(spool_meet_server(f->spool, STR("1/00000002")));
    RUN_UNTIL(f, spool_unshipped_bytes(f->spool) == 4 * (SEGMENT_RECORD_HEAD + 1));
    drain(f, &out);
    assert_str(buf_str(&out), "a b c d ");
    assert_false(spool_meet_server(f->spool, STR("1/00000002")));
    close_spool(f);
    assert_int_equal(count_files(f, ".spool.kept", true), 2);

    open_spool(f); /* whoever comes next knows which one it was */
    assert_false(spool_meet_server(f->spool, STR("1/00000002")));
    assert_true(spool_meet_server(f->spool, STR("1/00000003")));
    close_spool(f);
}

static void test_what_is_not_kept_is_not_shipped_again(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;

    open_spool(f);
    assert_false(spool_meet_server(f->spool, STR("1/00000001")));
    append(f, "a", 1);
    drain(f, &out);
    assert_false(spool_meet_server(f->spool, STR("1/00000002")));
    assert_int_equal(spool_unshipped_bytes(f->spool), 0);
    close_spool(f);
    assert_int_equal(count_files(f, "server", false), 0);
}

static void test_a_living_owner_keeps_its_segments(void **state)
{
    struct fixture *f = *state, other = *f;

    uv_loop_init(&other.loop);
    open_spool(f);
    append(f, "mine", 1);
    open_spool(&other);
    spool_adopt(other.spool);
    append(&other, "theirs", 1);
    assert_int_equal(spool_unshipped_bytes(other.spool), SEGMENT_RECORD_HEAD + 6);
    close_spool(f);
    spool_adopt(other.spool);
    RUN_UNTIL(&other, spool_unshipped_bytes(other.spool) > SEGMENT_RECORD_HEAD + 6);
    close_spool(&other);
    loop_finish(&other.loop);
}

static void test_many_in_flight_share_syncs(void **state)
{
    enum { MANY = 5000 };
    struct fixture *f = *state;
    struct one *all = calloc(MANY, sizeof(*all));
    int64_t syncs = metrics_value(METRIC_SPOOL_SYNCS);
    char payload[32];
    size_t read = 0;

    open_spool(f);
    for (int i = 0; i < MANY; i++) {
        all[i].entry.done = on_done;
        snprintf(payload, sizeof(payload), "%d", i);
        assert_true(spool_append(f->spool, 1000, str_from(payload), &all[i].entry));
    }
    assert_int_equal(spool_waiting(f->spool), MANY);
    RUN_UNTIL(f, spool_waiting(f->spool) == 0);
    assert_in_range(metrics_value(METRIC_SPOOL_SYNCS) - syncs, 1, MANY / 10);
    while (spool_unshipped_bytes(f->spool) > 0) {
        read_batch(f, 200);
        assert_int_not_equal(f->batch.n, 0);
        for (size_t i = 0; i < f->batch.n; i++, read++) {
            snprintf(payload, sizeof(payload), "%zu", read);
            assert_str(f->batch.items[i].payload, payload);
        }
        spool_commit(f->spool, &f->batch, f->batch.n);
    }
    assert_int_equal(read, MANY);
    free(all);
}

static void test_segments_are_left_and_deleted(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 1 << 20};
    struct fixture *f = *state;
    char payload[401];

    memset(payload, 'x', 400);
    payload[400] = '\0';
    f->segment_bytes = 4096;
    open_spool(f);
    for (int i = 0; i < 40; i++)
        append(f, payload, 1);
    assert_in_range(count_files(f, ".spool", false), 4, 6);
    drain(f, &out);
    assert_int_equal(out.len, 40 * 401);
    RUN_UNTIL(f, count_files(f, ".spool", false) <= 1);
}

static void test_a_record_longer_than_a_read(void **state)
{
    enum { LONG = 900 * 1024 };
    struct fixture *f = *state;
    SCOPED(char) payload = malloc(LONG + 1);

    memset(payload, 'y', LONG);
    payload[LONG] = '\0';
    open_spool(f);
    append(f, "short", 1);
    append(f, payload, 1);
    append(f, "end", 1);
    for (size_t want[] = {5, LONG, 3}, i = 0; i < 3; i++) {
        read_batch(f, 1);
        assert_int_equal(f->batch.n, 1);
        assert_int_equal(f->batch.items[0].payload.len, want[i]);
        spool_commit(f->spool, &f->batch, 1);
    }
}

static void test_full(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 1 << 20};
    struct fixture *f = *state;
    struct one one = {.entry.done = on_done};
    char payload[1001];
    int kept = 0;

    memset(payload, 'x', 1000);
    payload[1000] = '\0';
    f->segment_bytes = 4096;
    f->max_bytes = 16384;
    open_spool(f);
    while (kept < 100 && spool_append(f->spool, 1, str_from(payload), &one.entry)) {
        RUN_UNTIL(f, one.answered);
        one.answered = 0;
        kept++;
    }
    assert_in_range(kept, 12, 16);
    drain(f, &out);
    assert_int_equal(out.len, kept * 1001);
    RUN_UNTIL(
        f, spool_append(f->spool, 1, str_from(payload), &one.entry)); /* room again, once they are deleted */
    RUN_UNTIL(f, one.answered);
    assert_int_equal(one.answered, 1);
}

static int syncs_left;
static int last_failed_fd;

static int failing_sync(int fd)
{
    if (syncs_left > 0) {
        syncs_left--;
        return fdatasync(fd);
    }
    assert_int_not_equal(fd, last_failed_fd); /* never again one that has failed */
    last_failed_fd = fd;
    errno = EIO;
    return -1;
}

static void test_a_failed_sync(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;

    syncs_left = 2; /* the probe's and the first click's */
    last_failed_fd = -1;
    f->sync = failing_sync;
    open_spool(f);
    append(f, "good", 1);
    append(f, "lost", -1);
    assert_false(spool_is_writable(f->spool));
    syncs_left = 100;
    append(f, "again", 1); /* in a new segment */
    assert_true(spool_is_writable(f->spool));
    drain(f, &out);
    assert_str(buf_str(&out), "good again ");
}

static void test_it_recovers_without_clicks(void **state)
{
    struct fixture *f = *state;

    syncs_left = 1;
    last_failed_fd = -1;
    f->sync = failing_sync;
    open_spool(f);
    append(f, "lost", -1);
    syncs_left = 100;
    RUN_UNTIL(f, spool_is_writable(f->spool));
}

/* A file that may not grow: the write itself fails, and half a record may be there. */
static void test_a_failed_write(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    struct fixture *f = *state;
    struct rlimit before, tight;
    char payload[2001];

    memset(payload, 'x', 2000);
    payload[2000] = '\0';
    open_spool(f);
    append(f, "good", 1);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 1024;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    append(f, payload, -1);
    setrlimit(RLIMIT_FSIZE, &before);
    append(f, "again", 1);
    drain(f, &out);
    assert_str(buf_str(&out), "good again ");
    assert_int_equal(count_files(f, ".damaged", false), 0);
}

static void spoil_only_file(const struct fixture *f, off_t at, off_t cut)
{
    DIR *dir = opendir(f->dir);

    for (struct dirent *e; (e = readdir(dir));) {
        int fd = e->d_name[0] == '.' ? -1 : openat(dirfd(dir), e->d_name, O_RDWR);
        struct stat st;

        if (fd < 0)
            continue;
        fstat(fd, &st);
        if (at)
            assert_int_equal(pwrite(fd, "\xaa", 1, at), 1);
        if (cut)
            assert_int_equal(ftruncate(fd, st.st_size - cut), 0);
        close(fd);
    }
    closedir(dir);
}

static void test_a_damaged_orphan(void **state)
{
    SCOPED_VALUE(buf) out = {.max = 4096};
    int64_t damaged = metrics_value(METRIC_SPOOL_DAMAGED), torn = metrics_value(METRIC_SPOOL_TORN);
    struct fixture *f = *state;

    open_spool(f);
    append(f, "first", 1);
    append(f, "second", 1);
    append(f, "third", 1);
    close_spool(f);
    spoil_only_file(f, SEGMENT_HEADER + SEGMENT_RECORD_HEAD + 2, 1); /* in first; and the end of third */
    open_spool(f);
    RUN_UNTIL(f, spool_unshipped_bytes(f->spool) > 0);
    drain(f, &out);
    assert_str(buf_str(&out), "second ");
    assert_int_equal(metrics_value(METRIC_SPOOL_DAMAGED) - damaged, 1);
    assert_int_equal(metrics_value(METRIC_SPOOL_TORN) - torn, 1);
    close_spool(f);
    assert_int_equal(count_files(f, ".spool", false), 0);
    assert_int_equal(count_files(f, ".damaged", false), 1); /* for a person to look at */
}

static void test_a_folder_that_is_none(void **state)
{
    struct fixture *f = *state;
    struct spool_options options = {.loop = &f->loop, .dir = "/proc/nowhere/spool"};
    struct spool *spool = (struct spool *)f;
    struct err err;

    assert_false(spool_create(&options, &spool, &err));
    assert_ptr_equal(spool, f);
    assert_non_null(strstr(err.detail, "/proc/nowhere/spool"));
}

static void test_which_refusals_are_about_the_rows(void **state)
{
    static const char *const rows[] = {"22P02", "22021", "23502", "23514", "54000", "P0001"};
    static const char *const others[] = {"",      "08006", "40001", "40P01", "42883",
                                         "53100", "55P03", "57014", "57P01"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(quarantine_is_for(rows[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(quarantine_is_for(others[i]));
}

#define spool_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        spool_test(test_append_read_commit),
        spool_test(test_what_is_not_committed_comes_again),
        spool_test(test_another_database_gets_all_that_is_kept),
        spool_test(test_what_is_not_kept_is_not_shipped_again),
        spool_test(test_a_living_owner_keeps_its_segments),
        spool_test(test_many_in_flight_share_syncs),
        spool_test(test_segments_are_left_and_deleted),
        spool_test(test_a_record_longer_than_a_read),
        spool_test(test_full),
        spool_test(test_a_failed_sync),
        spool_test(test_it_recovers_without_clicks),
        spool_test(test_a_failed_write),
        spool_test(test_a_damaged_orphan),
        spool_test(test_a_folder_that_is_none),
        cmocka_unit_test(test_which_refusals_are_about_the_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
