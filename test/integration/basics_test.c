/* What a program does all day, on a real cluster: every type of reply, large values, batches and
 * long pipelines over all nodes, formats, statistics, events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"

static kw_client *open_resp(const redis_cluster *cluster, int resp) {
    char query[64];
    snprintf(query, sizeof query, "timeout_ms=30000&resp=%d", resp);
    return client_open(cluster, query);
}

static void expect_type(kw_client *client, kw_type want, const char *format, ...) {
    kw_reply *reply = NULL;
    kw_error err;
    va_list args;
    va_start(args, format);
    assert_int_equal(kw_vcall(client, &reply, &err, format, args), KW_OK);
    va_end(args);
    if (kw_reply_type(reply) != want) {
        fail_msg("%s: %s instead of %s", format, kw_type_name(kw_reply_type(reply)),
                 kw_type_name(want));
    }
    kw_reply_free(reply);
}

static void types_common_to_both_protocols(kw_client *client) {
    client_expect_integer(client, 1, "DEL type");
    expect_type(client, KW_TYPE_STATUS, "SET type x");
    expect_type(client, KW_TYPE_STRING, "GET type");
    expect_type(client, KW_TYPE_INTEGER, "STRLEN type");
    expect_type(client, KW_TYPE_ERROR, "LPUSH type x");
    expect_type(client, KW_TYPE_NULL, "GET no-such-key");
    expect_type(client, KW_TYPE_ARRAY, "MGET type");
    client_expect_integer(client, 1, "DEL type");
}

static void resp2_types(void **state) {
    kw_client *client = open_resp(*state, 2);
    client_expect_text(client, "OK", "SET type x");
    types_common_to_both_protocols(client);
    client_expect_integer(client, 1, "HSET type field value");
    kw_reply *map = client_call(client, "HGETALL type");
    assert_int_equal(kw_reply_type(map), KW_TYPE_ARRAY);
    assert_string_equal(kw_reply_string(kw_reply_get(map, "field"), NULL), "value");
    kw_reply_free(map);
    client_expect_integer(client, 1, "DEL type");
    client_expect_integer(client, 1, "ZADD type 1.5 member");
    kw_reply *score = client_call(client, "ZSCORE type member");
    assert_int_equal(kw_reply_type(score), KW_TYPE_STRING);
    assert_true(kw_reply_double(score) == 1.5);
    kw_reply_free(score);
    client_expect_integer(client, 1, "DEL type");
    kw_close(client);
}

static const char *const typed_script =
    "redis.setresp(3);"
    "local t = ARGV[1];"
    "if t == 'true' then return true "
    "elseif t == 'false' then return false "
    "elseif t == 'double' then return {double=3.25} "
    "elseif t == 'big' then return {big_number='3492890328409238509324850943850943825024385'} "
    "elseif t == 'map' then return {map={a={1,2,{3}},b='two'}} "
    "elseif t == 'set' then return {set={x=true}} "
    "elseif t == 'verbatim' then return {verbatim_string={format='txt',string='some text'}} "
    "else return {1,{2,{3,{4,'five'}}}} end";

static kw_reply *typed(kw_client *client, const char *which) {
    return client_call(client, "EVAL %s 1 key %s", typed_script, which);
}

static void resp3_aggregates(kw_client *client) {
    kw_reply *reply = typed(client, "map");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_MAP);
    assert_int_equal(kw_reply_count(reply), 2);
    assert_string_equal(kw_reply_string(kw_reply_get(reply, "b"), NULL), "two");
    assert_int_equal(kw_reply_count(kw_reply_get(reply, "a")), 3);
    kw_reply_free(reply);
    reply = typed(client, "set");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_SET);
    assert_int_equal(kw_reply_count(reply), 1);
    assert_string_equal(kw_reply_string(kw_reply_at(reply, 0), NULL), "x");
    kw_reply_free(reply);
    reply = typed(client, "nested");
    const kw_reply *inner = kw_reply_at(kw_reply_at(kw_reply_at(reply, 1), 1), 1);
    assert_int_equal(kw_reply_integer(kw_reply_at(inner, 0)), 4);
    assert_string_equal(kw_reply_string(kw_reply_at(inner, 1), NULL), "five");
    assert_null(kw_reply_at(inner, 2));
    kw_reply_free(reply);
}

static void resp3_types(void **state) {
    kw_client *client = open_resp(*state, 3);
    client_expect_text(client, "OK", "SET type x");
    types_common_to_both_protocols(client);
    kw_reply *reply = typed(client, "true");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_BOOL);
    assert_true(kw_reply_bool(reply));
    kw_reply_free(reply);
    reply = typed(client, "false");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_BOOL);
    assert_false(kw_reply_bool(reply));
    kw_reply_free(reply);
    reply = typed(client, "double");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_DOUBLE);
    assert_true(kw_reply_double(reply) == 3.25);
    kw_reply_free(reply);
    reply = typed(client, "big");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_BIGNUM);
    assert_string_equal(kw_reply_string(reply, NULL),
                        "3492890328409238509324850943850943825024385");
    kw_reply_free(reply);
    reply = typed(client, "verbatim");
    assert_int_equal(kw_reply_type(reply), KW_TYPE_VERBATIM);
    assert_string_equal(kw_reply_string(reply, NULL), "some text");
    assert_string_equal(kw_reply_format(reply), "txt");
    kw_reply_free(reply);
    resp3_aggregates(client);
    kw_close(client);
}

static void value_of_ten_megabytes_returns_unchanged(void **state) {
    enum { SIZE = 10 * 1024 * 1024 };
    kw_client *client = open_resp(*state, 3);
    char *value = malloc(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++) {
        value[i] = (char)(i * 131 + i / 509);
    }
    client_expect_text(client, "OK", "SET large %b", value, (size_t)SIZE);
    kw_reply *reply = client_call(client, "GET large");
    size_t len = 0;
    const char *got = kw_reply_string(reply, &len);
    assert_int_equal(len, SIZE);
    assert_memory_equal(got, value, SIZE);
    assert_int_equal(got[len], '\0');
    kw_reply_free(reply);
    client_expect_integer(client, 1, "DEL large");
    free(value);
    kw_close(client);
}

static void batch_over_all_nodes_answers_in_order(void **state) {
    enum { COUNT = 3000 };
    kw_client *client = open_resp(*state, 3);
    kw_batch *batch = NULL;
    kw_error err;
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(kw_batch_addf(batch, &err, "SET batch:%d %d", i, i + round), KW_OK);
            assert_int_equal(kw_batch_addf(batch, &err, "GET batch:%d", i), KW_OK);
        }
        assert_int_equal(kw_batch_run(batch, &err), KW_OK);
        assert_int_equal(kw_batch_count(batch), 2 * COUNT);
        for (int i = 0; i < COUNT; i++) {
            kw_reply *reply = kw_batch_reply(batch, 2 * (size_t)i + 1);
            assert_non_null(reply);
            assert_int_equal(kw_reply_integer(reply), i + round);
            assert_int_equal(kw_batch_status(batch, 2 * (size_t)i + 1, NULL), KW_OK);
        }
        kw_batch_clear(batch);
        assert_int_equal(kw_batch_count(batch), 0);
    }
    kw_batch_free(batch);
    kw_close(client);
}

static void error_reply_in_a_batch_spoils_only_itself(void **state) {
    kw_client *client = open_resp(*state, 3);
    kw_batch *batch = NULL;
    kw_error err;
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "SET text x"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "LPUSH text x"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "GET text"), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    assert_true(kw_reply_is_error(kw_batch_reply(batch, 1)));
    assert_non_null(strstr(kw_reply_string(kw_batch_reply(batch, 1), NULL), "WRONGTYPE"));
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, 2), NULL), "x");
    kw_reply *kept = kw_reply_keep(kw_batch_reply(batch, 2));
    kw_batch_free(batch);
    kw_close(client);
    assert_string_equal(kw_reply_string(kept, NULL), "x");
    kw_reply_free(kept);
}

enum { PIPELINE = 100000, PIPELINE_KEYS = 1000 };

typedef struct pipeline {
    int replies, wrong;
    int next[PIPELINE_KEYS];
} pipeline;

typedef struct pipeline_call {
    pipeline *pipeline;
    int key;
} pipeline_call;

static void on_incremented(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    (void)err;
    pipeline_call *call = arg;
    pipeline *p = call->pipeline;
    p->replies++;
    p->wrong += !reply || kw_reply_integer(reply) != ++p->next[call->key];
}

static void pipeline_of_a_hundred_thousand_is_answered_in_full(void **state) {
    kw_client *client = open_resp(*state, 3);
    static pipeline p;
    static pipeline_call calls[PIPELINE_KEYS];
    kw_error err;
    p = (pipeline){0};
    for (int i = 0; i < PIPELINE; i++) {
        int key = i % PIPELINE_KEYS;
        calls[key] = (pipeline_call){&p, key};
        kw_status status =
            kw_submitf(client, on_incremented, &calls[key], &err, "INCR pipeline:%d", key);
        if (status != KW_OK) {
            fail_msg("command %d: %s", i, err.message);
        }
    }
    assert_int_equal(p.replies, 0); /* callbacks never come from inside kw_submit */
    while (kw_pending(client)) {
        assert_int_equal(kw_wait(client, 1000), KW_OK);
    }
    assert_int_equal(p.replies, PIPELINE);
    assert_int_equal(p.wrong, 0);
    kw_close(client);
}

static void keys_of_two_slots_are_refused_before_sending(void **state) {
    kw_client *client = open_resp(*state, 3);
    kw_error err;
    char a[16];
    char b[16];
    client_expect_failure(client, &err, "MSET first 1 second 2");
    assert_int_equal(err.status, KW_ERR_CROSSSLOT);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    snprintf(a, sizeof a, "%d", kw_key_slot("first", 5));
    snprintf(b, sizeof b, "%d", kw_key_slot("second", 6));
    assert_non_null(strstr(err.message, a));
    assert_non_null(strstr(err.message, b));
    client_expect_text(client, "OK", "MSET {same}first 1 {same}second 2");
    kw_close(client);
}

static void formats_keep_values_whole(void **state) {
    kw_client *client = open_resp(*state, 3);
    const char bytes[] = "zero\0 space \r\n end";
    client_expect_text(client, "OK", "SET %s %b", "a key with spaces", bytes, sizeof bytes - 1);
    kw_reply *reply = client_call(client, "GET %s", "a key with spaces");
    size_t len = 0;
    const char *got = kw_reply_string(reply, &len);
    assert_int_equal(len, sizeof bytes - 1);
    assert_memory_equal(got, bytes, len);
    kw_reply_free(reply);
    client_expect_text(client, "OK", "SET %s:%d %s", "user", 7, "");
    client_expect_text(client, "", "GET user:%d", 7);
    client_expect_text(client, "OK", "SET n %lld", (long long)INT64_MIN);
    client_expect_text(client, "-9223372036854775808", "GET n");
    client_expect_text(client, "OK", "SET n %zu%%", (size_t)100);
    client_expect_text(client, "100%", "GET n");
    kw_close(client);
}

static void unknown_command_is_learned_from_the_server(void **state) {
    (void)state;
    static const char *const settings[] = {"--rename-command", "GET", "FETCH", NULL};
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.settings = settings});
    kw_client *client = open_resp(cluster, 3);
    for (int i = 0; i < 100; i++) {
        client_expect_text(client, "OK", "SET key:%d %d", i, i);
    }
    uint64_t moved = client_counter(client, KW_COUNT_MOVED);
    for (int i = 0; i < 100; i++) {
        char want[8];
        snprintf(want, sizeof want, "%d", i);
        client_expect_text(client, want, "FETCH key:%d", i);
    }
    /* Routed by its key: the server says where a keyless guess would have gone wrong. */
    assert_int_equal(client_counter(client, KW_COUNT_MOVED), moved);
    kw_error err;
    client_expect_failure(client, &err, "SUBSCRIBE channel");
    assert_int_equal(err.status, KW_ERR_UNSUPPORTED);
    kw_reply *reply = NULL;
    assert_int_equal(kw_call(client, &reply, &err, "NOSUCHCOMMAND key"), KW_OK);
    assert_true(kw_reply_is_error(reply));
    assert_non_null(strstr(kw_reply_string(reply, NULL), "unknown command"));
    kw_reply_free(reply);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void statistics_add_up(void **state) {
    kw_client *client = open_resp(*state, 3);
    for (int i = 0; i < 300; i++) {
        client_expect_text(client, "OK", "SET key:%d %d", i, i);
    }
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(client, &stats), KW_OK);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_COMMANDS), 300);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_REPLIES), 300);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_FAILURES), 0);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_IN_FLIGHT), 0);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_SLOTS_KNOWN), KW_SLOT_COUNT);
    assert_true(kw_stats_total(stats, KW_COUNT_BYTES_OUT) > 300 * 20);
    assert_true(kw_stats_total(stats, KW_COUNT_BYTES_IN) >= 300 * 5);
    assert_true(kw_stats_total(stats, KW_COUNT_REFRESH_ACCEPTED) >= 1);
    uint64_t replies = 0;
    int nodes_used = 0;
    for (size_t i = 0; i < kw_stats_node_count(stats); i++) {
        assert_non_null(kw_stats_node_endpoint(stats, i));
        replies += kw_stats_node(stats, i, KW_COUNT_REPLIES);
        nodes_used += kw_stats_node(stats, i, KW_COUNT_REPLIES) > 0;
    }
    assert_int_equal(replies, 300);
    assert_int_equal(nodes_used, 3);
    uint64_t median_us = kw_stats_latency_us(stats, -1, 0.5);
    assert_true(median_us > 0);
    assert_true(kw_stats_latency_us(stats, -1, 0.99) >= median_us);
    assert_non_null(kw_stats_prometheus(stats));
    assert_non_null(strstr(kw_stats_prometheus(stats), "keyway_"));
    kw_stats_free(stats);
    kw_close(client);
}

static void count_event(kw_client *client, const kw_event *event, void *arg) {
    (void)client;
    int *counts = arg;
    counts[kw_event_get_type(event)]++;
    assert_non_null(kw_event_text(event));
    assert_non_null(kw_event_node(event));
    assert_non_null(kw_event_target(event));
}

static void redirect_is_seen_as_event_and_in_the_trace(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = open_resp(cluster, 3);
    int counts[KW_EVENT_TYPE_COUNT] = {0};
    char key[32];
    char from[80];
    char to[80];
    kw_on_event(client, count_event, counts);
    key_between(0, 0, 0, key);
    client_expect_text(client, "OK", "SET %s x", key);
    assert_true(counts[KW_EVENT_NODE_UP] > 0);
    assert_true(counts[KW_EVENT_REFRESH_ACCEPTED] > 0);
    slot_move move = {.from = cluster->nodes[0].admin,
                      .to = cluster->nodes[1].admin,
                      .from_id = cluster->nodes[0].id,
                      .to_id = cluster->nodes[1].id,
                      .to_host = cluster->host,
                      .to_port = cluster->nodes[1].port};
    assert_true(slot_move_run(&move, 0));

    kw_trace *trace = NULL;
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    kw_error err;
    kw_hop hop;
    assert_int_equal(kw_trace_new(&trace), KW_OK);
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_trace(options, trace);
    kw_slice argv[2] = {{"GET", 3}, {key, strlen(key)}};
    assert_int_equal(kw_call_argv(client, argv, 2, options, &reply, &err), KW_OK);
    assert_string_equal(kw_reply_string(reply, NULL), "x");
    assert_int_equal(counts[KW_EVENT_REDIRECTED], 1);
    assert_int_equal(kw_trace_slot(trace), 0);
    assert_int_equal(kw_trace_hop_count(trace), 2);
    assert_true(kw_trace_hop_at(trace, 0, &hop));
    assert_string_equal(hop.node, redis_cluster_endpoint(cluster, 0, from));
    assert_string_equal(hop.answer, "MOVED");
    assert_true(kw_trace_hop_at(trace, 1, &hop));
    assert_string_equal(hop.node, redis_cluster_endpoint(cluster, 1, to));
    assert_string_equal(hop.reason, "moved");
    assert_string_equal(hop.answer, "reply");
    assert_true(hop.end_us >= hop.start_us);
    assert_true(kw_trace_total_us(trace) >= hop.end_us);
    kw_reply_free(reply);
    kw_call_options_free(options);
    kw_close(client);
    kw_trace_free(trace);
    slot_move back = {.from = move.to,
                      .to = move.from,
                      .from_id = move.to_id,
                      .to_id = move.from_id,
                      .to_host = cluster->host,
                      .to_port = cluster->nodes[0].port};
    assert_true(slot_move_run(&back, 0));
}

static int kill_connections(redis_cluster *cluster, const char *name) {
    int killed = 0;
    for (int i = 0; i < cluster->count; i++) {
        raw_reply *list = redis_cluster_ask(cluster, i, "CLIENT LIST");
        char *rest = NULL;
        for (char *line = strtok_r(list->text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
            unsigned long id = 0;
            if (strstr(line, name) && sscanf(line, "id=%lu", &id) == 1) {
                redis_cluster_do(cluster, i, "CLIENT KILL ID %lu", id);
                killed++;
            }
        }
        raw_reply_free(list);
    }
    return killed;
}

static void connections_closed_while_idle_cost_no_write(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=30000&client_name=idler");
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20; i++) {
            client_expect_integer(client, round + 1, "INCR idle:%d", i);
        }
        assert_int_equal(kill_connections(cluster, " name=idler "), 3);
        sleep_ms(10);
    }
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    kw_close(client);
}

typedef struct closing {
    int replies, closed;
} closing;

static void close_inside(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    closing *c = arg;
    kw_error ignored;
    c->closed += err && err->status == KW_ERR_CLOSED;
    if (reply && c->replies++ == 0) {
        assert_int_equal(kw_submitf(client, close_inside, c, &ignored, "GET late"), KW_OK);
        kw_close(client);
    }
}

static void handle_may_be_closed_inside_a_callback(void **state) {
    kw_client *client = open_resp(*state, 3);
    closing c = {0};
    kw_error err;
    client_expect_text(client, "PONG", "PING");
    for (int i = 0; i < 50; i++) {
        assert_int_equal(kw_submitf(client, close_inside, &c, &err, "SET key:%d %d", i, i), KW_OK);
    }
    while (!c.replies) {
        kw_status status = kw_wait(client, 1000);
        assert_true(status == KW_OK || status == KW_ERR_CLOSED);
    }
    assert_true(c.closed > 0);
    assert_int_equal(c.replies + c.closed, 51);
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
        cmocka_unit_test(resp2_types),
        cmocka_unit_test(resp3_types),
        cmocka_unit_test(value_of_ten_megabytes_returns_unchanged),
        cmocka_unit_test(batch_over_all_nodes_answers_in_order),
        cmocka_unit_test(error_reply_in_a_batch_spoils_only_itself),
        cmocka_unit_test(pipeline_of_a_hundred_thousand_is_answered_in_full),
        cmocka_unit_test(keys_of_two_slots_are_refused_before_sending),
        cmocka_unit_test(formats_keep_values_whole),
        cmocka_unit_test(unknown_command_is_learned_from_the_server),
        cmocka_unit_test(statistics_add_up),
        cmocka_unit_test(redirect_is_seen_as_event_and_in_the_trace),
        cmocka_unit_test(connections_closed_while_idle_cost_no_write),
        cmocka_unit_test(handle_may_be_closed_inside_a_callback),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
