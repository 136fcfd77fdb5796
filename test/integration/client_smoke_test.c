/* The whole client against the embedded cluster: sync, async, batches, event loops, closing, fork,
 * memory that runs out. */
#include "unit/support/unit.h"

#include <keyway/keyway.h>
#include <keyway/lab.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20000, ROUND_MS = 5 };

static kw_lab *lab;

static int start_lab(void **state) {
    kw_error err;
    (void)state;
    return kw_lab_start(NULL, &lab, &err) == KW_OK ? 0 : -1;
}

static int stop_lab(void **state) {
    (void)state;
    kw_lab_stop(lab);
    return 0;
}

static kw_client *open_client(void) {
    kw_client *c = NULL;
    kw_error err = {0};
    assert_int_equal(kw_open(kw_lab_url(lab), NULL, &c, &err), KW_OK);
    return c;
}

/* A call that must succeed. */
static kw_reply *call(kw_client *c, const char *name, const char *key, const char *value) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    const kw_slice argv[] = {{name, strlen(name)}, {key, strlen(key)}, {value, strlen(value)}};
    size_t argc = *value ? 3 : *key ? 2 : 1;
    kw_status status = kw_call_argv(c, argv, argc, NULL, &reply, &err);
    if (status != KW_OK) {
        fail_msg("%s: %s: %s", name, kw_status_name(status), err.message);
    }
    return reply;
}

static void set(kw_client *c, const char *key, const char *value) {
    kw_reply *reply = call(c, "SET", key, value);
    assert_string_equal(kw_reply_string(reply, NULL), "OK");
    kw_reply_free(reply);
}

static void assert_value(kw_client *c, const char *key, const char *value) {
    kw_reply *reply = call(c, "GET", key, "");
    assert_string_equal(kw_reply_string(reply, NULL), value);
    kw_reply_free(reply);
}

/* ------------------------------------------------------------------ callbacks */

typedef struct tally {
    int replies;
    int errors;
    kw_status last_status;
    int close_after; /* closes the handle with this reply; 0: never */
    int submit_more; /* submits as many again */
    kw_status inner; /* of what was tried inside the callback */
    kw_reply *kept;
} tally;

static void count(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    tally *t = arg;
    assert_true((reply != NULL) != (err != NULL));
    t->replies += reply != NULL;
    t->errors += err != NULL;
    t->last_status = err ? err->status : KW_OK;
    if (t->close_after && t->replies == t->close_after && reply) {
        kw_close(c);
        kw_close(c); /* once is enough, twice is harmless */
    }
    if (t->submit_more > 0 && reply) {
        t->submit_more--;
        assert_int_equal(kw_submitf(c, count, t, NULL, "SET more:%d x", t->submit_more), KW_OK);
    }
}

static void submit(kw_client *c, tally *t, int number) {
    kw_error err = {0};
    assert_int_equal(kw_submitf(c, count, t, &err, "SET key:%d %d", number, number), KW_OK);
}

static void wait_all(kw_client *c) {
    for (int i = 0; i < ROUNDS && kw_pending(c) > 0; i++) {
        assert_int_equal(kw_wait(c, ROUND_MS), KW_OK);
    }
    assert_int_equal(kw_pending(c), 0);
}

/* ----------------------------------------------------------------------- sync */

static void calls_reach_all_nodes(void **state) {
    (void)state;
    kw_client *c = open_client();
    char key[32];
    char value[32];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "sync:%d", i);
        snprintf(value, sizeof value, "value %d", i);
        set(c, key, value);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "sync:%d", i);
        snprintf(value, sizeof value, "value %d", i);
        assert_value(c, key, value);
    }
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(c, &stats), KW_OK);
    kw_close(c);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_REPLIES), 600);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_FAILURES), 0);
    size_t used = 0;
    for (size_t i = 0; i < kw_stats_node_count(stats); i++) {
        used += kw_stats_node(stats, i, KW_COUNT_REPLIES) > 50;
    }
    assert_int_equal(used, 3);
    assert_non_null(strstr(kw_stats_prometheus(stats), "keyway_replies_total 600"));
    kw_stats_free(stats);
}

static void format_carries_any_bytes(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_reply *reply = NULL;
    kw_error err = {0};
    const char bytes[] = "a\0b\r\n c";
    assert_int_equal(kw_call(c, &reply, &err, "SET fmt:%d %b", 7, bytes, sizeof bytes), KW_OK);
    kw_reply_free(reply);
    assert_int_equal(kw_call(c, &reply, &err, "GET fmt:%s", "7"), KW_OK);
    size_t len = 0;
    assert_memory_equal(kw_reply_string(reply, &len), bytes, sizeof bytes);
    assert_int_equal(len, sizeof bytes);
    kw_reply_free(reply);

    reply = NULL;
    assert_int_equal(kw_call(c, &reply, &err, "GET %q", "7"), KW_ERR_INVALID);
    assert_null(reply);
    assert_true(err.message[0] != '\0');
    kw_close(c);
}

/* More than one connection's share of a turn, both ways. */
static void large_values_travel_in_pieces(void **state) {
    enum { SIZE = 8 * 1024 * 1024 };
    (void)state;
    kw_client *c = open_client();
    kw_reply *reply = NULL;
    kw_error err = {0};
    size_t len = 0;
    char *value = malloc(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++) {
        value[i] = (char)(i % 251);
    }
    tally t = {0};
    assert_int_equal(kw_call(c, &reply, &err, "SET large %b", value, (size_t)SIZE), KW_OK);
    kw_reply_free(reply);
    submit(c, &t, 1);
    assert_int_equal(kw_call(c, &reply, &err, "GET large"), KW_OK);
    const char *back = kw_reply_string(reply, &len);
    assert_int_equal(len, SIZE);
    assert_true(memcmp(back, value, SIZE) == 0);
    kw_reply_free(reply);
    wait_all(c);
    assert_int_equal(t.replies, 1);
    free(value);
    kw_close(c);
}

static void servers_error_is_a_reply(void **state) {
    (void)state;
    kw_client *c = open_client();
    set(c, "text", "no number");
    kw_reply *reply = call(c, "INCR", "text", "");
    assert_true(kw_reply_is_error(reply));
    assert_non_null(strstr(kw_reply_string(reply, NULL), "not an integer"));
    kw_reply_free(reply);
    kw_close(c);
}

static void keys_in_two_slots_are_refused_before_sending(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_reply *reply = NULL;
    kw_error err = {0};
    assert_int_equal(kw_call(c, &reply, &err, "MGET a b"), KW_ERR_CROSSSLOT);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_int_equal(kw_submitf(c, count, NULL, &err, "MGET a b"), KW_ERR_CROSSSLOT);
    assert_int_equal(kw_pending(c), 0);
    kw_close(c);
}

static void wrong_urls_are_refused_with_a_reason(void **state) {
    (void)state;
    const char *urls[] = {"",
                          "localhost",
                          "http://localhost:7000",
                          "redis://",
                          "redis://localhost:0",
                          "redis://localhost:99999",
                          "redis://localhost:7000?no_such_option=1",
                          "redis://localhost:7000?timeout_ms=soon",
                          "rediss://localhost:7000?tls_ca_file=/nonexistent/ca.pem"};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        kw_client *c = NULL;
        kw_error err = {0};
        kw_status status = kw_open(urls[i], NULL, &c, &err);
        assert_true(status == KW_ERR_INVALID || status == KW_ERR_TLS);
        assert_int_equal(err.status, status);
        assert_int_equal(err.outcome, KW_NOT_SENT);
        assert_true(err.message[0] != '\0');
        assert_null(c);
        assert_int_equal(kw_open(urls[i], NULL, &c, NULL), status);
    }
    assert_int_equal(kw_open(NULL, NULL, &(kw_client *){NULL}, NULL), KW_ERR_INVALID);
}

static void nobody_there_ends_at_the_deadline(void **state) {
    (void)state;
    kw_client *c = NULL;
    kw_reply *reply = NULL;
    kw_error err = {0};
    /* port 1 of loopback: nobody listens */
    assert_int_equal(kw_open("redis://127.0.0.1:1?timeout_ms=200", NULL, &c, &err), KW_OK);
    kw_status status = kw_call(c, &reply, &err, "SET a b");
    assert_true(status == KW_ERR_CONNECTION || status == KW_ERR_TIMEOUT);
    assert_int_equal(err.status, status);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_non_null(strstr(err.message, "refused"));
    assert_null(reply);
    kw_close(c);
}

static void host_name_of_a_seed_is_resolved(void **state) {
    (void)state;
    char url[64];
    kw_lab_node node;
    kw_client *c = NULL;
    kw_error err = {0};
    assert_true(kw_lab_node_at(lab, 0, &node));
    snprintf(url, sizeof url, "redis://localhost%s", strrchr(node.endpoint, ':'));
    assert_int_equal(kw_open(url, NULL, &c, &err), KW_OK);
    set(c, "by-name", "1");
    kw_close(c);
}

/* ---------------------------------------------------------------------- async */

static void callbacks_run_in_turns_and_never_in_submit(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    for (int i = 0; i < 1000; i++) {
        submit(c, &t, i);
    }
    assert_int_equal(t.replies + t.errors, 0);
    assert_int_equal(kw_pending(c), 1000);
    wait_all(c);
    assert_int_equal(t.replies, 1000);
    assert_int_equal(t.errors, 0);
    kw_close(c);
}

static void submitted_command_wakes_who_watches_only_the_descriptor(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    struct pollfd p = {.fd = kw_fd(c), .events = POLLIN};
    while (poll(&p, 1, 0) > 0) {
        assert_int_equal(kw_process(c), KW_OK);
    }
    for (int i = 0; i < 3; i++) {
        int before = t.replies;
        submit(c, &t, i);
        assert_int_equal(kw_timeout_ms(c), 0);
        for (int round = 0; round < ROUNDS && t.replies == before; round++) {
            /* timeouts of the handle are not looked at: only its descriptor */
            assert_int_equal(poll(&p, 1, 5000), 1);
            assert_int_equal(kw_process(c), KW_OK);
        }
        assert_int_equal(t.replies, before + 1);
        assert_int_not_equal(kw_timeout_ms(c), 0);
    }
    kw_close(c);
}

static void any_event_loop_drives_by_descriptor_and_timeout(void **state) {
    (void)state;
    kw_client *c = open_client();
    int fd = kw_fd(c);
    tally t = {.submit_more = 500};
    for (int i = 0; i < 500; i++) {
        submit(c, &t, i);
    }
    for (int i = 0; i < ROUNDS && kw_pending(c) > 0; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_true(poll(&p, 1, kw_timeout_ms(c)) >= 0);
        assert_int_equal(kw_process(c), KW_OK);
        assert_int_equal(kw_fd(c), fd);
    }
    assert_int_equal(t.replies, 1000);
    kw_close(c);
}

static void idle_handle_does_not_spin(void **state) {
    (void)state;
    kw_client *c = open_client();
    set(c, "idle", "1");
    struct pollfd p = {.fd = kw_fd(c), .events = POLLIN};
    int turns = 0;
    for (; turns < 50 && (kw_timeout_ms(c) == 0 || poll(&p, 1, 0) > 0); turns++) {
        assert_int_equal(kw_process(c), KW_OK);
    }
    assert_true(turns < 10);
    kw_close(c);
}

static void replies_of_other_commands_come_during_a_call(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    for (int i = 0; i < 10; i++) {
        submit(c, &t, 1);
    }
    assert_value(c, "key:1", "1"); /* the same node: answered after the ten */
    assert_int_equal(t.replies, 10);
    kw_close(c);
}

static void keep_reply(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    tally *t = arg;
    (void)c;
    assert_null(err);
    t->kept = kw_reply_keep(reply);
}

static void keep_and_free_reply(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    tally *t = arg;
    (void)c;
    assert_null(err);
    kw_reply_free(kw_reply_keep(reply));
    t->replies++;
}

static void kept_reply_outlives_callback_and_handle(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    set(c, "kept", "as long as you like");
    assert_int_equal(kw_submitf(c, keep_reply, &t, NULL, "GET kept"), KW_OK);
    assert_int_equal(kw_submitf(c, keep_and_free_reply, &t, NULL, "GET kept"), KW_OK);
    assert_int_equal(kw_submitf(c, NULL, NULL, NULL, "GET kept"), KW_OK);
    wait_all(c);
    kw_close(c);
    assert_int_equal(t.replies, 1);
    assert_string_equal(kw_reply_string(t.kept, NULL), "as long as you like");
    kw_reply_free(t.kept);
}

static void try_what_waits(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    tally *t = arg;
    kw_reply *other = NULL;
    kw_error why = {0};
    (void)reply;
    assert_null(err);
    assert_int_equal(kw_call(c, &other, &why, "GET a"), KW_ERR_INVALID);
    assert_non_null(strstr(why.message, "callback"));
    assert_int_equal(kw_refresh(c, 100, &why), KW_ERR_INVALID);
    assert_int_equal(kw_wait(c, 0), KW_ERR_INVALID);
    kw_batch *batch = NULL;
    assert_int_equal(kw_batch_new(c, &batch), KW_OK);
    assert_int_equal(kw_batch_run(batch, &why), KW_ERR_INVALID);
    kw_batch_free(batch);
    assert_int_equal(kw_process(c), KW_OK); /* allowed: it does nothing */
    t->inner = KW_ERR_INVALID;
}

static void what_waits_is_refused_inside_a_callback(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    assert_int_equal(kw_submitf(c, try_what_waits, &t, NULL, "GET a"), KW_OK);
    wait_all(c);
    assert_int_equal(t.inner, KW_ERR_INVALID);
    kw_close(c);
}

/* -------------------------------------------------------------------- closing */

static void close_ends_what_is_open(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    for (int i = 0; i < 100; i++) {
        submit(c, &t, i);
    }
    kw_close(c);
    assert_int_equal(t.replies, 0);
    assert_int_equal(t.errors, 100);
    assert_int_equal(t.last_status, KW_ERR_CLOSED);
    kw_close(NULL);
}

/* Commands for `key` get no answer while its owner is paused. */
static void pause_owner(const char *key, bool paused) {
    int owner = kw_lab_owner(lab, kw_key_slot(key, strlen(key)));
    assert_true(owner >= 0);
    assert_int_equal(kw_lab_pause(lab, owner, paused), KW_OK);
}

static void close_in_a_callback_ends_the_turn(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        kw_client *c = open_client();
        tally t = {.close_after = 5};
        kw_status status = KW_OK;
        kw_error err = {0};
        for (int i = 0; i < 100; i++) {
            submit(c, &t, i);
        }
        if (way == 0) {
            for (int i = 0; i < ROUNDS && status == KW_OK; i++) {
                status = kw_wait(c, ROUND_MS);
            }
        } else if (way == 1) {
            kw_reply *reply = NULL;
            pause_owner("mute", true);
            status = kw_call(c, &reply, &err, "GET mute");
            pause_owner("mute", false);
            assert_int_equal(err.status, KW_ERR_CLOSED);
            assert_null(reply);
        } else {
            struct pollfd p = {.fd = kw_fd(c), .events = POLLIN};
            for (int i = 0; i < ROUNDS && status == KW_OK; i++) {
                assert_true(poll(&p, 1, kw_timeout_ms(c)) >= 0);
                status = kw_process(c);
            }
        }
        assert_int_equal(status, KW_ERR_CLOSED);
        assert_int_equal(t.replies + t.errors, 100);
        assert_true(t.errors > 0 || t.replies == 100);
    }
}

static void close_in_a_callback_ends_a_batch(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_batch *batch = NULL;
    tally t = {.close_after = 1};
    kw_error err = {0};
    set(c, "warm", "up");
    assert_int_equal(kw_batch_new(c, &batch), KW_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(kw_batch_addf(batch, &err, "SET batch:%d x", i), KW_OK);
    }
    for (int i = 0; i < 100; i++) {
        submit(c, &t, i);
    }
    assert_int_equal(kw_batch_addf(batch, &err, "GET mute"), KW_OK);
    pause_owner("mute", true);
    assert_int_equal(kw_batch_run(batch, &err), KW_ERR_CLOSED);
    pause_owner("mute", false);
    for (size_t i = 0; i < kw_batch_count(batch); i++) {
        kw_status status = kw_batch_status(batch, i, NULL);
        assert_true(status == KW_ERR_CLOSED || (status == KW_OK && kw_batch_reply(batch, i)));
    }
    kw_batch_free(batch); /* the handle is gone, its allocator is not */
}

/* ---------------------------------------------------------------------- batch */

static void batch_keeps_the_order_added(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_batch *batch = NULL;
    kw_error err = {0};
    assert_int_equal(kw_batch_new(c, &batch), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK); /* empty */
    for (int i = 0; i < 500; i++) {
        assert_int_equal(kw_batch_addf(batch, &err, "SET order:%d %d", i, i), KW_OK);
        assert_int_equal(kw_batch_addf(batch, &err, "INCRBY order:%d 1000", i), KW_OK);
    }
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    assert_int_equal(kw_batch_count(batch), 1000);
    for (int i = 0; i < 500; i++) {
        kw_reply *reply = kw_batch_reply(batch, (size_t)i * 2 + 1);
        assert_int_equal(kw_reply_integer(reply), 1000 + i);
    }
    assert_null(kw_batch_reply(batch, 1000));

    /* what is added later is run alone */
    assert_int_equal(kw_batch_addf(batch, &err, "GET order:7"), KW_OK);
    assert_int_equal(kw_batch_status(batch, 1000, NULL), KW_ERR_INVALID);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, 1000), NULL), "1007");
    kw_reply *kept = kw_reply_keep(kw_batch_reply(batch, 1000));
    kw_batch_clear(batch);
    assert_int_equal(kw_batch_count(batch), 0);
    assert_int_equal(kw_batch_addf(batch, &err, "GET order:8"), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, 0), NULL), "1008");
    kw_batch_free(batch);
    kw_close(c);
    assert_string_equal(kw_reply_string(kept, NULL), "1007");
    kw_reply_free(kept);
}

static void batch_item_fails_alone(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_batch *batch = NULL;
    kw_error err = {0};
    const kw_error *why = NULL;
    assert_int_equal(kw_batch_new(c, &batch), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "SET alone 1"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "MGET a b"), KW_OK);
    assert_int_equal(kw_batch_addf(batch, &err, "GET alone"), KW_OK);
    assert_int_equal(kw_batch_run(batch, &err), KW_ERR_CROSSSLOT);
    assert_int_equal(err.status, KW_ERR_CROSSSLOT);
    assert_int_equal(kw_batch_status(batch, 0, &why), KW_OK);
    assert_null(why);
    assert_int_equal(kw_batch_status(batch, 1, &why), KW_ERR_CROSSSLOT);
    assert_int_equal(why->status, KW_ERR_CROSSSLOT);
    assert_null(kw_batch_reply(batch, 1));
    assert_string_equal(kw_reply_string(kw_batch_reply(batch, 2), NULL), "1");
    assert_int_equal(kw_batch_status(batch, 3, &why), KW_ERR_INVALID);
    assert_non_null(why);
    kw_batch_free(batch);
    kw_close(c);
}

/* -------------------------------------------------------------- map and events */

typedef struct seen {
    int count[KW_EVENT_TYPE_COUNT];
    int slot; /* of the last redirect */
} seen;

static void note_event(kw_client *c, const kw_event *event, void *arg) {
    seen *s = arg;
    (void)c;
    s->count[kw_event_get_type(event)]++;
    if (kw_event_get_type(event) == KW_EVENT_REDIRECTED) {
        s->slot = kw_event_slot(event);
    }
    assert_true(kw_event_text(event)[0] != '\0');
}

static void moved_slot_is_followed_traced_and_told(void **state) {
    (void)state;
    kw_client *c = open_client();
    seen s = {0};
    kw_trace *trace = NULL;
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    kw_error err = {0};
    const kw_slice argv[] = {{"GET", 3}, {"moving", 6}};
    int slot = kw_key_slot("moving", 6);
    int from = kw_lab_owner(lab, slot);
    int to = (from + 1) % 3;
    set(c, "moving", "target");
    kw_on_event(c, note_event, &s);
    assert_int_equal(kw_lab_migrate_begin(lab, slot, to), KW_OK);
    assert_int_equal(kw_lab_migrate_keys(lab, slot, 1000, NULL), KW_OK);
    assert_int_equal(kw_lab_migrate_end(lab, slot), KW_OK);

    assert_int_equal(kw_trace_new(&trace), KW_OK);
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_trace(options, trace);
    assert_int_equal(kw_call_argv(c, argv, 2, options, &reply, &err), KW_OK);
    assert_string_equal(kw_reply_string(reply, NULL), "target");
    kw_reply_free(reply);
    assert_int_equal(kw_trace_slot(trace), slot);
    assert_int_equal(kw_trace_hop_count(trace), 2);
    kw_hop hop;
    assert_true(kw_trace_hop_at(trace, 0, &hop));
    assert_string_equal(hop.answer, "MOVED");
    assert_true(kw_trace_hop_at(trace, 1, &hop));
    assert_string_equal(hop.reason, "moved");
    assert_true(s.count[KW_EVENT_REDIRECTED] >= 1);
    assert_int_equal(s.slot, slot);
    kw_call_options_free(options);
    kw_trace_free(trace);
    kw_close(c);
}

static void hole_in_the_map_heals_with_the_next_command(void **state) {
    (void)state;
    kw_client *c = open_client();
    seen s = {0};
    kw_map *map = NULL;
    set(c, "hole", "none");
    kw_on_event(c, note_event, &s);
    int slot = kw_key_slot("hole", 4);
    assert_int_equal(kw_forget_slots(c, 0, KW_SLOT_COUNT), KW_ERR_INVALID);
    assert_int_equal(kw_forget_slots(c, slot, slot), KW_OK);
    assert_int_equal(kw_map_new(c, &map), KW_OK);
    assert_int_equal(kw_map_owner(map, slot), -1);
    kw_map_free(map);
    assert_value(c, "hole", "none");
    assert_int_equal(kw_map_new(c, &map), KW_OK);
    kw_close(c);
    kw_map_node node;
    assert_true(kw_map_owner(map, slot) >= 0);
    assert_true(kw_map_node_at(map, (size_t)kw_map_owner(map, slot), &node));
    assert_true(node.primary);
    kw_map_free(map);
    assert_true(s.count[KW_EVENT_SLOT_HEALED] >= 1);
}

static void refresh_takes_a_view(void **state) {
    (void)state;
    kw_client *c = open_client();
    kw_map *map = NULL;
    kw_error err = {0};
    assert_int_equal(kw_map_new(c, &map), KW_OK);
    assert_int_equal(kw_map_generation(map), 0);
    kw_map_free(map);
    assert_int_equal(kw_refresh(c, 0, &err), KW_OK);
    assert_int_equal(kw_map_new(c, &map), KW_OK);
    assert_true(kw_map_generation(map) > 0);
    assert_int_equal(kw_map_node_count(map), 6);
    kw_map_free(map);
    kw_close(c);

    assert_int_equal(kw_open("redis://127.0.0.1:1", NULL, &c, &err), KW_OK);
    kw_status status = kw_refresh(c, 300, &err);
    assert_true(status == KW_ERR_CONNECTION || status == KW_ERR_TIMEOUT);
    assert_int_equal(err.status, status);
    kw_close(c);
}

/* ------------------------------------------------------------ process and memory */

static int run_child(kw_client *c) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    tally t = {0};
    bool ok = kw_call(c, &reply, &err, "GET a") == KW_ERR_FORKED && err.status == KW_ERR_FORKED &&
              kw_submitf(c, count, &t, &err, "GET a") == KW_ERR_FORKED &&
              kw_process(c) == KW_ERR_FORKED && kw_wait(c, 0) == KW_ERR_FORKED &&
              kw_refresh(c, 10, &err) == KW_ERR_FORKED && !reply;
    kw_close(c);
    return ok ? 0 : 1;
}

static void child_of_a_fork_is_refused_and_leaves_the_parent_alone(void **state) {
    (void)state;
    kw_client *c = open_client();
    tally t = {0};
    set(c, "before", "fork");
    submit(c, &t, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(run_child(c));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    wait_all(c);
    assert_int_equal(t.replies, 1);
    assert_value(c, "before", "fork");
    kw_stats *stats = NULL;
    assert_int_equal(kw_stats_new(c, &stats), KW_OK);
    assert_int_equal(kw_stats_total(stats, KW_COUNT_DISCONNECTS), 0);
    kw_stats_free(stats);
    kw_close(c);
}

/* Calls visit for each open descriptor. */
static int count_descriptors(bool only_inherited) {
    int found = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (struct dirent *entry = NULL; (entry = readdir(dir));) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd == dirfd(dir)) {
            continue;
        }
        found += !only_inherited || !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    closedir(dir);
    return found;
}

static void descriptors_are_close_on_exec_and_given_back(void **state) {
    (void)state;
    int inherited = count_descriptors(true);
    kw_client *c = open_client();
    for (int i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof key, "fd:%d", i);
        set(c, key, "1");
    }
    assert_int_equal(count_descriptors(true), inherited);
    int open_before = count_descriptors(false);
    kw_close(c);
    assert_true(count_descriptors(false) < open_before);
}

typedef struct budget {
    long left; /* allocations that still succeed; negative: all */
    long live;
} budget;

static bool spend(budget *b) {
    if (b->left == 0) {
        return false;
    }
    b->left -= b->left > 0;
    return true;
}

static void *budget_alloc(void *arg, size_t size) {
    budget *b = arg;
    void *block = spend(b) ? malloc(size) : NULL;
    b->live += block != NULL;
    return block;
}

static void *budget_resize(void *arg, void *old, size_t size) {
    budget *b = arg;
    void *block = spend(b) ? realloc(old, size) : NULL;
    b->live += block != NULL && !old;
    return block;
}

static void budget_release(void *arg, void *block) {
    budget *b = arg;
    b->live -= block != NULL;
    free(block);
}

/* With memory again, commands succeed; the pauses between reconnects may have to pass first. */
static void assert_lives_on(kw_client *c) {
    const kw_slice argv[] = {{"SET", 3}, {"memory", 6}, {"is back", 7}};
    kw_call_options *patient = NULL;
    kw_reply *reply = NULL;
    kw_error err = {0};
    assert_int_equal(kw_call_options_new(&patient), KW_OK);
    kw_call_options_set_timeout_ms(patient, 10000);
    if (kw_call_argv(c, argv, 3, patient, &reply, &err) != KW_OK) {
        fail_msg("%s: %s", kw_status_name(err.status), err.message);
    }
    kw_reply_free(reply);
    kw_call_options_free(patient);
}

/* Everything once; true if all of it succeeded. */
static bool use_everything(const kw_options *options, budget *b) {
    kw_client *c = NULL;
    kw_batch *batch = NULL;
    kw_reply *reply = NULL;
    kw_map *map = NULL;
    kw_stats *stats = NULL;
    kw_error err = {0};
    tally t = {0};
    kw_status status = kw_open(kw_lab_url(lab), options, &c, &err);
    if (status != KW_OK) {
        assert_int_equal(status, KW_ERR_NOMEM);
        assert_int_equal(err.status, KW_ERR_NOMEM);
        return false;
    }
    bool ok = kw_call(c, &reply, &err, "SET memory:%d %s", 1, "x") == KW_OK;
    kw_reply_free(reply);
    ok = kw_submitf(c, count, &t, &err, "GET memory:%d", 1) == KW_OK && ok;
    ok = kw_batch_new(c, &batch) == KW_OK && ok;
    for (int i = 0; batch && i < 40; i++) {
        ok = kw_batch_addf(batch, &err, "SET memory:%d %d", i, i) == KW_OK && ok;
    }
    ok = batch && kw_batch_run(batch, &err) == KW_OK && ok;
    ok = kw_map_new(c, &map) == KW_OK && ok;
    ok = kw_stats_new(c, &stats) == KW_OK && ok;
    ok = (!stats || kw_stats_prometheus(stats)) && ok;
    b->left = -1;
    assert_lives_on(c);
    kw_batch_free(batch);
    kw_close(c);
    kw_map_free(map);
    kw_stats_free(stats);
    return ok && t.replies == 1;
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    kw_options *options = NULL;
    kw_error err = {0};
    budget b = {.left = -1};
    assert_int_equal(kw_options_new(&options), KW_OK);
    const char *quick[] = {"timeout_ms",       "reconnect_min_ms",         "reconnect_max_ms",
                           "refresh_hedge_ms", "refresh_urgent_jitter_ms", "refresh_urgent_gap_ms"};
    for (size_t i = 0; i < COUNT_OF(quick); i++) {
        assert_int_equal(kw_options_set(options, quick[i], i == 0 ? "50" : "1", &err), KW_OK);
    }
    assert_int_equal(
        kw_options_set_allocator(options, budget_alloc, budget_resize, budget_release, &b), KW_OK);
    bool ok = false;
    long failed = 0;
    for (; !ok; failed++) {
        assert_true(failed < 1000);
        b.left = failed;
        ok = use_everything(options, &b);
        assert_int_equal(b.live, 0);
    }
    assert_true(failed > 20);
    print_message("%ld allocations failed in turn\n", failed - 1);
    kw_options_free(options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_reach_all_nodes),
        cmocka_unit_test(format_carries_any_bytes),
        cmocka_unit_test(large_values_travel_in_pieces),
        cmocka_unit_test(servers_error_is_a_reply),
        cmocka_unit_test(keys_in_two_slots_are_refused_before_sending),
        cmocka_unit_test(wrong_urls_are_refused_with_a_reason),
        cmocka_unit_test(nobody_there_ends_at_the_deadline),
        cmocka_unit_test(host_name_of_a_seed_is_resolved),
        cmocka_unit_test(callbacks_run_in_turns_and_never_in_submit),
        cmocka_unit_test(submitted_command_wakes_who_watches_only_the_descriptor),
        cmocka_unit_test(any_event_loop_drives_by_descriptor_and_timeout),
        cmocka_unit_test(idle_handle_does_not_spin),
        cmocka_unit_test(replies_of_other_commands_come_during_a_call),
        cmocka_unit_test(kept_reply_outlives_callback_and_handle),
        cmocka_unit_test(what_waits_is_refused_inside_a_callback),
        cmocka_unit_test(close_ends_what_is_open),
        cmocka_unit_test(close_in_a_callback_ends_the_turn),
        cmocka_unit_test(close_in_a_callback_ends_a_batch),
        cmocka_unit_test(batch_keeps_the_order_added),
        cmocka_unit_test(batch_item_fails_alone),
        cmocka_unit_test(moved_slot_is_followed_traced_and_told),
        cmocka_unit_test(hole_in_the_map_heals_with_the_next_command),
        cmocka_unit_test(refresh_takes_a_view),
        cmocka_unit_test(child_of_a_fork_is_refused_and_leaves_the_parent_alone),
        cmocka_unit_test(descriptors_are_close_on_exec_and_given_back),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("client", tests, start_lab, stop_lab);
}
