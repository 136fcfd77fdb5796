/* What grows with what a peer sends, and what a long queue costs: the brain driven by hand, for
 * more nodes and commands than a script of a few lines holds. */
#include "core/cluster.h"
#include "core/limits.h"
#include "core/reply.h"
#include "core/slot.h"
#include "core/watch.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <stdlib.h>
#include <time.h>

/* One node that answers, at 127.0.0.1:7001; all others refuse connections. */
typedef struct driver {
    failing_mem mem;
    cluster *c;
    uint64_t now_us;
    uint32_t link; /* the node's */
    bool is_open;
    size_t replies;
    size_t failures[KW_ERR_BUSY + 1];
} driver;

static void feed(driver *d, const char *bytes, size_t len) {
    while (len > 0) {
        size_t room = 0;
        char *at = cluster_link_input(d->c, d->link, &room);
        assert_non_null(at);
        size_t piece = len < room ? len : room;
        memcpy(at, bytes, piece);
        cluster_link_received(d->c, d->link, piece, d->now_us);
        bytes += piece;
        len -= piece;
    }
}

static void take_output(driver *d) {
    kw_slice slices[64];
    size_t count;
    while ((count = cluster_link_output(d->c, d->link, slices, COUNT_OF(slices))) > 0) {
        size_t len = 0;
        for (size_t i = 0; i < count; i++) {
            len += slices[i].len;
        }
        cluster_link_written(d->c, d->link, len, d->now_us);
    }
}

static void do_effect(driver *d, const cluster_effect *e) {
    if (e->kind == EFFECT_OPEN && e->address.port == 7001) {
        d->link = e->link;
        d->is_open = true;
        cluster_link_connected(d->c, e->link, d->now_us);
    } else if (e->kind == EFFECT_OPEN) {
        cluster_link_lost(d->c, e->link, KW_ERR_CONNECTION, "Connection refused", d->now_us);
    } else if (e->kind == EFFECT_WRITE && d->is_open && e->link == d->link) {
        take_output(d);
    } else if (e->kind == EFFECT_CLOSE && e->link == d->link) {
        d->is_open = false;
    }
}

static void run(driver *d) {
    cluster_effect e;
    while (cluster_next_effect(d->c, &e)) {
        do_effect(d, &e);
    }
    cluster_completion done;
    while (cluster_next_completion(d->c, &done)) {
        d->replies += done.reply != NULL;
        d->failures[done.err.status] += done.reply == NULL;
        reply_free(done.reply);
    }
}

static void pass_us(driver *d, uint64_t us) {
    d->now_us += us;
    cluster_tick(d->c, d->now_us);
    run(d);
}

static void say(driver *d, const char *text) {
    feed(d, text, strlen(text));
    run(d);
}

static void give_view(driver *d, unsigned node_count, uint64_t epoch) {
    char text[160];
    int len = snprintf(text, sizeof text, "+PONG\r\n*%u\r\n", node_count);
    feed(d, text, (size_t)len);
    for (unsigned i = 0; i < node_count; i++) {
        unsigned last = i + 1 < node_count ? i : SLOT_COUNT - 1;
        len = snprintf(text, sizeof text,
                       "*3\r\n:%u\r\n:%u\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$8\r\nid%06u\r\n", i,
                       last, 7001 + i, i);
        feed(d, text, (size_t)len);
    }
    len = snprintf(text, sizeof text, "$25\r\ncluster_current_epoch:%llu\r\n",
                   (unsigned long long)epoch);
    feed(d, text, (size_t)len);
    say(d, "\r\n");
}

static void driver_init(driver *d, unsigned node_count) {
    memset(d, 0, sizeof *d);
    d->now_us = 1000000000;
    failing_mem_init(&d->mem);
    cluster_config config;
    cluster_config_init(&config);
    endpoint seed = {.host = "127.0.0.1", .port = 7001};
    config.seeds = &seed;
    config.seed_count = 1;
    config.timeout_us = 3600000000u;
    config.refresh_interval_us = 0;
    kw_error err;
    assert_int_equal(cluster_new(&d->mem.mem, &config, 1, d->now_us, &d->c, &err), KW_OK);
    cluster_refresh(d->c, d->now_us);
    run(d);
    say(d, "%1\r\n$5\r\nproto\r\n:3\r\n");
    give_view(d, node_count, 1);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
}

static void driver_done(driver *d) {
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    run(d);
    assert_int_equal(cluster_pending(d->c), 0);
    cluster_free(d->c);
    assert_int_equal(d->mem.live_count, 0);
}

static void submit(driver *d, int slot) {
    kw_slice argv[] = {SLICE_LITERAL("GET"), SLICE_LITERAL("k")};
    cluster_submit_options options = {.slot = slot};
    kw_error err;
    assert_int_equal(cluster_submit(d->c, argv, COUNT_OF(argv), &options, d->now_us, &err), KW_OK);
}

static size_t node_count(const driver *d) {
    kw_map *map = NULL;
    assert_int_equal(cluster_map_snapshot(d->c, &map), KW_OK);
    size_t count = map->node_count;
    mem_free(map->mem, map->nodes);
    mem_free(map->mem, map);
    return count;
}

static void thousand_redirects_to_new_nodes_leave_room_for_a_view(void **state) {
    (void)state;
    driver d;
    driver_init(&d, 1);
    for (int i = 0; i < 1000; i++) {
        char text[64];
        submit(&d, i);
        run(&d);
        snprintf(text, sizeof text, "-MOVED %d 10.0.0.1:%d\r\n", i, 20000 + i);
        say(&d, text);
    }
    assert_int_equal(d.failures[KW_ERR_LIMIT], 1000 - LIMIT_NODES / 4);
    assert_int_equal(node_count(&d), 1 + LIMIT_NODES / 4);
    cluster_refresh(d.c, d.now_us);
    run(&d);
    give_view(&d, LIMIT_NODES - LIMIT_NODES / 4, 2);
    assert_int_equal(cluster_refresh_accepted_count(d.c), 2);
    assert_int_equal(node_count(&d), LIMIT_NODES - LIMIT_NODES / 4);
    driver_done(&d);
}

/* --------------------------------------------------------------- long queues */

static uint64_t cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

enum { ROUNDS = 12, QUEUE = 60000 };

/* All commands of one slot, refused again and again, come back and wait again. */
static uint64_t cost_of_refusals(size_t queue) {
    static const char line[] = "-LOADING the dataset\r\n";
    driver d;
    driver_init(&d, 1);
    for (size_t i = 0; i < queue; i++) {
        submit(&d, SLOT_NONE);
    }
    run(&d);
    uint64_t from_us = cpu_us();
    size_t sent = queue < LIMIT_IN_FLIGHT ? queue : LIMIT_IN_FLIGHT;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sent; i++) {
            feed(&d, line, sizeof line - 1);
        }
        run(&d);
        pass_us(&d, 1100000);
    }
    uint64_t cost_us = cpu_us() - from_us;
    assert_int_equal(d.replies, 0);
    assert_int_equal(cluster_pending(d.c), queue);
    driver_done(&d);
    return cost_us;
}

/* Ten times the queue may cost ten times as much; walks of the queue for each command of it would
 * make it a hundred times. */
static void cost_of_a_long_queue_grows_with_its_length(void **state) {
    (void)state;
    uint64_t small_us = cost_of_refusals(QUEUE / 10);
    uint64_t large_us = cost_of_refusals(QUEUE);
    assert_in_range(large_us, 0, 40 * small_us + 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousand_redirects_to_new_nodes_leave_room_for_a_view),
        cmocka_unit_test(cost_of_a_long_queue_grows_with_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
