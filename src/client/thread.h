/* The I/O thread of a handle that serves any number of threads (option io_thread). It turns the
 * handle: others hand it errands (errand.h) and wait for them, or are called back on it.
 *
 * One turn: take what came (bytes and errands), settle (write, call back), wake those whose errands
 * are done, sleep. So commands that many threads hand in during one turn are written together, and
 * their callers are woken together.
 *
 * While it sleeps, a call that meets no other borrows the brain and writes its command itself; if
 * calls keep coming one at a time, the thread is parked, and they also read their replies
 * themselves: a lone caller then costs no switch of threads. */
#ifndef CLIENT_THREAD_H
#define CLIENT_THREAD_H

#include "client/block_pool.h"
#include "client/errand.h"
#include "io/gate.h"

#include <pthread.h>

/* Errands in the order in which they came. */
typedef struct errand_queue {
    mailbox_node *first;
    mailbox_node *last;
} errand_queue;

struct client_thread {
    kw_client *client;
    pthread_t id;
    size_t pending_max;
    unsigned looks_max;
    uint64_t waiting_bytes_max;
    latch started; /* id may be read */
    gate gate;     /* calls of other threads are inside */
    mailbox mailbox;
    atomic_uint parked; /* odd: the thread sleeps on this word; even: in the loop, or not at all */

    /* Of who holds this: the thread in its turns, or a caller that borrows the brain. With it comes
     * the handle itself: loop, connections, brain. */
    pthread_mutex_t brain;
    uint64_t now_us;          /* of this turn */
    uint64_t sleeps_until_us; /* who is in the loop */
    errand_queue held;        /* commands for which there is no room yet */
    uint64_t held_until_us;   /* the earliest deadline of these */
    errand_queue finished;    /* to be woken when the turn is over */
    list jobs;                /* under way */
    pool_block *used;         /* blocks of submitted commands, given back in one step */
    size_t finished_count;    /* so far */
    size_t finished_before;   /* ... when the thread slept last */
    unsigned alone;           /* calls in a row that met no other */
    client_errand *poller;    /* its caller waits in the loop */
    bool poller_leaves;       /* ... and is to leave it to the thread */
    bool is_full;             /* the brain refused a command, and none has ended since */
    bool is_closing;          /* this turn is the last */
    bool frees_itself;        /* kw_close was called in a callback */

    /* Of all; apart from the above, which changes all the time. */
    char apart[64];
    block_pool blocks;                  /* for submitted commands on their way */
    atomic_uint looks;                  /* of a caller at its latch, before it sleeps */
    atomic_size_t submitted;            /* with a callback, so far */
    atomic_size_t called_back_shown;    /* of these, called back after the last turn */
    atomic_uint_fast64_t waiting_bytes; /* of submitted commands that the brain has not yet */
};

/* Starts the thread of an assembled handle. KW_ERR_NOMEM, KW_ERR_LIMIT. */
KW_CHECKED kw_status thread_start(kw_client *c, size_t pending_max, uint64_t waiting_bytes_max,
                                  kw_error *err);

/* kw_close of such a handle, from any thread, and from a child of a fork. */
void thread_close(kw_client *c);

/* Frees what thread_start made; the thread has ended, or frees itself. NULL is allowed. */
void thread_free(client_thread *t);

/* Is this the I/O thread? */
static inline bool thread_is_own(const client_thread *t) {
    return pthread_equal(t->id, pthread_self());
}

/* Goes into the handle (gate_leave goes out). KW_ERR_FORKED, KW_ERR_CLOSED, and with `waits` on the
 * I/O thread KW_ERR_INVALID; err may be NULL. */
KW_CHECKED kw_status thread_enter(kw_client *c, bool waits, kw_error *err);

/* The same without going in, for what needs no more than the answer. */
KW_CHECKED kw_status thread_check(const kw_client *c, kw_error *err);

/* Hands an errand over. False: the handle is being closed. */
KW_CHECKED bool thread_send(client_thread *t, client_errand *errand);
/* The same, and waits until it is done. KW_ERR_CLOSED; err may be NULL. */
KW_CHECKED kw_status thread_send_and_wait(client_thread *t, client_errand *errand, kw_error *err);

/* Runs the errand of a call in its caller's thread, and perhaps waits there for its end, if the
 * brain is idle and nobody else uses it. False: it is to be sent. */
KW_CHECKED bool thread_borrow(client_thread *t, client_errand *errand);

/* Waits until an errand that was handed over or borrowed is done. */
void thread_wait(client_thread *t, client_errand *errand);

/* In a turn: the errand is done; who waits for it is woken at the end of the turn. */
void thread_finish(client_thread *t, client_errand *errand);

/* In a turn: may the brain get one more command? */
bool thread_has_room(const client_thread *t);

/* Submitted commands whose callback was not called. */
size_t thread_pending(const client_thread *t);

#endif
