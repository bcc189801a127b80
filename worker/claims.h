/*
 * claims.h - when a child asks the queue for work, and for how much.
 *
 * One conversation with the database at a time: a claim for as many traces as there are free slots,
 * or for an open batch, or a look at which batches are open. Asked on NOTIFY, when slots become free
 * while the queue had more, and by polling with jitter, so nothing rests on NOTIFY alone.
 *
 * A claim goes on at each country's cursor. When it comes back short, a full scan follows (turns.h).
 *
 * A claim that came back short has taken what there was, so the next one rests first (worker.gather_ms, less
 * some jitter), and what comes meanwhile is claimed together. An idle child has rested already: it claims at
 * once. A claim that came back full is followed by the next without a rest, and batches never wait.
 *
 * Where the browser has enough to do, the room is for other offers than those that need it (around.h). Such
 * claims have cursors of their own: the queue of the others is further on, or further back.
 *
 * Where results are sent while there is more to claim, the claim is joined to them: one transaction for both,
 * which saves PostgreSQL up to a sixth of its work. After a claim without an answer the next one goes by
 * itself, so that whatever is wrong with claims holds up no result.
 */
#ifndef TRACEPOOL_WORKER_CLAIMS_H
#define TRACEPOOL_WORKER_CLAIMS_H

#include "common/conf.h"
#include "common/pg/conn.h"
#include "worker/cursors.h"
#include "worker/turns.h"

enum { CLAIMS_BATCHES = 32, CLAIMS_ID_MAX = 40 };

/* What may be claimed now. */
struct claims_room {
    int slots;
    /* NULL, or only of other offers than these: an array literal, until it is asked again. */
    const char *around;
};

struct claims {
    const struct conf *conf;
    struct pg *pg;      /* borrowed */
    const char *worker; /* our incarnation; borrowed */
    bool is_asking;     /* a query of ours is on its way */
    bool is_stopped;    /* draining: ask no more */
    bool wants_claim;   /* there may be work */
    bool wants_batches; /* which batches are open? */
    bool wants_settle;
    bool is_short;                    /* the last claim found less than was asked for */
    bool is_full;                     /* the claim on its way is a full scan */
    bool is_around;                   /* it goes around some offers */
    bool is_joined;                   /* the claim on its way shares its transaction with results */
    bool is_doubtful;                 /* the last claim got no answer */
    int asked;                        /* slots of the claim on its way */
    int64_t sent_us;                  /* when */
    struct turns turns, around_turns; /* of the latter, when to look everywhere */
    char batches[CLAIMS_BATCHES][CLAIMS_ID_MAX]; /* open ones, oldest first */
    int nbatches, next_batch;
    char batch[CLAIMS_ID_MAX];              /* the claim on its way is for this one; "" for none */
    char *countries;                        /* of the settings, as an array literal; NULL: all. Owned */
    struct cursors cursors, around_cursors; /* of claims for all offers, and of those around some */
    struct buf texts[3];                    /* for the cursors' literals */
    uv_timer_t poll, rest;
    unsigned polls;
    struct claims_room (*room)(void *arg, int leaving); /* when so many of our traces have left */
    /* The rows of a claim; batch is "" for none. sent_ms: loop clock when it was asked. */
    void (*on_rows)(void *arg, const PGresult *res, const char *batch, int64_t sent_ms);
    /* A claim got no answer: PostgreSQL may hold something for us that we know nothing of. */
    void (*on_lost)(void *arg);
    void (*on_idle)(void *arg); /* stopped, and nothing is on its way any more */
    void *arg;
};

/*
 * conf.worker_countries has been judged (countries.h). The callbacks and arg are set by the caller
 * afterwards, before the first wake.
 */
void claims_init(struct claims *c, uv_loop_t *loop, const struct conf *conf, struct pg *pg,
                 const char *worker);
void claims_close(struct claims *c);

/* While rows are delivered: where the next claim of their kind goes on in a country. See cursors_put(). */
void claims_put_cursor(struct claims *c, struct str country, struct str request, struct str ip);

/* There may be work: a NOTIFY, or the database is there again. */
void claims_wake(struct claims *c);
/* A batch was asked for, or one changed. */
void claims_wake_batches(struct claims *c);
/* Slots became free: goes on if the queue had more than there was room for. */
void claims_resume(struct claims *c);
/*
 * The results of so many traces were queued right now: joins a claim for their slots to them, where one would
 * be made when they have left. True when it did.
 */
bool claims_join(struct claims *c, int leaving);
/* There may be work for us, if there were slots. */
bool claims_want_work(const struct claims *c);
/* The last claim found less than there was room for. */
bool claims_came_short(const struct claims *c);
/* No more claims; what is on its way is still delivered. */
void claims_stop(struct claims *c);

#endif
