/* Commands that block, at real servers: woken by the same handle, moved with their slot, lost with
 * their node, closed with their handle, and more of them than there may be connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"

enum { WAIT_MS = 15000, MANY = 1000 };

typedef struct result {
    bool done;
    char *text; /* the last string in the reply; NULL: null, or no reply */
    kw_error err;
} result;

static const kw_reply *innermost(const kw_reply *reply) {
    size_t count = 0;
    while (reply && (count = kw_reply_count(reply)) > 0) {
        reply = kw_reply_at(reply, count - 1);
    }
    return reply;
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    result *r = arg;
    const char *text = reply ? kw_reply_string(innermost(reply), NULL) : NULL;
    r->done = true;
    r->text = text ? strdup(text) : NULL;
    if (err) {
        r->err = *err;
    }
}

static void submit(kw_client *client, result *r, const char *format, const char *key) {
    kw_error err;
    *r = (result){.done = false};
    assert_int_equal(kw_submitf(client, on_reply, r, &err, format, key), KW_OK);
}

static void wait_for(kw_client *client, const result *r) {
    uint64_t end_us = now_us() + WAIT_MS * UINT64_C(1000);
    while (!r->done && now_us() < end_us) {
        assert_int_equal(kw_wait(client, 20), KW_OK);
    }
    assert_true(r->done);
}

/* Until so many are blocked at servers, and so many redirects were met. */
static void wait_until(kw_client *client, uint64_t blocked, uint64_t moved) {
    uint64_t end_us = now_us() + WAIT_MS * UINT64_C(1000);
    while (client_counter(client, KW_COUNT_BLOCKED) != blocked ||
           client_counter(client, KW_COUNT_MOVED) < moved) {
        assert_true(now_us() < end_us);
        assert_int_equal(kw_wait(client, 20), KW_OK);
    }
}

static void expect_text(kw_client *client, result *r, const char *text) {
    wait_for(client, r);
    if (!r->text) {
        fail_msg("no string came: %s", r->err.message);
        return;
    }
    assert_string_equal(r->text, text);
    free(r->text);
}

static void is_woken_by_its_own_handle(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "");
    result r[5];
    submit(client, &r[0], "BLPOP %s 20", "a");
    submit(client, &r[1], "BRPOP %s 0", "b");
    submit(client, &r[2], "BLMPOP 20 1 %s LEFT", "c");
    submit(client, &r[3], "BZPOPMIN %s 20", "d");
    submit(client, &r[4], "XREAD BLOCK 20000 STREAMS %s $", "e");
    wait_until(client, 5, 0);
    client_expect_integer(client, 1, "RPUSH a one");
    client_expect_integer(client, 1, "RPUSH b two");
    client_expect_integer(client, 1, "RPUSH c three");
    client_expect_integer(client, 1, "ZADD d 4 four");
    kw_reply_free(client_call(client, "XADD e * field five"));
    expect_text(client, &r[0], "one");
    expect_text(client, &r[1], "two");
    expect_text(client, &r[2], "three");
    expect_text(client, &r[3], "4");
    expect_text(client, &r[4], "five");
    submit(client, &r[0], "BLPOP %s 0.05", "a");
    wait_for(client, &r[0]);
    assert_null(r[0].text);
    assert_int_equal(r[0].err.status, KW_OK);
    assert_int_equal(client_counter(client, KW_COUNT_BLOCKED), 0);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void move_slot(redis_cluster *cluster, int slot, int from, int to) {
    slot_move move = {.from = cluster->nodes[from].admin,
                      .to = cluster->nodes[to].admin,
                      .from_id = cluster->nodes[from].id,
                      .to_id = cluster->nodes[to].id,
                      .to_host = cluster->host,
                      .to_port = cluster->nodes[to].port,
                      .keys_at_once = 10};
    if (!slot_move_run(&move, slot)) {
        fail_msg("slot %d was not moved: %s", slot, move.problem);
    }
}

static int blocked_at_servers(redis_cluster *cluster) {
    int sum = 0;
    for (int i = 0; i < cluster->count; i++) {
        raw_reply *info = redis_cluster_ask(cluster, i, "INFO clients");
        const char *found = strstr(info->text, "blocked_clients:");
        assert_non_null(found);
        sum += atoi(found + strlen("blocked_clients:"));
        raw_reply_free(info);
    }
    return sum;
}

static void goes_on_where_its_slot_goes(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "");
    int slot = kw_key_slot("queue", 5);
    int from = redis_cluster_first_owner(cluster, slot);
    result pop;
    result read;
    submit(client, &pop, "BLPOP %s 60", "queue");
    submit(client, &read, "XREAD BLOCK 0 STREAMS %s $", "{queue}stream");
    wait_until(client, 2, 0);
    move_slot(cluster, slot, from, (from + 1) % 3);
    /* A server redirects who is blocked within about a second, one after the other. */
    wait_until(client, 2, 2);
    for (int i = 0; i < 500 && blocked_at_servers(cluster) < 2; i++) { /* `$` means: from then on */
        sleep_ms(10);
    }
    assert_int_equal(blocked_at_servers(cluster), 2);
    client_expect_integer(client, 1, "RPUSH queue one");
    kw_reply_free(client_call(client, "XADD {queue}stream * field two"));
    expect_text(client, &pop, "one");
    expect_text(client, &read, "two");
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void node_that_is_killed_takes_a_pop_along_and_no_read(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.replicas = 3});
    kw_client *client = client_open(cluster, "timeout_ms=20000");
    int owner = redis_cluster_first_owner(cluster, kw_key_slot("queue", 5));
    result pop;
    result read;
    client_expect_integer(client, 1, "RPUSH {queue}other x");
    submit(client, &pop, "BLPOP %s 0", "queue");
    submit(client, &read, "XREAD BLOCK 0 STREAMS %s $", "{queue}stream");
    wait_until(client, 2, 0);
    redis_cluster_kill(cluster, owner);
    wait_for(client, &pop);
    assert_int_equal(pop.err.status, KW_ERR_CONNECTION);
    assert_int_equal(pop.err.outcome, KW_MAYBE_EXECUTED);
    wait_until(client, 1, 0); /* at its replica, once that is promoted */
    kw_reply_free(client_call(client, "XADD {queue}stream * field one"));
    expect_text(client, &read, "one");
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void closing_the_handle_ends_them_at_their_servers_too(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "blocking_connections_max=1");
    result sent;
    result read;
    result waiting;
    submit(client, &sent, "BLPOP %s 0", "a");
    submit(client, &read, "XREAD BLOCK 0 STREAMS %s $", "b");
    submit(client, &waiting, "BLPOP %s 30", "{a}2");
    wait_until(client, 2, 0);
    assert_int_equal(blocked_at_servers(cluster), 2);
    kw_close(client);
    assert_true(sent.done && read.done && waiting.done);
    assert_int_equal(sent.err.status, KW_ERR_CLOSED);
    assert_int_equal(sent.err.outcome, KW_MAYBE_EXECUTED);
    assert_int_equal(read.err.outcome, KW_NO_EFFECT);
    assert_int_equal(waiting.err.outcome, KW_NOT_SENT);
    for (int i = 0; i < 500 && blocked_at_servers(cluster) > 0; i++) {
        sleep_ms(10);
    }
    assert_int_equal(blocked_at_servers(cluster), 0);
    redis_cluster_stop(cluster);
}

static void deadline_takes_it_back_from_the_server(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "");
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    kw_error err = {.status = KW_OK};
    kw_slice argv[] = {{"BLPOP", 5}, {"queue", 5}, {"0", 1}};
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_timeout_ms(options, 300);
    assert_int_equal(kw_call_argv(client, argv, 3, options, &reply, &err), KW_ERR_TIMEOUT);
    assert_int_equal(err.outcome, KW_MAYBE_EXECUTED);
    for (int i = 0; i < 500 && blocked_at_servers(cluster) > 0; i++) {
        assert_int_equal(kw_process(client), KW_OK);
        sleep_ms(10);
    }
    client_expect_integer(client, 1, "RPUSH queue one");
    client_expect_integer(client, 1, "LLEN queue");
    kw_call_options_free(options);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void a_thousand_share_as_many_connections_as_may_be(void **state) {
    (void)state;
    static result results[MANY];
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "blocking_connections_max=50");
    char key[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "{queue}%d", i);
        submit(client, &results[i], "BLPOP %s 60", key);
    }
    wait_until(client, 50, 0);
    assert_int_equal(client_counter(client, KW_COUNT_WAITING), MANY - 50);
    assert_int_equal(blocked_at_servers(cluster), 50);
    client_expect_text(client, "OK", "SET {queue} quick"); /* past all of them */
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "{queue}%d", i);
        client_expect_integer(client, 1, "RPUSH %s %s", key, key);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "{queue}%d", i);
        expect_text(client, &results[i], key);
    }
    assert_true(client_counter(client, KW_COUNT_LINKS) <= 50 + 3);
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    kw_close(client);
    redis_cluster_stop(cluster);
}

/* With an I/O thread: counters tell when a command blocks, nobody drives. */
static void wait_until_blocked(const kw_client *client, uint64_t blocked) {
    uint64_t end_us = now_us() + WAIT_MS * UINT64_C(1000);
    while (client_counter(client, KW_COUNT_BLOCKED) != blocked) {
        assert_true(now_us() < end_us);
        sleep_ms(5);
    }
}

static void reads_of_a_handle_with_a_thread_wait_and_end(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "io_thread=yes");
    kw_call_options *options = NULL;
    kw_batch *batch = NULL;
    kw_reply *reply = NULL;
    kw_error err = {.status = KW_OK};
    const kw_slice argv[] = {{"XREAD", 5},   {"BLOCK", 5}, {"0", 1},
                             {"STREAMS", 7}, {"e", 1},     {"$", 1}};
    result r[2];
    submit(client, &r[0], "XREAD BLOCK 20000 STREAMS %s $", "d");
    wait_until_blocked(client, 1);
    client_expect_integer(client, 1, "INCR {d}count"); /* past it */
    kw_reply_free(client_call(client, "XADD d * field one"));
    for (int i = 0; i < WAIT_MS / 5 && kw_pending(client) > 0; i++) {
        sleep_ms(5);
    }
    assert_int_equal(kw_pending(client), 0); /* and what the callback did is seen */
    expect_text(client, &r[0], "one");

    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "XREAD BLOCK 50 STREAMS d $"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "XLEN d"), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    assert_true(kw_reply_is_null(kw_batch_reply(batch, 0)));
    assert_int_equal(kw_reply_integer(kw_batch_reply(batch, 1)), 1);
    kw_batch_free(batch);

    submit(client, &r[0], "XREAD BLOCK 0 STREAMS %s $", "e");
    submit(client, &r[1], "BLMOVE %s {e}3 LEFT RIGHT 0", "{e}2");
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_timeout_ms(options, 200);
    assert_int_equal(kw_call_argv(client, argv, 6, options, &reply, &err), KW_ERR_TIMEOUT);
    assert_int_equal(err.outcome, KW_NO_EFFECT);
    wait_until_blocked(client, 2);
    kw_call_options_free(options);
    kw_close(client);
    assert_int_equal(r[0].err.status, KW_ERR_CLOSED);
    assert_int_equal(r[0].err.outcome, KW_NO_EFFECT);
    assert_int_equal(r[1].err.outcome, KW_MAYBE_EXECUTED);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_woken_by_its_own_handle),
        cmocka_unit_test(goes_on_where_its_slot_goes),
        cmocka_unit_test(node_that_is_killed_takes_a_pop_along_and_no_read),
        cmocka_unit_test(closing_the_handle_ends_them_at_their_servers_too),
        cmocka_unit_test(deadline_takes_it_back_from_the_server),
        cmocka_unit_test(reads_of_a_handle_with_a_thread_wait_and_end),
        cmocka_unit_test(a_thousand_share_as_many_connections_as_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
