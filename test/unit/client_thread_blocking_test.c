/* Commands that block, on a handle that many threads share: nobody else waits for them, they are
 * woken by commands of the same handle, end in time, and end with it. */
#include "unit/support/threaded.h"
#include "unit/support/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MAX = 8, MANY = 32, OTHERS = 100 };

/* One command in a thread of its own. */
typedef struct caller {
    kw_client *client;
    const char *line;
    uint32_t timeout_ms; /* 0: the handle's */
    pthread_t thread;
    kw_status status;
    kw_error err;
    char text[64]; /* the last string in the reply; empty: null, or none */
} caller;

static void note_text(const kw_reply *reply, char *ret, size_t size) {
    while (reply && kw_reply_count(reply) > 0) {
        reply = kw_reply_at(reply, kw_reply_count(reply) - 1);
    }
    const char *text = reply ? kw_reply_string(reply, NULL) : NULL;
    (void)snprintf(ret, size, "%s", text ? text : "");
}

static size_t split(const char *line, kw_slice words[WORDS_MAX]) {
    size_t count = 0;
    while (*line && count < WORDS_MAX) {
        size_t len = strcspn(line, " ");
        words[count++] = (kw_slice){line, len};
        line += len + (line[len] == ' ');
    }
    return count;
}

static void *call(void *arg) {
    caller *k = arg;
    kw_slice words[WORDS_MAX];
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    k->status = kw_call_options_new(&options);
    if (k->status == KW_OK) {
        if (k->timeout_ms > 0) {
            kw_call_options_set_timeout_ms(options, k->timeout_ms);
        }
        k->status = kw_call_argv(k->client, words, split(k->line, words), options, &reply, &k->err);
    }
    note_text(reply, k->text, sizeof k->text);
    kw_reply_free(reply);
    kw_call_options_free(options);
    return NULL;
}

static void start_caller(caller *k, kw_client *c, const char *line, uint32_t timeout_ms) {
    *k = (caller){.client = c, .line = line, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&k->thread, NULL, call, k), 0);
}

static void expect_text(caller *k, const char *text) {
    pthread_join(k->thread, NULL);
    if (k->status != KW_OK) {
        fail_msg("%s: %s", k->line, k->err.message);
    }
    assert_string_equal(k->text, text);
}

static void expect_end(caller *k, kw_status status, kw_outcome outcome) {
    pthread_join(k->thread, NULL);
    assert_int_equal(k->status, status);
    assert_int_equal(k->err.outcome, outcome);
}

static uint64_t level(const kw_client *c, kw_counter counter) {
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(c, &stats), KW_OK);
    uint64_t total = kw_stats_total(stats, counter);
    kw_stats_free(stats);
    return total;
}

/* Until so many block at servers. */
static void wait_until_blocked(const kw_client *c, uint64_t want) {
    uint64_t seen = level(c, KW_COUNT_BLOCKED);
    for (int i = 0; i < WAIT_ROUNDS && seen != want; i++) {
        usleep(WAIT_US);
        seen = level(c, KW_COUNT_BLOCKED);
    }
    assert_int_equal(seen, want); /* looked at once: it may be on its way to another level */
}

static long long integer(kw_client *c, const char *format, const char *key) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    if (kw_call(c, &reply, &err, format, key) != KW_OK) {
        fail_msg("%s", err.message);
    }
    long long value = kw_reply_integer(reply);
    kw_reply_free(reply);
    return value;
}

/* ------------------------------------------------------------------- who else comes */

static void *go_on(void *arg) {
    caller *k = arg;
    for (int i = 0; i < OTHERS && k->status == KW_OK; i++) {
        kw_reply *reply = NULL;
        k->status = kw_call(k->client, &reply, &k->err, "INCR %s", k->line);
        kw_reply_free(reply);
    }
    return NULL;
}

static void other_threads_commands_go_on_meanwhile(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    caller pop;
    caller move;
    caller others[4];
    start_caller(&pop, c, "BLPOP {q}1 0", 0);
    start_caller(&move, c, "BLMOVE {q}2 {q}3 LEFT RIGHT 0", 0);
    wait_until_blocked(c, 2);
    for (size_t i = 0; i < COUNT_OF(others); i++) { /* in the same slot, and in another one */
        others[i] = (caller){.client = c, .line = i % 2 ? "{q}count" : "count"};
        assert_int_equal(pthread_create(&others[i].thread, NULL, go_on, &others[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        expect_text(&others[i], "");
    }
    assert_int_equal(integer(c, "INCR %s", "{q}count"), 2 * OTHERS + 1);
    assert_int_equal(level(c, KW_COUNT_BLOCKED), 2);
    assert_int_equal(integer(c, "RPUSH %s one", "{q}1"), 1);
    assert_int_equal(integer(c, "RPUSH %s two", "{q}2"), 1);
    expect_text(&pop, "one");
    expect_text(&move, "two");
    assert_int_equal(integer(c, "LLEN %s", "{q}3"), 1);
    kw_close(c);
}

static void more_than_may_have_connections_all_get_their_own(void **state) {
    (void)state;
    static caller callers[MANY];
    static char lines[MANY][32];
    kw_client *c = threaded_open("blocking_connections_max", "4");
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(lines[i], sizeof lines[i], "BLPOP {q}%d 0", i);
        start_caller(&callers[i], c, lines[i], 20000);
    }
    wait_until_blocked(c, 4);
    for (int i = 0; i < MANY; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "{q}%d", i);
        kw_reply *reply = NULL;
        kw_error err = {0};
        assert_int_equal(kw_call(c, &reply, &err, "RPUSH %s %s", key, key), KW_OK);
        kw_reply_free(reply);
    }
    for (int i = 0; i < MANY; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "{q}%d", i);
        expect_text(&callers[i], key);
    }
    kw_close(c);
}

static void it_goes_on_where_its_slot_goes(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    int slot = kw_key_slot("q", 1);
    int to = (kw_lab_owner(lab, slot) + 1) % 3;
    caller pop;
    size_t left = 1;
    start_caller(&pop, c, "BLPOP q 0", 0);
    wait_until_blocked(c, 1);
    assert_int_equal(kw_lab_migrate_begin(lab, slot, to), KW_OK);
    assert_int_equal(kw_lab_migrate_keys(lab, slot, 10, &left), KW_OK);
    assert_int_equal(kw_lab_migrate_end(lab, slot), KW_OK);
    assert_int_equal(integer(c, "RPUSH %s one", "q"), 1);
    expect_text(&pop, "one");
    assert_int_equal(kw_lab_owner(lab, slot), to);
    kw_close(c);
}

/* -------------------------------------------------------------- submitted, and batches */

typedef struct result {
    char text[64];
    kw_error err;
    const char *also; /* to be submitted by the callback; NULL: nothing */
    atomic_int done;
} result;

static void note(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    result *r = arg;
    note_text(reply, r->text, sizeof r->text);
    r->err = err ? *err : (kw_error){.status = KW_OK};
    if (r->also) {
        r->err.status = kw_submitf(c, NULL, NULL, NULL, "RPUSH %s two", r->also);
    }
    atomic_fetch_add(&r->done, 1);
}

static void what_is_submitted_is_woken_by_what_is_submitted(void **state) {
    (void)state;
    kw_client *c = threaded_open(NULL, NULL);
    result first = {.also = "second"};
    result second = {.also = NULL};
    assert_int_equal(kw_submitf(c, note, &second, NULL, "BLPOP second 0"), KW_OK);
    assert_int_equal(kw_submitf(c, note, &first, NULL, "BLPOP first 0"), KW_OK);
    wait_until_blocked(c, 2);
    assert_int_equal(kw_submitf(c, NULL, NULL, NULL, "RPUSH first one"), KW_OK);
    wait_for(&first.done, 1);
    wait_for(&second.done, 1);
    assert_string_equal(first.text, "one");
    assert_string_equal(second.text, "two");
    assert_int_equal(first.err.status, KW_OK);
    kw_close(c);
}

typedef struct runner {
    kw_batch *batch;
    pthread_t thread;
    kw_status status;
} runner;

static void *run(void *arg) {
    runner *r = arg;
    kw_error err;
    r->status = kw_batch_run(r->batch, &err);
    return NULL;
}

static void fill(runner *r, kw_client *c, const char *const *lines) {
    kw_error err = {0};
    assert_int_equal(kw_batch_new(c, &r->batch), KW_OK);
    for (; *lines; lines++) {
        kw_slice words[WORDS_MAX];
        size_t count = split(*lines, words);
        assert_int_equal(kw_batch_add(r->batch, words, count, NULL, &err), KW_OK);
    }
}

static void start_runner(runner *r, kw_client *c, const char *const *lines) {
    fill(r, c, lines);
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
}

static void expect_place(const runner *r, size_t place, const char *text) {
    char got[64];
    note_text(kw_batch_reply(r->batch, place), got, sizeof got);
    assert_string_equal(got, text);
}

static void batch_waits_and_others_go_on(void **state) {
    (void)state;
    static const char *const lines[] = {"SET {q}a 1", "BLPOP {q} 0",     "GET {q}a",
                                        "GET other",  "BLPOP none 0.05", NULL};
    kw_client *c = threaded_open(NULL, NULL);
    runner r;
    start_runner(&r, c, lines);
    wait_until_blocked(c, 1); /* the second one's time is over */
    assert_int_equal(integer(c, "INCR %s", "{q}count"), 1);
    assert_int_equal(integer(c, "RPUSH %s one", "{q}"), 1);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.status, KW_OK);
    expect_place(&r, 0, "OK");
    expect_place(&r, 1, "one");
    expect_place(&r, 2, "1");
    expect_place(&r, 3, "");
    assert_true(kw_reply_is_null(kw_batch_reply(r.batch, 4)));
    kw_batch_free(r.batch);
    kw_close(c);
}

static void batch_wakes_itself_with_and_without_a_thread(void **state) {
    (void)state;
    static const char *const lines[] = {"BLPOP q 0", "RPUSH q one", "BLMOVE p {p}2 LEFT LEFT 0",
                                        "RPUSH p two", NULL};
    for (int threaded = 0; threaded < 2; threaded++) {
        kw_client *c = NULL;
        runner r = {.status = KW_OK};
        kw_error err = {0};
        if (threaded) {
            c = threaded_open(NULL, NULL);
        } else {
            assert_int_equal(kw_open(kw_lab_url(lab), NULL, &c, &err), KW_OK);
        }
        fill(&r, c, lines);
        if (kw_batch_run(r.batch, &err) != KW_OK) {
            fail_msg("%s", err.message);
        }
        expect_place(&r, 0, "one");
        expect_place(&r, 2, "two");
        kw_batch_free(r.batch);
        kw_close(c);
    }
}

/* ---------------------------------------------------------------------- how they end */

static void each_ends_in_its_own_time(void **state) {
    (void)state;
    kw_client *c = threaded_open("timeout_ms", "1000");
    caller own;
    caller given;
    caller for_ever;
    start_caller(&for_ever, c, "BLPOP q1 0", 0); /* the handle's time is not for its waiting */
    start_caller(&own, c, "BLPOP q2 1.2", 0);
    start_caller(&given, c, "BLMOVE q3 {q3}to LEFT RIGHT 0", 150);
    expect_end(&given, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED);
    expect_text(&own, "");
    assert_int_equal(integer(c, "RPUSH %s one", "q3"), 1); /* nobody takes it */
    assert_int_equal(integer(c, "LLEN %s", "q3"), 1);
    assert_int_equal(level(c, KW_COUNT_BLOCKED), 1);
    assert_int_equal(integer(c, "RPUSH %s two", "q1"), 1);
    expect_text(&for_ever, "two");
    kw_close(c);
}

static void one_that_gets_no_connection_ends_unsent(void **state) {
    (void)state;
    kw_client *c = threaded_open("blocking_connections_max", "1");
    caller first;
    caller late;
    start_caller(&first, c, "BLPOP {q}1 0", 0);
    wait_until_blocked(c, 1);
    start_caller(&late, c, "BLPOP {q}2 0", 100);
    expect_end(&late, KW_ERR_TIMEOUT, KW_NOT_SENT);
    assert_int_equal(integer(c, "RPUSH %s one", "{q}1"), 1);
    expect_text(&first, "one");
    kw_close(c);
}

static void close_ends_them_all_with_their_outcomes(void **state) {
    (void)state;
    static const char *const lines[] = {"SET a 1", "BLPOP d 0", NULL};
    kw_client *c = threaded_open("blocking_connections_max", "1");
    caller sent;
    caller waiting;
    runner batch;
    result submitted = {.also = NULL};
    /* Keys of three nodes, and one that finds its node's only connection taken. */
    assert_int_not_equal(kw_lab_owner(lab, kw_key_slot("b", 1)),
                         kw_lab_owner(lab, kw_key_slot("c", 1)));
    assert_int_not_equal(kw_lab_owner(lab, kw_key_slot("b", 1)),
                         kw_lab_owner(lab, kw_key_slot("d", 1)));
    assert_int_not_equal(kw_lab_owner(lab, kw_key_slot("c", 1)),
                         kw_lab_owner(lab, kw_key_slot("d", 1)));
    start_caller(&sent, c, "BLPOP b 0", 0);
    start_runner(&batch, c, lines);
    assert_int_equal(kw_submitf(c, note, &submitted, NULL, "BLMOVE c {c}2 LEFT LEFT 0"), KW_OK);
    wait_until_blocked(c, 3);
    start_caller(&waiting, c, "BLPOP {b}2 0", 0);
    for (int i = 0; i < WAIT_ROUNDS && level(c, KW_COUNT_WAITING) == 0; i++) {
        usleep(WAIT_US);
    }
    assert_int_equal(level(c, KW_COUNT_WAITING), 1);
    kw_close(c);
    expect_end(&sent, KW_ERR_CLOSED, KW_MAYBE_EXECUTED);
    expect_end(&waiting, KW_ERR_CLOSED, KW_NOT_SENT);
    assert_int_equal(atomic_load(&submitted.done), 1);
    assert_int_equal(submitted.err.status, KW_ERR_CLOSED);
    assert_int_equal(submitted.err.outcome, KW_MAYBE_EXECUTED);
    pthread_join(batch.thread, NULL);
    assert_int_equal(batch.status, KW_ERR_CLOSED);
    expect_place(&batch, 0, "OK");
    const kw_error *why = NULL;
    assert_int_equal(kw_batch_status(batch.batch, 1, &why), KW_ERR_CLOSED);
    assert_int_equal(why->outcome, KW_MAYBE_EXECUTED);
    kw_batch_free(batch.batch);
}

#define TEST(test) cmocka_unit_test_teardown(test, reset_lab)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(other_threads_commands_go_on_meanwhile),
        TEST(more_than_may_have_connections_all_get_their_own),
        TEST(it_goes_on_where_its_slot_goes),
        TEST(what_is_submitted_is_woken_by_what_is_submitted),
        TEST(batch_waits_and_others_go_on),
        TEST(batch_wakes_itself_with_and_without_a_thread),
        TEST(each_ends_in_its_own_time),
        TEST(one_that_gets_no_connection_ends_unsent),
        TEST(close_ends_them_all_with_their_outcomes),
    };
    return cmocka_run_group_tests(tests, start_lab, stop_lab);
}
