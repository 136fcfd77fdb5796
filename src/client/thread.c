#include "client/thread.h"

#include "io/futex.h"
#include "io/io_error.h"

#include <assert.h>
#include <signal.h>
#include <unistd.h>

enum {
    PARK_AFTER = 16,   /* calls in a row that met no other */
    PARKED_US = 20000, /* without a call, until the thread takes the loop back */
    LOOKS_MAX = 128,   /* at a latch before sleeping on it: a few microseconds */
    PAUSE_US = 1000    /* in which nobody looked at the connections */
};

/* ------------------------------------------------------------------- queues */

static void queue_push(errand_queue *q, mailbox_node *node) {
    node->next = NULL;
    if (q->first) {
        q->last->next = node;
    } else {
        q->first = node;
    }
    q->last = node;
}

static client_errand *queue_pop(errand_queue *q) {
    mailbox_node *node = q->first;
    if (node) {
        q->first = node->next;
    }
    return (client_errand *)node;
}

/* ------------------------------------------------------------------ errands */

bool thread_has_room(const client_thread *t) {
    return !t->is_full && cluster_pending(t->client->cluster) < t->pending_max;
}

static void hold(client_thread *t, client_errand *e) {
    queue_push(&t->held, &e->node);
    if (e->deadline_us < t->held_until_us) {
        t->held_until_us = e->deadline_us;
    }
}

static void run(client_thread *t, client_errand *e) {
    bool is_command = e->deadline_us > 0;
    if ((is_command && (t->held.first || !thread_has_room(t))) ||
        !e->run(e, t->client, t->now_us)) {
        hold(t, e);
    }
}

/* Those whose deadline has passed end here; of the others, as many go on as there is room for. */
static void run_held(client_thread *t) {
    bool is_late = t->held_until_us <= t->now_us;
    if (!t->held.first || (!is_late && !thread_has_room(t))) {
        return;
    }
    errand_queue waiting = t->held;
    t->held.first = NULL;
    t->held_until_us = UINT64_MAX;
    client_errand *e = NULL;
    while ((e = queue_pop(&waiting))) {
        bool may_run = e->deadline_us <= t->now_us || (!t->held.first && thread_has_room(t));
        if (!may_run || !e->run(e, t->client, t->now_us)) {
            hold(t, e);
        }
    }
}

static void run_all(client_thread *t, mailbox_node *node) {
    while (node) {
        mailbox_node *next = node->next;
        run(t, (client_errand *)node);
        node = next;
    }
}

void thread_finish(client_thread *t, client_errand *errand) {
    queue_push(&t->finished, &errand->node);
    t->finished_count++;
}

static void wake_finished(client_thread *t) {
    client_errand *e = NULL;
    while ((e = queue_pop(&t->finished))) {
        if (e == t->poller) {
            loop_wake(t->client->loop);
        }
        latch_open(&e->done); /* e is gone */
    }
}

static void step_jobs(client_thread *t) {
    LIST_FOR_EACH(node, after, &t->jobs) {
        client_job *job = LIST_ENTRY(node, client_job, node);
        if (job->step(job, t->client, t->now_us)) {
            list_remove(&job->node);
            thread_finish(t, &job->errand);
        }
    }
}

/* ----------------------------------------------------------- sleeping and waking */

/* Before the mailbox shows that the thread sleeps. */
static void set_parked(client_thread *t, bool parked) {
    unsigned word = atomic_load_explicit(&t->parked, memory_order_relaxed);
    if ((word & 1u) != parked) {
        atomic_compare_exchange_strong_explicit(&t->parked, &word, word + 1, memory_order_relaxed,
                                                memory_order_relaxed);
    }
}

static void wake_thread(client_thread *t) {
    unsigned word = atomic_load_explicit(&t->parked, memory_order_relaxed);
    if (!(word & 1u)) {
        loop_wake(t->client->loop);
    } else if (atomic_compare_exchange_strong_explicit(
                   &t->parked, &word, word + 1, memory_order_relaxed, memory_order_relaxed)) {
        futex_wake(&t->parked);
    }
}

/* When something is due, at the latest. */
static uint64_t next_us(const client_thread *t) {
    const kw_client *c = t->client;
    if (t->held.first && thread_has_room(t)) {
        return 0;
    }
    uint64_t until_us = t->held.first ? t->held_until_us : UINT64_MAX;
    for (const list *node = t->jobs.next; node != &t->jobs; node = node->next) {
        const client_job *job = LIST_ENTRY(node, const client_job, node);
        until_us = job->until_us < until_us ? job->until_us : until_us;
    }
    uint64_t own_us = client_next_us(c, loop_now_us());
    return own_us < until_us ? own_us : until_us;
}

/* Waits in the loop, without the brain. Only one thread does at a time. */
static size_t wait_in_loop(client_thread *t, loop_event *events) {
    int ms = client_ms_until(t->sleeps_until_us, loop_now_us());
    (void)pthread_mutex_unlock(&t->brain);
    size_t count = loop_poll(t->client->loop, events, CLIENT_EVENTS_PER_WAIT, ms);
    if (thread_is_own(t)) {
        mailbox_awake(&t->mailbox); /* nobody borrows the brain any more */
    }
    (void)pthread_mutex_lock(&t->brain);
    return count;
}

static void handle_events(client_thread *t, loop_event *events, size_t count) {
    kw_client *c = t->client;
    client_handle_events(c, events, loop_find_owners(c->loop, events, count));
}

static void look_at_events(client_thread *t) {
    loop_event events[CLIENT_EVENTS_PER_WAIT];
    assert(!t->poller); /* it might sleep through what is taken away here */
    handle_events(t, events, loop_poll(t->client->loop, events, CLIENT_EVENTS_PER_WAIT, 0));
}

/* Leaves the loop to lone callers as long as there are any. */
static void stay_parked(client_thread *t) {
    unsigned word = 0;
    while ((word = atomic_load_explicit(&t->parked, memory_order_relaxed)) & 1u) {
        size_t before = t->finished_count;
        (void)pthread_mutex_unlock(&t->brain);
        futex_wait(&t->parked, word, loop_now_us() + PARKED_US);
        (void)pthread_mutex_lock(&t->brain);
        if (!t->poller) {
            if (t->finished_count == before) {
                break; /* nobody came by */
            }
            look_at_events(t);
            (void)client_settle(t->client);
            wake_finished(t);
        }
    }
    mailbox_awake(&t->mailbox);
    set_parked(t, false);
    t->alone = 0;
}

static void sleep_in_loop(client_thread *t, uint64_t until_us) {
    /* A command that is borrowed meanwhile has its deadline after this, or wakes the thread. */
    uint64_t soon_us = t->now_us + t->client->timeout_us;
    bool is_busy = t->finished_count != t->finished_before;
    t->finished_before = t->finished_count;
    t->sleeps_until_us = is_busy && soon_us < until_us ? soon_us : until_us;
    loop_event events[CLIENT_EVENTS_PER_WAIT];
    handle_events(t, events, wait_in_loop(t, events));
}

/* There are others than the lone caller now: it leaves the loop to the thread, and wakes it. */
static void take_loop_back(client_thread *t) {
    unsigned word = 0;
    t->poller_leaves = true;
    loop_wake(t->client->loop);
    set_parked(t, true);
    while ((word = atomic_load_explicit(&t->parked, memory_order_relaxed)) & 1u) {
        (void)pthread_mutex_unlock(&t->brain);
        futex_wait(&t->parked, word, UINT64_MAX);
        (void)pthread_mutex_lock(&t->brain);
    }
}

static void sleep_a_while(client_thread *t) {
    if (t->poller) {
        take_loop_back(t);
    }
    uint64_t until_us = next_us(t);
    bool parks = t->alone >= PARK_AFTER && cluster_pending(t->client->cluster) == 0;
    set_parked(t, parks);
    if (until_us <= t->now_us || !mailbox_sleep(&t->mailbox)) {
        set_parked(t, false);
        look_at_events(t);
    } else if (parks) {
        stay_parked(t);
    } else {
        sleep_in_loop(t, until_us);
    }
}

/* ------------------------------------------------------------------------ turns */

static void show_counts(client_thread *t) {
    atomic_store_explicit(&t->called_back_shown, t->client->called_back, memory_order_release);
}

static void turn(client_thread *t) {
    mailbox_node *taken = mailbox_take(&t->mailbox);
    t->now_us = loop_now_us(); /* not before any of these was submitted */
    run_held(t);
    run_all(t, taken);
    block_pool_give(&t->blocks, &t->used); /* callbacks may want them */
    if (client_settle(t->client)) {
        t->is_full = false;
    }
    step_jobs(t);
    show_counts(t);
    wake_finished(t);
    if (!t->is_closing) {
        sleep_a_while(t);
    }
}

/* ---------------------------------------------------------------------- borrowing */

/* Callbacks and jobs are the thread's. */
static bool is_borrowable(const client_thread *t) {
    const kw_client *c = t->client;
    return c->given == c->called_back && !c->on_event && !c->is_closed && !t->is_closing &&
           !t->held.first && list_empty(&t->jobs);
}

static void settle_borrowed(client_thread *t) {
    (void)client_settle(t->client);
    wake_finished(t);
}

/* The caller waits for the bytes of its reply itself, and handles whatever else comes. */
static void poll_alone(client_thread *t, client_errand *e) {
    loop_event events[CLIENT_EVENTS_PER_WAIT];
    t->poller_leaves = false;
    while (!latch_is_open(&e->done) && !t->poller_leaves && is_borrowable(t)) {
        t->poller = e;
        t->sleeps_until_us = next_us(t);
        size_t count = wait_in_loop(t, events);
        t->poller = NULL;
        if (is_borrowable(t)) {
            handle_events(t, events, count);
            settle_borrowed(t);
        }
    }
    if (t->poller_leaves || cluster_pending(t->client->cluster) > 0) {
        wake_thread(t);
    }
}

static void await_borrowed(client_thread *t, client_errand *e) {
    const cluster *brain = t->client->cluster;
    bool is_parked = atomic_load_explicit(&t->parked, memory_order_relaxed) & 1u;
    if (is_parked && !t->poller) {
        poll_alone(t, e);
    } else if (cluster_waiting(brain) > 0 || e->deadline_us < t->sleeps_until_us) {
        loop_wake(t->client->loop); /* whoever sleeps there is to look at the time again */
    }
}

bool thread_borrow(client_thread *t, client_errand *errand) {
    kw_client *c = t->client;
    if (!mailbox_is_asleep(&t->mailbox) || pthread_mutex_trylock(&t->brain) != 0) {
        return false;
    }
    bool borrowed = is_borrowable(t) && cluster_pending(c->cluster) == 0 && thread_has_room(t) &&
                    c->unread_count == 0;
    if (borrowed) {
        bool is_parked = atomic_load_explicit(&t->parked, memory_order_relaxed) & 1u;
        if (is_parked && !t->poller && loop_now_us() - c->turned_us > PAUSE_US) {
            look_at_events(t); /* as in client_turn */
        }
        t->now_us = loop_now_us();
        borrowed = errand->run(errand, c, t->now_us);
        settle_borrowed(t);
        if (borrowed && !latch_is_open(&errand->done)) {
            await_borrowed(t, errand);
        }
    }
    (void)pthread_mutex_unlock(&t->brain);
    return borrowed;
}

/* ---------------------------------------------------------------------- end */

/* The brain refuses all that still comes, so every errand ends when it is run. */
static void end_all(client_thread *t) {
    kw_client *c = t->client;
    t->now_us = loop_now_us();
    t->is_full = false;
    c->is_closed = true;
    c->on_event = NULL;
    cluster_shutdown(c->cluster, KW_ERR_CLOSED, t->now_us);
    (void)client_settle(c);
    client_errand *e = NULL;
    while ((e = queue_pop(&t->held))) {
        (void)e->run(e, c, t->now_us);
    }
    mailbox_node *node = mailbox_close(&t->mailbox);
    while (node) {
        mailbox_node *next = node->next;
        e = (client_errand *)node;
        (void)e->run(e, c, t->now_us);
        node = next;
    }
    step_jobs(t);
    show_counts(t);
    wake_finished(t);
}

static void *run_thread(void *arg) {
    client_thread *t = arg;
    (void)latch_wait(&t->started, 0);
    (void)pthread_mutex_lock(&t->brain);
    (void)pthread_setname_np(t->id, "keyway"); /* for those who look; nothing depends on it */
    while (!t->is_closing) {
        turn(t);
    }
    end_all(t);
    (void)pthread_mutex_unlock(&t->brain);
    if (t->frees_itself) {
        (void)pthread_detach(t->id);
        gate_wait_empty(&t->gate);
        client_destroy(t->client);
    }
    return NULL;
}

/* ------------------------------------------------------------ start and close */

/* Who looks takes a processor from the one that is waited for, unless there are more. */
static unsigned looks_max(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 2 ? LOOKS_MAX : processors == 2 ? LOOKS_MAX / 8 : 0;
}

static int create(client_thread *t) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it */
    int error = pthread_create(&t->id, NULL, run_thread, t);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

kw_status thread_start(kw_client *c, size_t pending_max, uint64_t waiting_bytes_max,
                       kw_error *err) {
    client_thread *t = mem_calloc(c->mem, 1, sizeof *t);
    if (!t) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    t->client = c;
    t->pending_max = pending_max;
    t->waiting_bytes_max = waiting_bytes_max;
    t->held_until_us = UINT64_MAX;
    gate_init(&t->gate);
    mailbox_init(&t->mailbox);
    atomic_init(&t->parked, 0);
    latch_init(&t->started);
    list_init(&t->jobs);
    t->looks_max = looks_max();
    block_pool_init(&t->blocks, c->mem);
    atomic_init(&t->looks, 0);
    atomic_init(&t->submitted, 0);
    atomic_init(&t->called_back_shown, 0);
    atomic_init(&t->waiting_bytes, 0);
    (void)pthread_mutex_init(&t->brain, NULL); /* of the usual kind it always succeeds */
    c->thread = t;
    int error = create(t);
    if (error) {
        c->thread = NULL;
        thread_free(t);
        return io_fail(err, KW_ERR_LIMIT, "cannot start the I/O thread: %s", strerror(error));
    }
    latch_open(&t->started);
    return KW_OK;
}

static bool run_close(client_errand *errand, kw_client *c, uint64_t now_us) {
    (void)errand;
    (void)now_us;
    c->thread->is_closing = true;
    return true;
}

/* In the child of a fork there is no other thread. If none held the brain at the fork, it is whole
 * and can be freed; else somebody was at work on it, and it is left alone. */
static void close_in_child(kw_client *c) {
    client_thread *t = c->thread;
    if (!mailbox_is_asleep(&t->mailbox) || pthread_mutex_trylock(&t->brain) != 0) {
        return;
    }
    (void)pthread_mutex_unlock(&t->brain);
    loop_abandon(c->loop);
    client_errand *e = NULL;
    while ((e = queue_pop(&t->held))) {
        errand_drop(c, e);
    }
    client_destroy(c);
}

void thread_close(kw_client *c) {
    client_thread *t = c->thread;
    if (fork_mark_is_child(&c->fork)) {
        close_in_child(c);
        return;
    }
    if (!gate_shut(&t->gate)) {
        return; /* in a callback, for the second time */
    }
    if (thread_is_own(t)) {
        t->is_closing = true;
        t->frees_itself = true;
        return;
    }
    client_errand closing = {.run = run_close};
    bool sent = thread_send(t, &closing);
    assert(sent); /* only who has shut the gate closes the mailbox */
    (void)sent;
    (void)pthread_join(t->id, NULL);
    gate_wait_empty(&t->gate);
    client_destroy(c);
}

void thread_free(client_thread *t) {
    if (t) {
        (void)pthread_mutex_destroy(&t->brain);
        block_pool_give(&t->blocks, &t->used);
        block_pool_done(&t->blocks);
        mem_free(t->client->mem, t);
    }
}

/* ---------------------------------------------------------- from other threads */

static kw_status refuse(kw_error *err, kw_status status) {
    return io_fail(err, status,
                   status == KW_ERR_FORKED   ? "the handle belongs to the process that forked"
                   : status == KW_ERR_CLOSED ? "the handle is closed"
                                             : "a callback must not call what waits");
}

kw_status thread_check(const kw_client *c, kw_error *err) {
    if (fork_mark_is_child(&c->fork)) {
        return refuse(err, KW_ERR_FORKED);
    }
    return gate_is_shut(&c->thread->gate) ? refuse(err, KW_ERR_CLOSED) : KW_OK;
}

kw_status thread_enter(kw_client *c, bool waits, kw_error *err) {
    client_thread *t = c->thread;
    if (fork_mark_is_child(&c->fork)) {
        return refuse(err, KW_ERR_FORKED);
    }
    if (waits && thread_is_own(t)) {
        return refuse(err, KW_ERR_INVALID);
    }
    return gate_enter(&t->gate) ? KW_OK : refuse(err, KW_ERR_CLOSED);
}

bool thread_send(client_thread *t, client_errand *errand) {
    mailbox_result result = mailbox_push(&t->mailbox, &errand->node);
    if (result == MAILBOX_TAKEN_ASLEEP) {
        wake_thread(t);
    }
    return result != MAILBOX_CLOSED;
}

/* Looks longer before it sleeps if looking was enough the last times. */
void thread_wait(client_thread *t, client_errand *errand) {
    unsigned looks = atomic_load_explicit(&t->looks, memory_order_relaxed);
    bool was_enough = latch_wait(&errand->done, looks);
    unsigned next = was_enough ? looks * 2 + 1 : looks / 2;
    next = next < t->looks_max ? next : t->looks_max;
    if (next != looks) {
        atomic_store_explicit(&t->looks, next, memory_order_relaxed);
    }
}

kw_status thread_send_and_wait(client_thread *t, client_errand *errand, kw_error *err) {
    if (!thread_send(t, errand)) {
        return refuse(err, KW_ERR_CLOSED);
    }
    thread_wait(t, errand);
    return KW_OK;
}

size_t thread_pending(const client_thread *t) {
    if (thread_is_own(t)) {
        return atomic_load_explicit(&t->submitted, memory_order_relaxed) - t->client->called_back;
    }
    /* in this order: the difference is never below zero */
    size_t called_back = atomic_load_explicit(&t->called_back_shown, memory_order_acquire);
    return atomic_load_explicit(&t->submitted, memory_order_acquire) - called_back;
}
