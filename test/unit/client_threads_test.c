/* One handle with an I/O thread, used by many threads at once: whose reply is whose, order, moving
 * slots, dying nodes. */
#include "unit/support/threaded.h"
#include "unit/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

/* ------------------------------------------------------------------- workers */

/* What a worker finds is asserted by the thread that runs the test: cmocka knows no other. */
typedef struct worker {
    kw_client *client;
    pthread_t thread;
    int index;
    int count; /* commands to send */
    atomic_int *stop;
    int done;
    char complaint[512]; /* the first one; empty: all was right */
} worker;

static worker workers[THREADS_MAX];

#define COMPLAIN(w, ...)                                                                           \
    do {                                                                                           \
        if (!(w)->complaint[0]) {                                                                  \
            (void)snprintf((w)->complaint, sizeof(w)->complaint, __VA_ARGS__);                     \
        }                                                                                          \
    } while (0)

static void start_workers(kw_client *c, int count, int commands, atomic_int *stop,
                          void *(*work)(void *)) {
    for (int i = 0; i < count; i++) {
        workers[i] = (worker){.client = c, .index = i, .count = commands, .stop = stop};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static int join_workers(int count) {
    int done = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
    }
    for (int i = 0; i < count; i++) {
        if (workers[i].complaint[0]) {
            fail_msg("thread %d: %s", i, workers[i].complaint);
        }
    }
    return done;
}

/* One thread's counter tells both: a wrong reply, and a change of order. */
static bool increment(worker *w, int want) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    if (kw_call(w->client, &reply, &err, "INCR own:%d", w->index) != KW_OK) {
        COMPLAIN(w, "INCR %d: %s (%s)", want, err.message, kw_outcome_name(err.outcome));
        return false;
    }
    if (kw_reply_integer(reply) != want) {
        COMPLAIN(w, "INCR gave %lld instead of %d", (long long)kw_reply_integer(reply), want);
    }
    kw_reply_free(reply);
    return true;
}

static bool write_and_read(worker *w, int number) {
    char want[64];
    kw_reply *reply = NULL;
    kw_error err = {0};
    (void)snprintf(want, sizeof want, "%d of %d", number, w->index);
    if (kw_call(w->client, &reply, &err, "SET text:%d:%d %s", w->index, number % 10, want) !=
        KW_OK) {
        COMPLAIN(w, "SET: %s", err.message);
        return false;
    }
    kw_reply_free(reply);
    reply = NULL;
    if (kw_call(w->client, &reply, &err, "GET text:%d:%d", w->index, number % 10) != KW_OK) {
        COMPLAIN(w, "GET: %s", err.message);
        return false;
    }
    if (!kw_reply_string(reply, NULL) || strcmp(kw_reply_string(reply, NULL), want) != 0) {
        COMPLAIN(w, "GET gave another value than \"%s\"", want);
    }
    kw_reply_free(reply);
    return true;
}

static void *call_in_turn(void *arg) {
    worker *w = arg;
    for (int i = 0; i < w->count && !w->complaint[0]; i++) {
        w->done += increment(w, i + 1) && write_and_read(w, i);
    }
    return NULL;
}

static void *call_until_stopped(void *arg) {
    worker *w = arg;
    while (!atomic_load(w->stop) && !w->complaint[0]) {
        bool done = increment(w, w->done + 1) && write_and_read(w, w->done);
        w->done += done;
    }
    return NULL;
}

/* ---------------------------------------------------------------------- tests */

static void each_reply_is_its_commands(void **state) {
    (void)state;
    const int counts[] = {1, 4, 16, 64};
    kw_client *c = threaded_open(NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        int commands = 640 / counts[i];
        start_workers(c, counts[i], commands, NULL, call_in_turn);
        assert_int_equal(join_workers(counts[i]), commands * counts[i]);
        assert_int_equal(kw_lab_flush(lab), KW_OK);
    }
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(c, &stats), KW_OK);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_FAILURES), 0);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_REPLIES), 4 * 640 * 3);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_LINKS), 3); /* all threads share them */
    kw_stats_free(stats);
    kw_close(c);
}

/* ------------------------------------------------------------------ submitted */

typedef struct submission {
    worker *worker;
    int number;
} submission;

static void expect_next(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    submission *s = arg;
    worker *w = s->worker;
    (void)c;
    if (err) {
        COMPLAIN(w, "%s", err->message);
    } else if (w->done != s->number || kw_reply_integer(reply) != s->number + 1) {
        COMPLAIN(w, "callback %d came as number %d, with %lld", s->number, w->done,
                 (long long)kw_reply_integer(reply));
    }
    w->done++;
}

enum { SUBMITTED = 200 };
static submission submissions[THREADS_MAX][SUBMITTED];

static void *submit_in_turn(void *arg) {
    worker *w = arg;
    for (int i = 0; i < w->count; i++) {
        submission *s = &submissions[w->index][i];
        kw_error err = {0};
        *s = (submission){w, i};
        if (kw_submitf(w->client, expect_next, s, &err, "RPUSH list:%d %d", w->index, i) != KW_OK) {
            COMPLAIN(w, "submit %d: %s", i, err.message);
            break;
        }
    }
    return NULL;
}

static void each_threads_submissions_keep_their_order(void **state) {
    (void)state;
    enum { THREADS = 16 };
    kw_client *c = threaded_open(NULL, NULL);
    start_workers(c, THREADS, SUBMITTED, NULL, submit_in_turn);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    wait_until_done(c); /* and what the callbacks wrote is seen */
    for (int i = 0; i < THREADS; i++) {
        assert_string_equal(workers[i].complaint, "");
        assert_int_equal(workers[i].done, SUBMITTED);
        kw_reply *reply = NULL;
        assert_int_equal(kw_call(c, &reply, NULL, "LRANGE list:%d 0 -1", i), KW_OK);
        assert_int_equal(kw_reply_count(reply), SUBMITTED);
        for (int n = 0; n < SUBMITTED; n++) {
            assert_int_equal(kw_reply_integer(kw_reply_at(reply, (size_t)n)), n);
        }
        kw_reply_free(reply);
    }
    kw_close(c);
}

typedef struct chain {
    atomic_int done;
    int left; /* of the I/O thread */
    atomic_int failed;
} chain;

static void submit_next(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    chain *ch = arg;
    if (err || kw_reply_is_error(reply)) {
        atomic_fetch_add(&ch->failed, 1);
    }
    atomic_fetch_add(&ch->done, 1);
    if (ch->left > 0) {
        ch->left--;
        if (kw_submitf(c, submit_next, ch, NULL, "INCR chain:%d", ch->left % 7) != KW_OK) {
            atomic_fetch_add(&ch->failed, 1);
        }
    }
}

static void callbacks_submit_further_commands(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    chain ch = {.left = 1000};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(kw_submitf(c, submit_next, &ch, NULL, "INCR chain:%d", i), KW_OK);
    }
    wait_until_done(c);
    assert_int_equal(atomic_load(&ch.done), 1010);
    assert_int_equal(atomic_load(&ch.failed), 0);
    kw_close(c);
}

/* -------------------------------------------------------------------- batches */

static void *run_batches(void *arg) {
    worker *w = arg;
    kw_batch *batch = NULL;
    if (kw_batch_new(w->client, &batch) != KW_OK) {
        COMPLAIN(w, "no batch");
        return NULL;
    }
    for (int round = 0; round < w->count; round++) {
        kw_error err = {0};
        for (int i = 0; i < 50; i++) {
            if (kw_batch_addf(batch, &err, "INCR batch:%d:%d", w->index, i) != KW_OK) {
                COMPLAIN(w, "%s", err.message);
            }
        }
        if (kw_batch_run(batch, &err) != KW_OK) {
            COMPLAIN(w, "%s", err.message);
        }
        for (size_t i = 0; i < kw_batch_count(batch); i++) {
            if (kw_reply_integer(kw_batch_reply(batch, i)) != round + 1) {
                COMPLAIN(w, "round %d, item %zu: %lld", round, i,
                         (long long)kw_reply_integer(kw_batch_reply(batch, i)));
            }
            w->done++;
        }
        kw_batch_clear(batch);
    }
    kw_batch_free(batch);
    return NULL;
}

static void batches_of_many_threads_run_side_by_side(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    start_workers(c, 16, 10, NULL, run_batches);
    assert_int_equal(join_workers(16), 16 * 10 * 50);
    kw_close(c);
}

static void *look_around(void *arg) {
    worker *w = arg;
    for (int i = 0; i < w->count && !w->complaint[0]; i++) {
        kw_map *map = NULL;
        kw_stats *stats = NULL;
        kw_error err = {0};
        if (kw_map_new(w->client, &map) != KW_OK || kw_stats_new(w->client, &stats) != KW_OK) {
            COMPLAIN(w, "no snapshot");
        }
        if (i % 10 == 0 && kw_refresh(w->client, 0, &err) != KW_OK) {
            COMPLAIN(w, "refresh: %s", err.message);
        }
        if (kw_forget_slots(w->client, 100 * w->index, 100 * w->index + 50) != KW_OK) {
            COMPLAIN(w, "the slots are not forgotten");
        }
        w->done += increment(w, i + 1);
        kw_map_free(map);
        kw_stats_free(stats);
    }
    return NULL;
}

static void every_thread_may_look_refresh_and_forget(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    start_workers(c, 8, 40, NULL, look_around);
    assert_int_equal(join_workers(8), 8 * 40);
    kw_close(c);
}

/* --------------------------------------------------------------------- faults */

/* Until the nodes have served so many more increments. */
static void wait_for_progress(size_t count) {
    kw_lab_filter filter;
    kw_lab_filter_init(&filter);
    filter.command = "incr";
    filter.outcome = "served";
    assert_int_equal(kw_lab_clear_log(lab), KW_OK);
    for (int i = 0; i < WAIT_ROUNDS && kw_lab_count_log(lab, &filter) < count; i++) {
        usleep(WAIT_US);
    }
    assert_true(kw_lab_count_log(lab, &filter) >= count);
}

static void moving_slots_fail_nobody(void **state) {
    (void)state;
    atomic_int stop;
    atomic_init(&stop, 0);
    kw_client *c = threaded_open(NULL, NULL);
    start_workers(c, 16, 0, &stop, call_until_stopped);
    for (int round = 0; round < 3; round++) {
        wait_for_progress(20);
        assert_int_equal(kw_lab_move(lab, 0, KW_SLOT_COUNT - 1, round), KW_OK);
        wait_for_progress(20);
        int slot = kw_key_slot("own:0", 5);
        assert_int_equal(kw_lab_migrate_begin(lab, slot, (round + 1) % 3), KW_OK);
        assert_int_equal(kw_lab_migrate_keys(lab, slot, 1000, NULL), KW_OK);
        wait_for_progress(20); /* ASK */
        assert_int_equal(kw_lab_migrate_end(lab, slot), KW_OK);
    }
    wait_for_progress(20);
    atomic_store(&stop, 1);
    assert_true(join_workers(16) > 0);
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(c, &stats), KW_OK);
    assert_true(kw_stats_total(stats, KW_COUNT_MOVED) > 0);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_FAILURES), 0);
    kw_stats_free(stats);
    kw_close(c);
}

/* Writes that may have been executed are told apart; none is lost, none is doubled. */
static void *count_through_a_death(void *arg) {
    worker *w = arg;
    long long least = 0; /* acknowledged */
    long long most = 0;  /* ... or perhaps executed */
    while (!atomic_load(w->stop) && !w->complaint[0]) {
        kw_reply *reply = NULL;
        kw_error err = {0};
        if (kw_call(w->client, &reply, &err, "INCR own:%d", w->index) == KW_OK) {
            long long value = kw_reply_integer(reply);
            if (value <= least || value > most + 1) {
                COMPLAIN(w, "%lld came after %lld to %lld", value, least, most);
            }
            least = most = value;
            w->done++;
        } else if (err.outcome == KW_MAYBE_EXECUTED) {
            most++;
        } else {
            COMPLAIN(w, "%s: %s (%s)", kw_status_name(err.status), err.message,
                     kw_outcome_name(err.outcome));
        }
        kw_reply_free(reply);
    }
    return NULL;
}

static int slot_of_node(int node) {
    int slot = 0;
    while (slot < KW_SLOT_COUNT && kw_lab_owner(lab, slot) != node) {
        slot++;
    }
    assert_true(slot < KW_SLOT_COUNT);
    return slot;
}

static void killed_node_costs_nothing_but_honest_outcomes(void **state) {
    (void)state;
    atomic_int stop;
    atomic_init(&stop, 0);
    kw_client *c = threaded_open(NULL, NULL);
    start_workers(c, 16, 0, &stop, count_through_a_death);
    for (int node = 0; node < 2; node++) {
        wait_for_progress(50);
        int slot = slot_of_node(node);
        assert_int_equal(kw_lab_kill(lab, node), KW_OK);
        for (int i = 0; i < WAIT_ROUNDS && kw_lab_owner(lab, slot) == node; i++) {
            usleep(WAIT_US);
        }
        wait_for_progress(50);
        assert_int_equal(kw_lab_revive(lab, node), KW_OK);
    }
    wait_for_progress(50);
    atomic_store(&stop, 1);
    assert_true(join_workers(16) > 0);
    kw_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_reply_is_its_commands, reset_lab),
        cmocka_unit_test_teardown(each_threads_submissions_keep_their_order, reset_lab),
        cmocka_unit_test_teardown(callbacks_submit_further_commands, reset_lab),
        cmocka_unit_test_teardown(batches_of_many_threads_run_side_by_side, reset_lab),
        cmocka_unit_test_teardown(every_thread_may_look_refresh_and_forget, reset_lab),
        cmocka_unit_test_teardown(moving_slots_fail_nobody, reset_lab),
        cmocka_unit_test_teardown(killed_node_costs_nothing_but_honest_outcomes, reset_lab),
    };
    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
