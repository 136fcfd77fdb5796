/* The inside of a kw_client: the brain (core/cluster) and what drives it. Owns the loop, the
 * connections, the resolver and the brain; shared by the files of src/client/ only.
 *
 * One turn: carry out the brain's effects, hand finished commands and events to their callbacks,
 * wait, feed the brain what came. Callbacks run at one place (drive.c: deliver), never inside a
 * call into the brain, so that they may call everything but what waits. */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "core/cluster.h"
#include "core/slot.h"
#include "io/fork_mark.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"

/* One connection of the brain's. Its address does not change: it is the owner of loop events. */
typedef struct client_link {
    uint32_t index; /* the brain's number of it */
    stream *stream; /* NULL: not open */
    struct client_link *next_written;
    bool is_written;  /* in the list of those */
    bool is_up;       /* the brain knows that it is connected */
    uint64_t read_us; /* the turn in which it was read last */
    bool is_unread;   /* reading stopped at its share of a turn: bytes may lie in the TLS session */
} client_link;

typedef struct client_thread client_thread;

struct kw_client {
    const mem *mem;        /* shared_mem: snapshots may outlive the handle */
    client_thread *thread; /* turns the handle; NULL: its callers do */
    loop *loop;
    cluster *cluster;
    resolver *resolver;
    tls_context *tls; /* NULL: plain */
    stream_options stream_options;
    uint64_t timeout_us; /* of a command, when the call gives none */
    client_link **links; /* by index; NULL: never used */
    uint32_t link_capacity;
    uint32_t unread_count;
    kw_event_fn *on_event;
    void *on_event_arg;
    fork_mark fork;       /* whose process it is */
    uint64_t turned_us;   /* when events were taken last */
    client_link *written; /* links that were written to lately, the last one first */
    bool is_cut;          /* of a write to one of them, only a part was taken */
    size_t given;         /* commands with a callback, given to the brain so far */
    size_t called_back;   /* ... and called back */
    unsigned depth;       /* calls into the handle under way that turn it */
    bool in_callback;     /* a callback is running */
    bool is_closed;       /* kw_close was called; freed when depth is 0 */
    bool is_dirty;        /* there may be effects or completions to see to */
};

/* Options of one call, as kw_call_options. */
struct kw_call_options {
    uint32_t timeout_ms;
    int slot;
    bool idempotent;
    kw_trace *trace;
};

/* Who gets a completion that is no callback's: first member of a call or a batch item that waits
 * for it. `take` owns the reply, and must not call into the handle. */
typedef struct client_waiter {
    void (*take)(struct client_waiter *waiter, const cluster_completion *done);
} client_waiter;

/* Marks a completion that is a waiter's: an address that no callback has. */
extern const char CLIENT_WAITER_MARK;

/* The short form of client_check for what does not wait, without its words. */
static inline bool client_is_usable(const kw_client *c) {
    return !fork_mark_is_child(&c->fork) && !c->is_closed;
}

/* KW_OK if the handle may be used by this process, and (with `waits`) at this place; else err
 * (may be NULL) says why not. */
KW_CHECKED kw_status client_check(kw_client *c, bool waits, kw_error *err);

/* A call that turns the handle begins and ends: after the outermost, a closed handle is freed. */
void client_enter(kw_client *c);
void client_leave(kw_client *c);

/* Something was asked of the brain outside a turn: the next turn must come at once, and whoever
 * polls kw_fd is woken. */
void client_touch(kw_client *c);

/* One turn; waits at most wait_ms (-1: as long as there is nothing to do). */
void client_turn(kw_client *c, int wait_ms);

/* The first turn of a caller that has submitted commands and now waits for the replies of all,
 * `awaited` in number: if possible, in the reads of them. now_us: of the submission. */
void client_turn_for_replies(kw_client *c, size_t awaited, uint64_t now_us);

/* The parts of a turn. */
enum { CLIENT_EVENTS_PER_WAIT = 64 };
uint64_t client_next_us(const kw_client *c, uint64_t now_us); /* 0: at once; UINT64_MAX: never */
int client_wait_ms(const kw_client *c);
void client_handle_events(kw_client *c, const loop_event *events, size_t count);

/* Carries out effects and calls callbacks until there are no more; true if anything was handed
 * over.
 */
bool client_settle(kw_client *c);

/* Submits with a waiter in place of a callback; it and the arguments must live until its `take` was
 * called. err is not NULL. */
KW_CHECKED kw_status client_submit_waiter(kw_client *c, const kw_slice *argv, size_t argc,
                                          const kw_call_options *options, client_waiter *waiter,
                                          uint64_t now_us, kw_error *err);

/* As client_submit_waiter, of a plain command that is encoded already. False: it has to be
 * submitted as others are. */
static inline bool client_submit_encoded(kw_client *c, const cluster_encoded *e,
                                         client_waiter *waiter, uint64_t now_us) {
    return !c->is_closed &&
           cluster_submit_encoded(c->cluster, e, (void *)(uintptr_t)&CLIENT_WAITER_MARK, waiter,
                                  now_us);
}

/* A command with who gets its completion, and since when its deadline runs. */
typedef struct client_submission {
    const kw_slice *argv;
    size_t argc;
    const kw_call_options *options; /* NULL: the defaults */
    client_waiter *waiter;          /* lives as long as the arguments; NULL: on_reply gets it */
    kw_reply_fn *on_reply;          /* may be NULL */
    void *arg;
    uint64_t submitted_us;
} client_submission;

/* Gives a command to the brain, on the thread that turns the handle. err is not NULL. */
KW_CHECKED kw_status client_submit(kw_client *c, const client_submission *s, uint64_t now_us,
                                   kw_error *err);

/* Calls a command's callback (NULL: none). */
void client_call_back(kw_client *c, kw_reply_fn *on_reply, kw_reply *reply, const kw_error *err,
                      void *arg);

/* Frees the handle with all that it owns. */
void client_destroy(kw_client *c);

/* Closes all connections and frees what they took. */
void client_close_links(kw_client *c);

/* Milliseconds from now until at_us, rounded up; -1 for UINT64_MAX. */
int client_ms_until(uint64_t at_us, uint64_t now_us);

#endif
