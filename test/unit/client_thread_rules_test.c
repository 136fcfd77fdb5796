/* What holds for a handle with an I/O thread beside its calls: where callbacks run, what they may
 * do, closing, forks, limits, deadlines, short memory. */
#include "unit/support/threaded.h"
#include "unit/support/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64 };

/* A key of another node. */
static const char *key_apart_from(const char *key) {
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int owner = kw_lab_owner(lab, kw_key_slot(key, strlen(key)));
    size_t i = 0;
    while (i < COUNT_OF(keys) && kw_lab_owner(lab, kw_key_slot(keys[i], 1)) == owner) {
        i++;
    }
    assert_true(i < COUNT_OF(keys));
    return keys[i];
}

/* Until the handle has taken so many commands. */
static void wait_for_commands(const kw_client *c, uint64_t want) {
    uint64_t taken = 0;
    for (int i = 0; i < WAIT_ROUNDS && taken < want; i++) {
        kw_stats *stats = NULL;
        assert_int_equal(kw_stats_new(c, &stats), KW_OK);
        taken = kw_stats_total(stats, KW_COUNT_COMMANDS);
        kw_stats_free(stats);
        usleep(WAIT_US);
    }
    assert_int_equal(taken, want);
}

static void set(kw_client *c, const char *key) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    if (kw_call(c, &reply, &err, "SET %s 1", key) != KW_OK) {
        fail_msg("%s", err.message);
    }
    kw_reply_free(reply);
}

/* ------------------------------------------------------------------ callbacks */

/* What a callback saw; read when kw_pending says 0. */
typedef struct sight {
    pthread_t thread;
    char name[16];
    bool blocks_signals;
    kw_status call, refresh, batch, process, map;
    size_t pending;
    char message[KW_ERROR_MESSAGE_SIZE];
} sight;

static void look(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    sight *s = arg;
    kw_reply *other = NULL;
    kw_error why = {0};
    kw_map *map = NULL;
    kw_batch *batch = NULL;
    sigset_t blocked;
    (void)reply;
    (void)err;
    s->thread = pthread_self();
    (void)pthread_getname_np(s->thread, s->name, sizeof s->name);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    s->blocks_signals = sigismember(&blocked, SIGUSR1) && sigismember(&blocked, SIGTERM);
    s->call = kw_call(c, &other, &why, "GET a");
    (void)snprintf(s->message, sizeof s->message, "%s", why.message);
    s->refresh = kw_refresh(c, 100, &why);
    s->batch = kw_batch_new(c, &batch);
    if (s->batch == KW_OK) {
        s->batch = kw_batch_run(batch, &why);
    }
    kw_batch_free(batch);
    s->process = kw_process(c);
    s->map = kw_map_new(c, &map);
    kw_map_free(map);
    s->pending = kw_pending(c);
}

static void callbacks_run_on_the_thread_and_may_not_wait(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    sight s = {.call = KW_OK};
    assert_int_equal(kw_submitf(c, look, &s, NULL, "GET a"), KW_OK);
    wait_until_done(c);
    assert_false(pthread_equal(s.thread, pthread_self()));
    assert_string_equal(s.name, "keyway");
    assert_true(s.blocks_signals);
    assert_int_equal(s.call, KW_ERR_INVALID);
    assert_non_null(strstr(s.message, "callback"));
    assert_int_equal(s.refresh, KW_ERR_INVALID);
    assert_int_equal(s.batch, KW_ERR_INVALID);
    assert_int_equal(s.process, KW_ERR_INVALID);
    assert_int_equal(s.map, KW_OK);
    assert_int_equal(s.pending, 0); /* its own command is done */
    kw_close(c);
}

static void driving_is_refused(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    assert_int_equal(kw_fd(c), -1);
    assert_int_equal(kw_timeout_ms(c), -1);
    assert_int_equal(kw_process(c), KW_ERR_INVALID);
    assert_int_equal(kw_wait(c, 0), KW_ERR_INVALID);
    kw_close(c);
}

static void note_error(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    kw_error *seen = arg;
    (void)c;
    assert_null(reply);
    *seen = *err;
}

static void what_cannot_be_sent_is_refused(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    kw_reply *reply = NULL;
    kw_error err = {0};
    kw_slice nameless = {"", 0};
    assert_int_equal(kw_call(c, &reply, &err, "MGET a b"), KW_ERR_CROSSSLOT);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_int_equal(kw_call(c, &reply, &err, "GET %q"), KW_ERR_INVALID);
    assert_int_equal(kw_call_argv(c, &nameless, 1, NULL, &reply, &err), KW_ERR_INVALID);
    assert_null(reply);
    assert_int_equal(kw_submit(c, &nameless, 1, NULL, note_error, &err, &err), KW_ERR_INVALID);
    assert_int_equal(kw_pending(c), 0);
    err = (kw_error){0};
    assert_int_equal(kw_submitf(c, note_error, &err, NULL, "MGET a b"), KW_OK);
    wait_until_done(c);
    assert_int_equal(err.status, KW_ERR_CROSSSLOT);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_int_equal(kw_submitf(c, NULL, NULL, NULL, "MGET a b"), KW_OK);
    wait_until_done(c);
    kw_close(c);
}

typedef struct told {
    pthread_t thread;
    atomic_int healed;
} told;

static void note_event(kw_client *c, const kw_event *event, void *arg) {
    told *t = arg;
    (void)c;
    if (kw_event_get_type(event) == KW_EVENT_SLOT_HEALED) {
        t->thread = pthread_self();
        atomic_fetch_add(&t->healed, 1);
    }
}

static void events_come_on_the_thread(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    told t = {.thread = pthread_self()};
    int slot = kw_key_slot("hole", 4);
    set(c, "hole");
    kw_on_event(c, note_event, &t);
    assert_int_equal(kw_forget_slots(c, slot, slot), KW_OK);
    assert_int_equal(kw_forget_slots(c, slot, KW_SLOT_COUNT), KW_ERR_INVALID);
    set(c, "hole");
    wait_for(&t.healed, 1);
    assert_false(pthread_equal(t.thread, pthread_self()));
    kw_on_event(c, NULL, NULL); /* from here on t is not touched */
    assert_int_equal(kw_forget_slots(c, slot, slot), KW_OK);
    set(c, "hole");
    assert_int_equal(atomic_load(&t.healed), 1);
    kw_close(c);
}

static void traces_and_batches_tell_the_same_as_without_a_thread(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    kw_trace *trace = NULL;
    kw_call_options *options = NULL;
    kw_batch *batch = NULL;
    kw_reply *reply = NULL;
    kw_error err = {0};
    const kw_slice argv[] = {{"GET", 3}, {"traced", 6}};
    assert_int_equal(kw_trace_new(&trace), KW_OK);
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_trace(options, trace);
    assert_int_equal(kw_call_argv(c, argv, 2, options, &reply, &err), KW_OK);
    kw_reply_free(reply);
    assert_int_equal(kw_trace_slot(trace), kw_key_slot("traced", 6));
    assert_int_equal(kw_trace_hop_count(trace), 1);
    kw_hop hop;
    assert_true(kw_trace_hop_at(trace, 0, &hop));
    assert_true(hop.start_us <= hop.end_us && hop.end_us <= kw_trace_total_us(trace));

    assert_int_equal(kw_batch_new(c, &batch), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "SET alone 1"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "MGET a b"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "GET alone"), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_ERR_CROSSSLOT);
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, 2), NULL), "1");
    kw_batch_clear(batch);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK); /* empty */
    kw_batch_free(batch);
    kw_call_options_free(options);
    kw_trace_free(trace);
    kw_close(c);
}

/* --------------------------------------------------------------------- limits */

static void count(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    atomic_int *done = arg;
    (void)c;
    (void)reply;
    (void)err;
    atomic_fetch_add(done, 1);
}

typedef struct caller {
    kw_client *client;
    pthread_t thread;
    uint32_t timeout_ms;
    const char *key;
    kw_status status;
    kw_error err;
    atomic_int *done; /* may be NULL */
} caller;

static void *get(void *arg) {
    caller *k = arg;
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    const kw_slice argv[] = {{"GET", 3}, {k->key, strlen(k->key)}};
    k->status = kw_call_options_new(&options);
    if (k->status == KW_OK) {
        kw_call_options_set_timeout_ms(options, k->timeout_ms);
        k->status = kw_call_argv(k->client, argv, 2, options, &reply, &k->err);
        kw_call_options_free(options);
    }
    kw_reply_free(reply);
    if (k->done) {
        atomic_fetch_add(k->done, 1);
    }
    return NULL;
}

static void start_caller(caller *k, kw_client *c, uint32_t timeout_ms, const char *key) {
    *k = (caller){.client = c, .timeout_ms = timeout_ms, .key = key, .done = k->done};
    assert_int_equal(pthread_create(&k->thread, NULL, get, k), 0);
}

static void too_many_submissions_are_busy_and_calls_wait_for_room(void **state) {
    (void)state;
    kw_client *c = threaded_open("pending_max", "4");
    atomic_int done;
    atomic_init(&done, 0);
    kw_error err = {0};
    set(c, "mute");
    pause_owner("mute", true);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kw_submitf(c, count, &done, &err, "GET mute"), KW_OK);
    }
    assert_int_equal(kw_submitf(c, count, &done, &err, "GET mute"), KW_ERR_BUSY);
    assert_int_equal(err.status, KW_ERR_BUSY);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_true(kw_error_is_retriable(&err));
    assert_int_equal(kw_pending(c), 4);

    caller late = {.done = NULL};
    start_caller(&late, c, 50, "other");
    pthread_join(late.thread, NULL); /* no room came within its deadline */
    assert_int_equal(late.status, KW_ERR_TIMEOUT);
    assert_int_equal(late.err.outcome, KW_NOT_SENT);

    caller patient = {.done = NULL};
    start_caller(&patient, c, 20000, "mute");
    usleep(20000); /* it waits for room, or comes when there is some: both must succeed */
    pause_owner("mute", false);
    pthread_join(patient.thread, NULL);
    assert_int_equal(patient.status, KW_OK);
    wait_until_done(c);
    assert_int_equal(atomic_load(&done), 4);
    assert_int_equal(kw_submitf(c, count, &done, &err, "GET mute"), KW_OK);
    wait_until_done(c);
    kw_close(c);
}

static void more_threads_than_may_be_pending_all_get_their_turn(void **state) {
    (void)state;
    static caller callers[THREADS];
    const char *limits[][2] = {{"pending_max", "3"}, {"waiting_max", "1"}, {"in_flight_max", "1"}};
    for (size_t way = 0; way < COUNT_OF(limits); way++) {
        kw_client *c = threaded_open(limits[way][0], limits[way][1]);
        for (int i = 0; i < THREADS; i++) {
            start_caller(&callers[i], c, 20000, i % 2 ? "a" : "b");
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(callers[i].thread, NULL);
            if (callers[i].status != KW_OK) {
                fail_msg("%s: %s", limits[way][0], callers[i].err.message);
            }
        }
        kw_close(c);
    }
}

/* Holds the I/O thread back until it is told to go on. */
typedef struct hold_up {
    atomic_int begun;
    atomic_int go_on;
} hold_up;

static void hold_thread(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    hold_up *h = arg;
    (void)c;
    (void)reply;
    (void)err;
    atomic_store(&h->begun, 1);
    for (int i = 0; i < WAIT_ROUNDS && !atomic_load(&h->go_on); i++) {
        usleep(WAIT_US);
    }
}

static void deadline_counts_from_the_call(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    hold_up h = {0};
    caller k = {.done = NULL};
    kw_lab_filter filter;
    kw_lab_filter_init(&filter);
    filter.key = "late";
    set(c, "early");
    assert_int_equal(kw_submitf(c, hold_thread, &h, NULL, "GET early"), KW_OK);
    wait_for(&h.begun, 1);
    start_caller(&k, c, 1, "late");
    usleep(50000);
    atomic_store(&h.go_on, 1);
    pthread_join(k.thread, NULL);
    assert_int_equal(k.status, KW_ERR_TIMEOUT);
    assert_int_equal(k.err.outcome, KW_NOT_SENT);
    assert_int_equal(kw_lab_count_log(lab, &filter), 0);
    kw_close(c);
}

static void unanswered_call_ends_at_its_own_deadline(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    caller k[2] = {{.done = NULL}, {.done = NULL}};
    set(c, "mute");
    for (int i = 0; i < 40; i++) {
        set(c, "mute"); /* alone: the thread steps aside */
    }
    pause_owner("mute", true);
    start_caller(&k[0], c, 20000, "mute");
    usleep(10000);
    start_caller(&k[1], c, 20, "mute");
    pthread_join(k[1].thread, NULL);
    assert_int_equal(k[1].status, KW_ERR_TIMEOUT);
    assert_int_equal(k[1].err.outcome, KW_NO_EFFECT);
    pause_owner("mute", false);
    pthread_join(k[0].thread, NULL);
    assert_int_equal(k[0].status, KW_OK);
    kw_close(c);
}

/* -------------------------------------------------------------------- closing */

static void close_from_outside_serves_all_who_wait(void **state) {
    (void)state;
    static caller callers[THREADS];
    for (int round = 0; round < 5; round++) {
        kw_client *c = threaded_open(NULL, NULL);
        atomic_int called;
        atomic_init(&called, 0);
        set(c, "mute");
        pause_owner("mute", true);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(kw_submitf(c, count, &called, NULL, "GET mute"), KW_OK);
        }
        for (int i = 0; i < THREADS; i++) {
            start_caller(&callers[i], c, 0, "mute");
        }
        wait_for_commands(c, 1 + 10 + THREADS);
        kw_close(c);
        assert_int_equal(atomic_load(&called), 10);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(callers[i].thread, NULL);
            assert_int_equal(callers[i].status, KW_ERR_CLOSED);
            assert_int_equal(callers[i].err.outcome, KW_NO_EFFECT); /* sent; it only reads */
        }
        pause_owner("mute", false);
    }
}

typedef struct closing {
    atomic_int callbacks;
    kw_status later; /* of what was tried after kw_close */
} closing;

static void *counted_alloc(void *arg, size_t size) {
    void *block = malloc(size);
    atomic_fetch_add((atomic_int *)arg, block != NULL);
    return block;
}

static void *counted_resize(void *arg, void *old, size_t size) {
    void *block = realloc(old, size);
    atomic_fetch_add((atomic_int *)arg, block != NULL && !old);
    return block;
}

static void counted_release(void *arg, void *block) {
    free(block);
    atomic_fetch_sub((atomic_int *)arg, block != NULL);
}

static void close_now(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    closing *k = arg;
    (void)reply;
    (void)err;
    kw_close(c);
    kw_close(c); /* once is enough, twice is harmless */
    k->later = kw_submitf(c, count, &k->callbacks, NULL, "GET a");
    atomic_fetch_add(&k->callbacks, 1);
}

static void close_in_a_callback_serves_all_who_wait(void **state) {
    (void)state;
    static caller callers[THREADS];
    for (int round = 0; round < 5; round++) {
        atomic_int live;
        atomic_int inside;
        atomic_init(&live, 0);
        atomic_init(&inside, 0);
        closing k = {.later = KW_OK};
        kw_options *options = threaded_options(NULL, NULL);
        kw_client *c = NULL;
        assert_int_equal(kw_options_set_allocator(options, counted_alloc, counted_resize,
                                                  counted_release, &live),
                         KW_OK);
        assert_int_equal(kw_open(kw_lab_url(lab), options, &c, NULL), KW_OK);
        kw_options_free(options);
        set(c, key_apart_from("mute"));
        set(c, "mute");
        pause_owner("mute", true);
        for (int i = 0; i < THREADS; i++) {
            callers[i].done = &inside;
            start_caller(&callers[i], c, 0, "mute");
        }
        wait_for_commands(c, 2 + THREADS);
        assert_int_equal(kw_submitf(c, close_now, &k, NULL, "GET %s", key_apart_from("mute")),
                         KW_OK);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(callers[i].thread, NULL);
            assert_int_equal(callers[i].status, KW_ERR_CLOSED);
        }
        for (int i = 0; i < WAIT_ROUNDS && atomic_load(&live) > 0; i++) {
            usleep(WAIT_US);
        }
        assert_int_equal(atomic_load(&live), 0); /* the thread has freed the handle */
        assert_int_equal(atomic_load(&k.callbacks), 1);
        assert_int_equal(k.later, KW_ERR_CLOSED);
        assert_int_equal(atomic_load(&inside), THREADS);
        pause_owner("mute", false);
    }
}

typedef struct runner {
    pthread_t thread;
    kw_batch *batch;
    kw_client *client;
    kw_status status;
} runner;

static void *run_batch(void *arg) {
    runner *r = arg;
    kw_error err;
    r->status = kw_batch_run(r->batch, &err);
    return NULL;
}

static void *run_refresh(void *arg) {
    runner *r = arg;
    kw_error err;
    r->status = kw_refresh(r->client, 20000, &err);
    return NULL;
}

static void close_ends_batches_and_refreshes(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    runner runners[2] = {{.client = c}, {.client = c}};
    kw_error err = {0};
    set(c, "mute");
    assert_int_equal(kw_batch_new(c, &runners[0].batch), KW_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(kw_batch_addf(runners[0].batch, &err, "GET mute"), KW_OK);
    }
    for (int node = 0; node < kw_lab_node_count(lab); node++) {
        assert_int_equal(kw_lab_pause(lab, node, true), KW_OK);
    }
    assert_int_equal(pthread_create(&runners[0].thread, NULL, run_batch, &runners[0]), 0);
    assert_int_equal(pthread_create(&runners[1].thread, NULL, run_refresh, &runners[1]), 0);
    wait_for_commands(c, 11);
    usleep(20000); /* the refresh may be inside too; else it is refused, which it must survive */
    kw_close(c);
    for (int i = 0; i < 2; i++) {
        pthread_join(runners[i].thread, NULL);
        assert_int_equal(runners[i].status, KW_ERR_CLOSED);
    }
    kw_batch_free(runners[0].batch); /* the handle is gone, its allocator is not */
}

/* ---------------------------------------------------------- processes and memory */

static bool child_is_refused(kw_client *c) {
    kw_reply *reply = NULL;
    kw_map *map = NULL;
    kw_stats *stats = NULL;
    kw_error err = {0};
    atomic_int called;
    atomic_init(&called, 0);
    bool ok = kw_call(c, &reply, &err, "GET a") == KW_ERR_FORKED && err.status == KW_ERR_FORKED &&
              kw_submitf(c, count, &called, &err, "GET a") == KW_ERR_FORKED &&
              kw_refresh(c, 10, &err) == KW_ERR_FORKED && kw_process(c) == KW_ERR_FORKED &&
              kw_wait(c, 0) == KW_ERR_FORKED && kw_map_new(c, &map) == KW_ERR_FORKED &&
              kw_stats_new(c, &stats) == KW_ERR_FORKED &&
              kw_forget_slots(c, 0, 1) == KW_ERR_FORKED && kw_fd(c) == -1;
    kw_batch *batch = NULL;
    ok = ok && kw_batch_new(c, &batch) == KW_OK && kw_batch_addf(batch, &err, "GET a") == KW_OK &&
         kw_batch_run(batch, &err) == KW_ERR_FORKED;
    kw_batch_free(batch);
    kw_on_event(c, note_event, NULL);
    kw_close(c);
    return ok && atomic_load(&called) == 0;
}

static void child_of_a_fork_is_refused_and_never_hangs(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        kw_client *c = threaded_open(NULL, NULL);
        atomic_int called;
        atomic_init(&called, 0);
        set(c, "before");
        for (int i = 0; i < 20; i++) { /* so that the thread may be at work */
            assert_int_equal(kw_submitf(c, count, &called, NULL, "GET a"), KW_OK);
        }
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)alarm(20); /* a child that hangs is a failure */
            _exit(child_is_refused(c) ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        wait_until_done(c);
        assert_int_equal(atomic_load(&called), 20);
        set(c, "after");
        kw_stats *stats = NULL;
        assert_int_equal(kw_stats_new(c, &stats), KW_OK);
        assert_int_equal(kw_stats_total(stats, KW_COUNT_DISCONNECTS), 0);
        kw_stats_free(stats);
        kw_close(c);
    }
}

/* Allocations that fail, each in turn; of which thread, chance says. */
typedef struct budget {
    atomic_long left; /* that still succeed; negative: all */
    atomic_long live;
} budget;

static bool spend(budget *b) {
    long left = atomic_load(&b->left);
    while (left > 0 && !atomic_compare_exchange_weak(&b->left, &left, left - 1)) {
    }
    return left != 0;
}

static void *budget_alloc(void *arg, size_t size) {
    budget *b = arg;
    void *block = spend(b) ? malloc(size) : NULL;
    atomic_fetch_add(&b->live, block != NULL);
    return block;
}

static void *budget_resize(void *arg, void *old, size_t size) {
    budget *b = arg;
    void *block = spend(b) ? realloc(old, size) : NULL;
    atomic_fetch_add(&b->live, block != NULL && !old);
    return block;
}

static void budget_release(void *arg, void *block) {
    budget *b = arg;
    atomic_fetch_sub(&b->live, block != NULL);
    free(block);
}

/* True if nothing failed. */
static bool use_handle(const kw_options *options, budget *b) {
    kw_client *c = NULL;
    kw_reply *reply = NULL;
    kw_stats *stats = NULL;
    kw_error err = {0};
    atomic_int called;
    atomic_init(&called, 0);
    if (kw_open(kw_lab_url(lab), options, &c, &err) != KW_OK) {
        assert_int_equal(err.status, KW_ERR_NOMEM);
        return false;
    }
    bool ok = kw_call(c, &reply, &err, "SET memory 1") == KW_OK;
    kw_reply_free(reply);
    bool submitted = kw_submitf(c, count, &called, &err, "GET memory") == KW_OK;
    ok = kw_stats_new(c, &stats) == KW_OK && submitted && ok;
    kw_stats_free(stats);
    atomic_store(&b->left, -1);
    kw_close(c);
    assert_int_equal(atomic_load(&called),
                     submitted); /* with a reply, an error, or KW_ERR_CLOSED */
    return ok;
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    bool ok = false;
    for (long n = 0; n < 500 && !ok; n++) {
        budget b;
        atomic_init(&b.left, n);
        atomic_init(&b.live, 0);
        kw_options *options = threaded_options("timeout_ms", "60");
        assert_int_equal(
            kw_options_set_allocator(options, budget_alloc, budget_resize, budget_release, &b),
            KW_OK);
        ok = use_handle(options, &b);
        kw_options_free(options);
        assert_int_equal(atomic_load(&b.live), 0);
    }
    assert_true(ok);
}

/* A stack that no machine has. */
static void thread_that_cannot_be_started_fails_the_open(void **state) {
    (void)state;
    pthread_attr_t usual;
    pthread_attr_t huge;
    kw_options *options = threaded_options(NULL, NULL);
    kw_client *c = NULL;
    kw_error err = {0};
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 46), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    kw_status status = kw_open(kw_lab_url(lab), options, &c, &err);
    assert_int_equal(pthread_setattr_default_np(&usual), 0);
    assert_int_equal(status, KW_ERR_LIMIT);
    assert_non_null(strstr(err.message, "thread"));
    assert_null(c);
    (void)pthread_attr_destroy(&usual);
    (void)pthread_attr_destroy(&huge);
    kw_options_free(options);
}

static void opening_and_closing_leaves_no_thread(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        kw_client *c = threaded_open(i % 2 ? "eager" : NULL, "yes");
        if (i % 3 == 0) {
            assert_int_equal(kw_submitf(c, NULL, NULL, NULL, "GET a"), KW_OK);
        }
        kw_close(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(callbacks_run_on_the_thread_and_may_not_wait, reset_lab),
        cmocka_unit_test_teardown(driving_is_refused, reset_lab),
        cmocka_unit_test_teardown(what_cannot_be_sent_is_refused, reset_lab),
        cmocka_unit_test_teardown(events_come_on_the_thread, reset_lab),
        cmocka_unit_test_teardown(traces_and_batches_tell_the_same_as_without_a_thread, reset_lab),
        cmocka_unit_test_teardown(too_many_submissions_are_busy_and_calls_wait_for_room, reset_lab),
        cmocka_unit_test_teardown(more_threads_than_may_be_pending_all_get_their_turn, reset_lab),
        cmocka_unit_test_teardown(deadline_counts_from_the_call, reset_lab),
        cmocka_unit_test_teardown(unanswered_call_ends_at_its_own_deadline, reset_lab),
        cmocka_unit_test_teardown(close_from_outside_serves_all_who_wait, reset_lab),
        cmocka_unit_test_teardown(close_in_a_callback_serves_all_who_wait, reset_lab),
        cmocka_unit_test_teardown(close_ends_batches_and_refreshes, reset_lab),
        cmocka_unit_test_teardown(child_of_a_fork_is_refused_and_never_hangs, reset_lab),
        cmocka_unit_test_teardown(every_failing_allocation_is_survived, reset_lab),
        cmocka_unit_test_teardown(thread_that_cannot_be_started_fails_the_open, reset_lab),
        cmocka_unit_test_teardown(opening_and_closing_leaves_no_thread, reset_lab),
    };
    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
