/*
 * internal.h - struct pg and the seams between the files that make up a connection.
 *
 * conn.c moves the states and owns everything; enter.c starts what a state is for; wire.c talks to libpq
 * and turns what comes into events, judge.c says whether that is what was wanted; queue.c keeps the
 * waiting queries and answers them; target.c and resolve.c say where to connect.
 */
#ifndef TRACEPOOL_COMMON_PG_INTERNAL_H
#define TRACEPOOL_COMMON_PG_INTERNAL_H

#include "common/pg/conn.h"
#include "common/pg/resolve.h"
#include "common/pg/target.h"

/* clang-format off */
/*    state        what we wait for while in it */
#define PG_STATES(X)                                             \
    X(RESOLVING,   "addresses of the host names")                \
    X(CONNECTING,  "the handshake")                              \
    X(CHECKING,    "the schema's version")                       \
    X(PREPARING,   "every query to be prepared")                 \
    X(LISTENING,   "LISTEN to be acknowledged")                  \
    X(READY,       "a query, or a notification")                 \
    X(BUSY,        "the answer to the first query in the queue") \
    X(WAITING,     "the time of the next attempt")               \
    X(CLOSING,     "the last handle to close")

/*    event        what happened */
#define PG_EVENTS(X)                                             \
    X(WAIT,        "nothing yet")                                \
    X(OK,          "what the state waits for is here")           \
    X(QUERY,       "a query is waiting")                         \
    X(FAIL,        "refused or lost; pg->err says why")          \
    X(TIMEOUT,     "the state's deadline has passed")            \
    X(CLOSE,       "pg_destroy")
/* clang-format on */

enum pg_state {
#define PG_STATE_ENUM(name, text) PG_##name,
    PG_STATES(PG_STATE_ENUM)
#undef PG_STATE_ENUM
        PG_STATE_COUNT
};

enum pg_event {
#define PG_EVENT_ENUM(name, text) PG_EV_##name,
    PG_EVENTS(PG_EVENT_ENUM)
#undef PG_EVENT_ENUM
        PG_EVENT_COUNT
};

/* The table itself: the state that follows, or -1 where that event cannot happen. */
int pg_transition(enum pg_state state, enum pg_event event);

/* A query that waits or is being answered. values point into the same allocation. */
struct pg_work {
    struct pg_work *next;
    int query;
    bool is_joined; /* one transaction with the one before it */
    int64_t timeout_ms;
    pg_done_cb done;
    void *arg;
    const char **values;
};

struct pg_queue {
    struct pg_work *first, *last;
    int length;
};

struct pg_watch; /* the uv_poll of one socket; libpq may change sockets while it connects */

struct pg {
    struct pg_options options; /* url and application_name are copies */
    enum pg_state state;
    bool is_up;
    bool is_stepping;    /* a callback of ours is being run from pg_step */
    bool wants_close;    /* pg_destroy was called from such a callback */
    int in_flight;       /* so many of the queue are at the server: two, where they are joined */
    struct err err;      /* of this attempt: why the connection goes down */
    struct err why_down; /* of the last one that ended */
    char notice[120];    /* the server's last FATAL notice: says why it hung up */
    bool is_read_only;   /* this attempt ended at a server that takes no writes */
    uint64_t backoff_ms;

    struct pg_target target;
    struct pg_address addresses[PG_MAX_ADDRESSES];
    int naddresses;
    int first_address;      /* where the next attempt starts; moves on when one stays silent */
    const char *at_address; /* libpq's, compared only: which address is being tried */
    struct pg_resolve *resolve;

    PGconn *conn;
    struct pg_watch *watch;
    PGresult *result;  /* of what the state asked for: the first error, or the last one */
    PGresult *earlier; /* the one before it: of two joined queries, the first's */
    int nresults;
    int64_t sent_us;

    struct pg_queue queue;   /* while BUSY the first one is at the server */
    struct pg_queue refused; /* answered on the loop's next turn */
    uv_timer_t deadline;
    uv_timer_t kick;
    int open_handles;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

enum { PG_BACKOFF_MIN_MS = 100 };

/* conn.c */
/* The state's deadline, from now; one at a time. */
void pg_arm(struct pg *pg, int64_t ms);
void pg_step(struct pg *pg, enum pg_event event);
/* After a move of the handshake: the next address of the list gets a deadline of its own. */
void pg_watch_silence(struct pg *pg);
/* In the close callback of each handle; the last one frees. */
void pg_handle_closed(struct pg *pg);

/* enter.c: what a state starts; WAIT, or an event that is known already */
extern enum pg_event (*const pg_enter[PG_STATE_COUNT])(struct pg *pg);

/* wire.c: start something (WAIT; FAIL when that is already known to be lost) */
enum pg_event pg_wire_connect(struct pg *pg);
enum pg_event pg_wire_ask_version(struct pg *pg);
enum pg_event pg_wire_prepare(struct pg *pg);
enum pg_event pg_wire_listen(struct pg *pg);
/* The first of the queue, and the second where that is joined to it. */
enum pg_event pg_wire_send(struct pg *pg);
/* Watches for what the server says on its own. */
void pg_wire_idle(struct pg *pg);
/* Takes what has come so far, without waiting; delivers notifications, whose callback may destroy pg. */
enum pg_event pg_wire_take(struct pg *pg);
/* Sets pg->err to what, then the reason that server or libpq give. FAIL. */
enum pg_event pg_wire_lost(struct pg *pg, const char *what);
/* Ends connection and watch. */
void pg_wire_drop(struct pg *pg);

/* judge.c: pg->result against the state: OK, or FAIL with pg->err set */
enum pg_event pg_judge(struct pg *pg);
bool pg_is_error(const PGresult *res);

/* queue.c */
NODISCARD struct pg_work *pg_work_create(const struct query *query, int index, const char *const *values,
                                         int64_t timeout_ms, pg_done_cb done, void *arg);
void pg_queue_push(struct pg_queue *queue, struct pg_work *work);
/* How many of the queue's first belong together: 2 for a joined pair, else 1. The queue is not empty. */
int pg_queue_together(const struct pg_queue *queue);
/* Answers the first one and forgets it. res may be NULL. */
void pg_queue_answer_first(struct pg_queue *queue, PGresult *res, const struct err *err);
/* Answers those that are in it now, not those that their callbacks add. */
void pg_queue_answer_all(struct pg_queue *queue, const struct err *err);

#endif
