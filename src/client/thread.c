#include "client/thread.h"

#include "io/io_error.h"

#include <assert.h>
#include <signal.h>

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
}

static void wake_finished(client_thread *t) {
    client_errand *e = NULL;
    while ((e = queue_pop(&t->finished))) {
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

/* -------------------------------------------------------------------- turns */

static void show_counts(client_thread *t) {
    atomic_store_explicit(&t->called_back_shown, t->client->called_back, memory_order_release);
}

static int wait_ms(const client_thread *t) {
    const kw_client *c = t->client;
    if (t->held.first && thread_has_room(t)) {
        return 0;
    }
    uint64_t until_us = t->held.first ? t->held_until_us : UINT64_MAX;
    for (const list *node = t->jobs.next; node != &t->jobs; node = node->next) {
        const client_job *job = LIST_ENTRY(node, const client_job, node);
        until_us = job->until_us < until_us ? job->until_us : until_us;
    }
    int own_ms = client_wait_ms(c);
    int ms = until_us == UINT64_MAX ? -1 : client_ms_until(until_us, loop_now_us());
    return ms < 0 || (own_ms >= 0 && own_ms < ms) ? own_ms : ms;
}

static void sleep_and_handle(client_thread *t) {
    loop_event events[CLIENT_EVENTS_PER_WAIT];
    int ms = wait_ms(t);
    bool sleeps = ms != 0 && mailbox_sleep(&t->mailbox);
    size_t count = loop_wait(t->client->loop, events, CLIENT_EVENTS_PER_WAIT, sleeps ? ms : 0);
    if (sleeps) {
        mailbox_awake(&t->mailbox);
    }
    client_handle_events(t->client, events, count);
}

static void turn(client_thread *t) {
    mailbox_node *taken = mailbox_take(&t->mailbox);
    t->now_us = loop_now_us(); /* not before any of these was submitted */
    run_held(t);
    run_all(t, taken);
    if (client_settle(t->client)) {
        t->is_full = false;
    }
    step_jobs(t);
    show_counts(t);
    wake_finished(t);
    if (!t->is_closing) {
        sleep_and_handle(t);
    }
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
    latch_wait(&t->started, 0);
    (void)pthread_setname_np(t->id, "keyway"); /* for those who look; nothing depends on it */
    while (!t->is_closing) {
        turn(t);
    }
    end_all(t);
    if (t->frees_itself) {
        (void)pthread_detach(t->id);
        gate_wait_empty(&t->gate);
        client_destroy(t->client);
    }
    return NULL;
}

/* ------------------------------------------------------------ start and close */

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
    latch_init(&t->started);
    list_init(&t->jobs);
    atomic_init(&t->submitted, 0);
    atomic_init(&t->called_back_shown, 0);
    atomic_init(&t->waiting_bytes, 0);
    c->thread = t;
    int error = create(t);
    if (error) {
        c->thread = NULL;
        mem_free(c->mem, t);
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

/* In the child of a fork there is no I/O thread. If it slept at the fork, what it owns is whole and
 * can be freed; else it may have been at work on it, and it is left alone. */
static void close_in_child(kw_client *c) {
    client_thread *t = c->thread;
    if (!mailbox_is_asleep(&t->mailbox)) {
        return;
    }
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
        loop_wake(t->client->loop);
    }
    return result != MAILBOX_CLOSED;
}

kw_status thread_send_and_wait(client_thread *t, client_errand *errand, kw_error *err) {
    latch_init(&errand->done);
    if (!thread_send(t, errand)) {
        return refuse(err, KW_ERR_CLOSED);
    }
    (void)latch_wait(&errand->done, 0);
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
