/* Commands on one key execute in the order submitted, while its slot goes back and forth. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"

enum { KEYS = 4, WINDOW = 300, MOVES = 12, SLOT = 100 };

/* Moves one slot to and fro in its own thread. */
typedef struct mover {
    pthread_t thread;
    slot_move there, back;
    atomic_bool done;
    bool failed;
} mover;

static void *move_to_and_fro(void *arg) {
    mover *m = arg;
    for (int i = 0; i < MOVES && !m->failed; i++) {
        m->failed = !slot_move_run(i % 2 ? &m->back : &m->there, SLOT);
    }
    atomic_store(&m->done, true);
    return NULL;
}

static void mover_start(mover *m, const redis_cluster *cluster) {
    raw *from = redis_cluster_connect(cluster, 0, 20000);
    raw *to = redis_cluster_connect(cluster, 1, 20000);
    assert_non_null(from);
    assert_non_null(to);
    *m = (mover){.there = {.from = from,
                           .to = to,
                           .from_id = cluster->nodes[0].id,
                           .to_id = cluster->nodes[1].id,
                           .to_host = cluster->host,
                           .to_port = cluster->nodes[1].port,
                           .keys_at_once = 1,
                           .pause_ms = 10},
                 .back = {.from = to,
                          .to = from,
                          .from_id = cluster->nodes[1].id,
                          .to_id = cluster->nodes[0].id,
                          .to_host = cluster->host,
                          .to_port = cluster->nodes[0].port,
                          .keys_at_once = 1,
                          .pause_ms = 10}};
    assert_int_equal(pthread_create(&m->thread, NULL, move_to_and_fro, m), 0);
}

static void mover_join(mover *m) {
    pthread_join(m->thread, NULL);
    raw_close(m->there.from);
    raw_close(m->there.to);
    assert_string_equal(m->there.problem, "");
    assert_string_equal(m->back.problem, "");
    assert_false(m->failed);
}

typedef struct tally {
    unsigned open, replies;
    char problem[200];
} tally;

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    tally *t = arg;
    t->open--;
    t->replies++;
    if (err) {
        snprintf(t->problem, sizeof t->problem, "%s: %.150s", kw_status_name(err->status),
                 err->message);
    } else if (kw_reply_is_error(reply)) {
        snprintf(t->problem, sizeof t->problem, "%.190s", kw_reply_string(reply, NULL));
    }
}

static void push_one(kw_client *client, tally *t, const char *tag, unsigned n) {
    kw_error err;
    int key = (int)(n % KEYS);
    unsigned value = n / KEYS;
    kw_status status =
        n % 2 ? kw_submitf(client, on_reply, t, &err, "RPUSH {%s}list%d %u", tag, key, value)
              : kw_submitf(client, on_reply, t, &err, "APPEND {%s}text%d %u,", tag, key, value);
    assert_int_equal(status, KW_OK);
    t->open++;
}

static void expect_list(kw_client *client, const char *tag, int key, unsigned count) {
    kw_reply *list = client_call(client, "LRANGE {%s}list%d 0 -1", tag, key);
    assert_int_equal(kw_reply_count(list), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(kw_reply_integer(kw_reply_at(list, i)), i);
    }
    kw_reply_free(list);
}

static void expect_text(kw_client *client, const char *tag, int key, unsigned count) {
    kw_reply *reply = client_call(client, "GET {%s}text%d", tag, key);
    const char *text = kw_reply_string(reply, NULL);
    assert_non_null(text);
    for (unsigned i = 0; i < count; i++) {
        char *end = NULL;
        assert_int_equal(strtoul(text, &end, 10), i);
        assert_int_equal(*end, ',');
        text = end + 1;
    }
    assert_int_equal(*text, '\0');
    kw_reply_free(reply);
}

static void commands_of_a_key_keep_their_order_while_its_slot_moves(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=20000");
    char key[32];
    char tag[16];
    key_between(SLOT, SLOT, 0, key);
    snprintf(tag, sizeof tag, "%.*s", (int)strcspn(key + 1, "}"), key + 1);
    tally t = {0};
    mover m;
    mover_start(&m, cluster);
    unsigned submitted = 0;
    while (!atomic_load(&m.done)) {
        for (int i = 0; i < 8 && t.open < WINDOW; i++) {
            push_one(client, &t, tag, submitted++);
        }
        assert_int_equal(kw_wait(client, 1), KW_OK);
    }
    while (submitted % KEYS) {
        push_one(client, &t, tag, submitted++);
    }
    while (kw_pending(client)) {
        assert_int_equal(kw_wait(client, 100), KW_OK);
    }
    mover_join(&m);
    assert_string_equal(t.problem, "");
    assert_int_equal(t.replies, submitted);
    for (int k = 0; k < KEYS; k++) {
        /* odd keys are lists, even ones texts: push_one chooses by the parity of n */
        if (k % 2) {
            expect_list(client, tag, k, submitted / KEYS);
        } else {
            expect_text(client, tag, k, submitted / KEYS);
        }
    }
    print_message("%u commands on %d keys, %llu MOVED, %llu ASK\n", submitted, KEYS,
                  (unsigned long long)client_counter(client, KW_COUNT_MOVED),
                  (unsigned long long)client_counter(client, KW_COUNT_ASK));
    assert_true(client_counter(client, KW_COUNT_ASK) > 0);
    assert_true(client_counter(client, KW_COUNT_MOVED) > 0);
    kw_close(client);
}

static int start(void **state) {
    *state = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    return 0;
}

static int stop(void **state) {
    redis_cluster_stop(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_a_key_keep_their_order_while_its_slot_moves),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
