/* The client's brain while memory runs out: in each scenario every command ends once, with its own
 * reply or an error; nothing is leaked; and afterwards the client works. */
#include "core/reply.h"
#include "core/resp.h"
#include "dialogue/support/dialogue.h"
#include "unit/support/torture.h"

#include <stdlib.h>

typedef struct scenario {
    void (*prepare)(dialogue *d); /* before the client exists */
    void (*run)(dialogue *d);
    const char *(*answer)(int node, const char *text);
    bool cold; /* the map is not loaded before memory runs out */
} scenario;

static unsigned answers_given;

/* "v:" and the command, which so is known for its own; see check_calls. */
static const char *echo(const char *text) {
    static char reply[512];
    snprintf(reply, sizeof reply, "v:%s", text);
    return reply;
}

static const char *plain(int node, const char *text) {
    (void)node;
    return strncmp(text, "COMMAND", 7) == 0 ? "-ERR unknown subcommand" : echo(text);
}

/* ------------------------------------------------------------------------- checks */

static char *told[256];

static int ask(dialogue *d, const char *text) {
    int index = call(d, text);
    assert_true((size_t)index < COUNT_OF(told));
    told[index] = strdup(text);
    return index;
}

/* What a reply may be is the scenario's business only if it is none of these. */
static void check_calls(dialogue *d, bool for_long) {
    for (size_t i = 0; i < d->call_count; i++) {
        const dialogue_call *k = &d->calls[i];
        assert_true(k->done);
        if (k->text && strncmp(k->text, "v:", 2) == 0 && told[i]) {
            assert_string_equal(k->text + 2, told[i]);
        } else if (!k->text) {
            /* no memory to connect with; or not one that was asked */
            bool late = (for_long || !told[i]) && k->err.status == KW_ERR_TIMEOUT;
            if (k->err.status != KW_ERR_NOMEM && !strstr(k->err.message, "memory") && !late) {
                fail_msg("%s: status %d: %s", told[i], (int)k->err.status, k->err.message);
            }
        }
        free(told[i]);
        told[i] = NULL;
    }
}

static void check_works(dialogue *d) {
    static const char *const texts[] = {"GET b", "GET k", "GET foo", "SET b 1"};
    d->answer = plain;
    for (int i = 0; i < 3; i++) {
        d->nodes[1 + i].refuses = false;
        d->nodes[1 + i].frozen = false;
    }
    view(d, THREE_NODES, 9);
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 40000); /* links that could not be made are tried again */
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int index = call(d, texts[i]);
        advance_ms(d, 100);
        ok(d, index, echo(texts[i]));
    }
}

static void run(torture *t) {
    const scenario *s = t->arg;
    dialogue *d = malloc(sizeof *d);
    dialogue_init(d, WHOLE);
    d->lenient = true;
    d->answer = s->answer ? s->answer : plain;
    answers_given = 0;
    if (s->prepare) {
        s->prepare(d);
    }
    if (s->cold) {
        start_cold(d);
    } else {
        start(d);
    }
    torture_arm(t, &d->mem);
    s->run(d);
    torture_disarm(t, &d->mem);
    advance_ms(d, 15000);
    check_calls(d, t->count > 0);
    check_works(d);
    dialogue_done(d); /* nothing is left */
    free(d);
}

/* ----------------------------------------------------------------------- scenarios */

static void locked(dialogue *d) {
    d->config.password = "secret";
    d->config.user = "me";
    d->config.client_name = "name";
    d->config.lib_name = "keyway";
    d->config.lib_version = "1";
}

static void connects_and_gets(dialogue *d) {
    ask(d, "GET k");
    advance_ms(d, 6000);
}

static void pipelines_over_three_nodes(dialogue *d) {
    for (int i = 0; i < 10; i++) {
        ask(d, "GET b");
        ask(d, "SET k 1");
        ask(d, "INCR foo");
        ask(d, "MGET {b}1 {b}2");
    }
    advance_ms(d, 6000);
}

static const char *moves(int node, const char *text) {
    unsigned turn = answers_given++ % 4;
    if (strcmp(text, "GET k") == 0 && node == 2) {
        return turn == 0   ? "-MOVED 7629 127.0.0.1:7009"
               : turn == 1 ? "-MOVED 7629 :7003"
               : turn == 2 ? "-MOVED 7629 127.0.0.1:7002"
                           : "-MOVED 7629 127.0.0.1:7001";
    }
    return plain(node, text);
}

static void is_moved(dialogue *d) {
    for (int i = 0; i < 6; i++) {
        ask(d, "GET k");
        ask(d, "SET {k}2 2");
        advance_ms(d, 10);
        view(d, THREE_NODES, 4 + (uint64_t)i);
        cluster_refresh(d->c, d->now_us);
        advance_ms(d, 1000);
    }
}

static const char *asks(int node, const char *text) {
    if (strcmp(text, "ASKING") == 0) {
        return "+OK";
    }
    unsigned turn = answers_given++ % 3; /* no command meets the same one again and again */
    if (node == 2 && strstr(text, "{k}") && turn < 2) {
        return turn == 0 ? "-ASK 7629 127.0.0.1:7003" : "-ASK 7629 127.0.0.1:7009";
    }
    return node == 3 && turn == 2 ? "-TRYAGAIN later" : plain(node, text);
}

static void is_asked(dialogue *d) {
    for (int i = 0; i < 4; i++) {
        ask(d, "GET {k}1");
        ask(d, "SET {k}2 2");
        ask(d, "MGET {k}1 {k}2");
        advance_ms(d, 500);
    }
    advance_ms(d, 6000);
}

/* As a batch is: many at once, of which each fares differently. */
static const char *fares(int node, const char *text) {
    static const char *const fates[] = {
        NULL,
        "-MOVED 7629 127.0.0.1:7003",
        "-ASK 7629 127.0.0.1:7001",
        NULL,
        "-CLUSTERDOWN Hash slot not served",
        "-LOADING loading",
        NULL,
        "-ERR wrong",
    };
    if (strcmp(text, "ASKING") == 0) {
        return "+OK";
    }
    const char *fate = node == 2 ? fates[answers_given++ % COUNT_OF(fates)] : NULL;
    return fate ? fate : plain(node, text);
}

static void batch_is_redirected(dialogue *d) {
    for (int i = 0; i < 24; i++) {
        char text[64];
        snprintf(text, sizeof text, i % 2 ? "GET {k}%d" : "SET {k}%d x", i);
        ask(d, text);
        if (i % 3 == 0) {
            ask(d, "GET b");
        }
    }
    advance_ms(d, 8000);
}

/* A map of 1000 nodes, of which the first three are those of the dialogue. */
static const char *large_view(void) {
    static char text[128 * 1024];
    size_t len = 0;
    enum { NODES = 1000 };
    if (text[0]) {
        return text;
    }
    len += (size_t)snprintf(text, sizeof text, "*%d\r\n", NODES);
    for (int i = 0; i < NODES; i++) {
        int owner = i * 3 / NODES; /* the three nodes own as many as ever, in more pieces */
        char host[32];
        int first = i * SLOT_COUNT / NODES;
        int last = (i + 1) * SLOT_COUNT / NODES - 1;
        bool known = i % 2 == 0;
        snprintf(host, sizeof host, known ? "127.0.0.1" : "10.1.%d.%d", i / 200, i % 200 + 1);
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "*3\r\n:%d\r\n:%d\r\n*3\r\n$%zu\r\n%s\r\n:%d\r\n$6\r\nid%04d\r\n",
                                first, last, strlen(host), host, 7001 + owner, i);
    }
    return text;
}

static void refreshes_a_thousand_nodes(dialogue *d) {
    d->stranger = 9;
    view(d, large_view(), 4);
    cluster_refresh(d->c, d->now_us);
    ask(d, "GET k");
    advance_ms(d, 2000);
    ask(d, "GET {k}odd");
    advance_ms(d, 6000);
}

static void with_replicas(dialogue *d) {
    d->view = THREE_NODES_WITH_REPLICAS;
}

static void fails_over(dialogue *d) {
    ask(d, "GET k");
    ask(d, "SET k 1");
    hang_up(d, 2);
    d->nodes[2].refuses = true;
    ask(d, "GET k");
    ask(d, "SET k 2");
    advance_ms(d, 700);
    view(d, "0-5460 1 4, 5461-10922 5, 10923-16383 3 6", 8);
    advance_ms(d, 6000);
    ask(d, "SET k 3");
    hang_up(d, 5);
    ask(d, "GET k");
    advance_ms(d, 6000);
}

static const char *says_much(int node, const char *text) {
    static char list[300 * 1024];
    if (strcmp(text, "LRANGE k 0 -1") != 0) {
        return plain(node, text);
    }
    if (list[0] == '\0') {
        size_t len = (size_t)snprintf(list, sizeof list, "*10000\r\n");
        for (int i = 0; i < 10000; i++) {
            len += (size_t)snprintf(list + len, sizeof list - len, "$9\r\nelement-x\r\n");
        }
    }
    return list;
}

static void gets_a_big_reply(dialogue *d) {
    ask(d, "LRANGE k 0 -1");
    ask(d, "GET k");
    ask(d, "LRANGE k 0 -1");
    advance_ms(d, 6000);
}

static const char *teaches(int node, const char *text) {
    if (strncmp(text, "COMMAND INFO JUMP", 17) == 0) {
        return "*1\r\n*6\r\n$4\r\njump\r\n:-2\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n";
    }
    if (strncmp(text, "COMMAND INFO LEAP", 17) == 0) {
        return "*1\r\n*6\r\n$4\r\nleap\r\n:-2\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n";
    }
    return strncmp(text, "COMMAND GETKEYS", 15) == 0 ? "*1\r\n$1\r\nk\r\n" : plain(node, text);
}

static void learns_commands(dialogue *d) {
    for (int i = 0; i < 3; i++) {
        ask(d, "JUMP k");
        ask(d, "LEAP far k");
        ask(d, "UNHEARD of");
        advance_ms(d, 300);
    }
    advance_ms(d, 6000);
}

static void with_one_connection(dialogue *d) {
    d->config.blocking_connections_max = 1;
}

static const char *wakes(int node, const char *text) {
    static const char *const fates[] = {
        "-MOVED 7629 127.0.0.1:7003",
        "-ASK 7629 127.0.0.1:7001",
        "-TRYAGAIN later",
        ":1",
        "-UNBLOCKED force unblock from blocking operation",
        ":1",
    };
    if (strcmp(text, "ASKING") == 0) {
        return "+OK";
    }
    if (strncmp(text, "COMMAND INFO", 12) == 0) {
        return "*1\r\n*6\r\n$5\r\nmod.b\r\n:-2\r\n*1\r\n+blocking\r\n:1\r\n:1\r\n:1\r\n";
    }
    if (strncmp(text, "BLPOP", 5) == 0 || strncmp(text, "XREAD", 5) == 0) {
        return fates[answers_given++ % COUNT_OF(fates)];
    }
    return plain(node, text);
}

/* The time between the rounds is less than the first one's commands may take. */
static void blocks(dialogue *d) {
    for (int i = 0; i < 4; i++) {
        ask(d, "BLPOP k 20");
        ask(d, "XREAD BLOCK 20000 STREAMS {k}2 $");
        ask(d, "BLPOP {k}3 20");
        ask(d, "MOD.B k 1");
        ask(d, "GET k");
        view(d, THREE_NODES, 4 + (uint64_t)i);
        advance_ms(d, 300);
    }
    advance_ms(d, 40000);
}

/* Some callers go while their long arguments go out; the next command of the connection must not be
 * read in the middle of one. */
static void lends(dialogue *d) {
    static char text[20000];
    int length = snprintf(text, sizeof text, "SET k %019900d EX 9", 1);
    assert_true(length > 16384 && (size_t)length < sizeof text);
    const cluster_submit_options brief = {.slot = SLOT_NONE, .lends = true, .timeout_us = 100000};
    for (int i = 0; i < 4; i++) {
        ask(d, "GET k");
        d->nodes[2].write_room = 5000;
        (void)call_with(d, &brief, text);
        ask(d, "GET k");
        advance_ms(d, 120);
        d->nodes[2].write_room = UINT64_MAX;
        (void)call_with(d, &brief, text);
        ask(d, "GET {k}1");
        advance_ms(d, 500);
    }
    advance_ms(d, 6000);
}

static void by_name(dialogue *d) {
    seeds(d, "seed.example:7001");
    name(d, "seed.example", "127.0.0.7 127.0.0.1");
    name(d, "two.example", "127.0.0.1");
    d->stranger = 9;
    d->nodes[9].refuses = true;
    d->nodes[2].announced = "two.example:7002";
}

static void resolves_names(dialogue *d) {
    ask(d, "GET k");
    advance_ms(d, 2000);
    hang_up(d, 2);
    ask(d, "GET k");
    advance_ms(d, 6000);
}

static void is_watched(dialogue *d) {
    for (int i = 0; i < 3; i++) {
        kw_trace trace;
        kw_map *map = NULL;
        kw_stats *stats = NULL;
        memset(&trace, 0, sizeof trace);
        (void)call_with(d, &(cluster_submit_options){.slot = SLOT_NONE, .trace = &trace}, "GET k");
        if (cluster_map_snapshot(d->c, &map) == KW_OK) {
            mem_free(map->mem, map->nodes);
            mem_free(map->mem, map);
        }
        if (cluster_stats_snapshot(d->c, &stats) == KW_OK) {
            mem_free(stats->mem, stats->nodes);
            mem_free(stats->mem, stats);
        }
        cluster_forget_slots(d->c, 0, 100, d->now_us);
        cluster_refresh(d->c, d->now_us);
        hang_up(d, 1);
        advance_ms(d, 6000); /* the trace is done with before it goes */
    }
}

static void make_client(torture *t) {
    dialogue *d = malloc(sizeof *d);
    kw_error err;
    dialogue_init(d, WHOLE);
    locked(d);
    d->config.seeds = d->seeds;
    d->config.seed_count = 1;
    torture_arm(t, &d->mem);
    kw_status status = cluster_new(&d->mem.mem, &d->config, 1, d->now_us, &d->c, &err);
    torture_disarm(t, &d->mem);
    assert_int_equal(status, d->mem.failed > 0 ? KW_ERR_NOMEM : KW_OK);
    if (status != KW_OK) {
        assert_int_equal(err.status, KW_ERR_NOMEM);
        assert_int_equal(d->mem.live_count, 0);
        assert_int_equal(cluster_new(&d->mem.mem, &d->config, 1, d->now_us, &d->c, &err), KW_OK);
    }
    dialogue_done(d);
    free(d);
}

static void making_a_client(void **state) {
    (void)state;
    torture_run("making_a_client", make_client, NULL, 5);
}

#define SCENARIO(test, least, ...)                                                                 \
    static void test(void **state) {                                                               \
        static const scenario s = {__VA_ARGS__};                                                   \
        (void)state;                                                                               \
        torture_run(#test, run, &s, least);                                                        \
    }
SCENARIO(connecting, 20, .run = connects_and_gets, .prepare = locked, .cold = true)
SCENARIO(pipelines, 10, .run = pipelines_over_three_nodes)
SCENARIO(moved, 20, .run = is_moved, .answer = moves)
SCENARIO(asked, 10, .run = is_asked, .answer = asks)
SCENARIO(batches, 10, .run = batch_is_redirected, .answer = fares)
SCENARIO(thousand_nodes, 30, .run = refreshes_a_thousand_nodes)
SCENARIO(failover, 20, .run = fails_over, .prepare = with_replicas)
SCENARIO(big_replies, 5, .run = gets_a_big_reply, .answer = says_much)
SCENARIO(learning, 10, .run = learns_commands, .answer = teaches)
SCENARIO(blocking, 20, .run = blocks, .prepare = with_one_connection, .answer = wakes)
SCENARIO(lending, 10, .run = lends, .answer = asks)
SCENARIO(names, 15, .run = resolves_names, .prepare = by_name, .cold = true)
SCENARIO(watching, 15, .run = is_watched)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_a_client), cmocka_unit_test(connecting),
        cmocka_unit_test(pipelines),       cmocka_unit_test(moved),
        cmocka_unit_test(asked),           cmocka_unit_test(batches),
        cmocka_unit_test(thousand_nodes),  cmocka_unit_test(failover),
        cmocka_unit_test(big_replies),     cmocka_unit_test(learning),
        cmocka_unit_test(names),           cmocka_unit_test(watching),
        cmocka_unit_test(blocking),        cmocka_unit_test(lending),
    };
    return cmocka_run_group_tests_name("oom_brain", tests, NULL, NULL);
}
