/* A mixed load for a minute (KEYWAY_SOAK_SECONDS) while slots move and connections are killed:
 * memory, allocations and descriptors stay flat, and fall back to the idle level. */
#include <dirent.h>
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
#include "integration/support/load.h"

#define CLIENT_NAME "soak"

enum { GROUPS = 1000, PHASES = 12, FIRST_MOVED_SLOT = 200, MOVED_SLOTS = 40 };

/* -------------------------------------------------------- a counting allocator */

typedef struct census {
    size_t blocks;
    size_t bytes;
} census;

/* Before each block its size, in a space that keeps the block aligned. */
enum { HEADER = 16 };

static void *count_alloc(void *arg, size_t size) {
    census *c = arg;
    char *block = malloc(size + HEADER);
    if (!block) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    c->blocks++;
    c->bytes += size;
    return block + HEADER;
}

static void count_release(void *arg, void *ptr) {
    census *c = arg;
    size_t size;
    if (ptr) {
        memcpy(&size, (char *)ptr - HEADER, sizeof size);
        c->blocks--;
        c->bytes -= size;
        free((char *)ptr - HEADER);
    }
}

static void *count_resize(void *arg, void *ptr, size_t size) {
    census *c = arg;
    if (!ptr) {
        return count_alloc(arg, size);
    }
    size_t old;
    memcpy(&old, (char *)ptr - HEADER, sizeof old);
    char *block = realloc((char *)ptr - HEADER, size + HEADER);
    if (!block) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    c->bytes += size - old;
    return block + HEADER;
}

/* ------------------------------------------------------------------ trouble */

/* Moves a few slots to and fro and kills the client's connections, in a thread of its own. */
typedef struct trouble {
    pthread_t thread;
    raw *nodes[3];
    slot_move there, back;
    atomic_bool stop;
    atomic_int kills, moves;
    bool failed;
} trouble;

/* Only connections of the client under test, not the test's own and not those of MIGRATE. */
static int kill_connections(raw *node) {
    int killed = 0;
    char *rest = NULL;
    raw_reply *list = raw_call(node, "CLIENT LIST");
    char *text = list ? list->text : NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        unsigned long id = 0;
        if (strstr(line, " name=" CLIENT_NAME " ") && sscanf(line, "id=%lu", &id) == 1) {
            killed += raw_do(node, "CLIENT KILL ID %lu", id);
        }
    }
    raw_reply_free(list);
    return killed;
}

static void *make_trouble(void *arg) {
    trouble *t = arg;
    for (unsigned turn = 0; !atomic_load(&t->stop) && !t->failed; turn++) {
        int slot = FIRST_MOVED_SLOT + (int)(turn % MOVED_SLOTS);
        bool away = turn / MOVED_SLOTS % 2 == 0;
        t->failed = !slot_move_run(away ? &t->there : &t->back, slot);
        atomic_fetch_add(&t->moves, 1);
        if (turn % 50 == 25) {
            atomic_fetch_add(&t->kills, kill_connections(t->nodes[turn / 50 % 3]));
        }
        sleep_ms(20);
    }
    return NULL;
}

static void trouble_start(trouble *t, const redis_cluster *cluster) {
    *t = (trouble){0};
    for (int i = 0; i < 3; i++) {
        t->nodes[i] = redis_cluster_connect(cluster, i, 20000);
        assert_non_null(t->nodes[i]);
    }
    t->there = (slot_move){.from = t->nodes[0],
                           .to = t->nodes[1],
                           .from_id = cluster->nodes[0].id,
                           .to_id = cluster->nodes[1].id,
                           .to_host = cluster->host,
                           .to_port = cluster->nodes[1].port,
                           .keys_at_once = 1,
                           .pause_ms = 1};
    t->back = (slot_move){.from = t->nodes[1],
                          .to = t->nodes[0],
                          .from_id = cluster->nodes[1].id,
                          .to_id = cluster->nodes[0].id,
                          .to_host = cluster->host,
                          .to_port = cluster->nodes[0].port,
                          .keys_at_once = 1,
                          .pause_ms = 1};
    assert_int_equal(pthread_create(&t->thread, NULL, make_trouble, t), 0);
}

static void trouble_join(trouble *t) {
    atomic_store(&t->stop, true);
    pthread_join(t->thread, NULL);
    for (int i = 0; i < 3; i++) {
        raw_close(t->nodes[i]);
    }
    assert_string_equal(t->there.problem, "");
    assert_string_equal(t->back.problem, "");
    assert_false(t->failed);
}

/* -------------------------------------------------------------------- levels */

typedef struct level {
    size_t rss_bytes, blocks, bytes;
    int descriptors;
} level;

static size_t rss_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1) {
        fail_msg("no /proc/self/statm");
    }
    fclose(file);
    return pages * 4096;
}

static int descriptors(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static level level_now(const census *c) {
    return (level){.rss_bytes = rss_bytes(),
                   .blocks = c->blocks,
                   .bytes = c->bytes,
                   .descriptors = descriptors()};
}

static void print_level(const char *when, const level *l) {
    print_message("%-12s rss %6zu KiB, allocated %6zu KiB in %5zu blocks, %d descriptors\n", when,
                  l->rss_bytes / 1024, l->bytes / 1024, l->blocks, l->descriptors);
}

static level highest(level a, level b) {
    return (level){.rss_bytes = a.rss_bytes > b.rss_bytes ? a.rss_bytes : b.rss_bytes,
                   .blocks = a.blocks > b.blocks ? a.blocks : b.blocks,
                   .bytes = a.bytes > b.bytes ? a.bytes : b.bytes,
                   .descriptors = a.descriptors > b.descriptors ? a.descriptors : b.descriptors};
}

/* A leak of even one byte a command would exceed the room given by far in the time between.
 * Under AddressSanitizer what is freed stays resident for a while. */
static void expect_flat(const level *first, const level *last) {
#ifndef __SANITIZE_ADDRESS__
    assert_true(last->rss_bytes <= first->rss_bytes + first->rss_bytes / 10 + (2u << 20));
#endif
    assert_true(last->bytes <= first->bytes + first->bytes / 10 + (64u << 10));
    assert_true(last->blocks <= first->blocks + first->blocks / 10 + 32);
    assert_true(last->descriptors <= first->descriptors + 2);
}

static kw_client *open_counted(const redis_cluster *cluster, census *c) {
    char url[REDIS_URL_SIZE];
    kw_options *options = NULL;
    kw_client *client = NULL;
    kw_error err;
    assert_int_equal(kw_options_new(&options), KW_OK);
    assert_int_equal(kw_options_set_allocator(options, count_alloc, count_resize, count_release, c),
                     KW_OK);
    assert_int_equal(kw_options_set(options, "timeout_ms", "20000", &err), KW_OK);
    assert_int_equal(kw_options_set(options, "client_name", CLIENT_NAME, &err), KW_OK);
    assert_int_equal(kw_open(redis_cluster_url(cluster, url), options, &client, &err), KW_OK);
    kw_options_free(options);
    return client;
}

static void expect_failures_only_of_killed_connections(const load *l) {
    for (size_t i = 0; i < load_failure_count(l) && load_failure_at(l, i); i++) {
        const load_failure *f = load_failure_at(l, i);
        if (!f->write || f->outcome != KW_MAYBE_EXECUTED || f->status != KW_ERR_CONNECTION) {
            fail_msg("%s: %s %s: %s", f->write ? "write" : "read", kw_status_name(f->status),
                     kw_outcome_name(f->outcome), f->message);
        }
    }
}

static void soak_leaves_memory_allocations_and_descriptors_flat(void **state) {
    (void)state;
    const char *text = getenv("KEYWAY_SOAK_SECONDS");
    int seconds = text && atoi(text) > 0 ? atoi(text) : 60;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    census c = {0};
    kw_client *client = open_counted(cluster, &c);
    load *l = load_new(client, cluster,
                       &(load_options){.groups = GROUPS, .window = 100, .burst = 10, .seed = 11});
    trouble t;
    level first = {0};
    level last = {0};
    level idle_first = {0};
    trouble_start(&t, cluster);
    for (int phase = 0; phase < PHASES; phase++) {
        load_run(l, seconds * 1000 / PHASES);
        level now = level_now(&c);
        print_level("under load", &now);
        if (phase < PHASES / 3) {
            first = highest(first, now);
            load_drain(l);
            idle_first = highest(idle_first, level_now(&c));
        }
        last = phase < PHASES - PHASES / 3 ? last : highest(last, now);
    }
    trouble_join(&t);
    load_drain(l);
    level idle = level_now(&c);
    print_level("idle", &idle);
    print_level("idle before", &idle_first);
    print_message("%llu commands, %zu MAYBE_EXECUTED, %d connection kills, %d slots moved\n",
                  (unsigned long long)load_submitted(l), load_failure_count(l), t.kills, t.moves);
    expect_flat(&first, &last);
    expect_flat(&idle_first, &idle);
    assert_true(t.kills > 0);
    assert_true(client_counter(client, KW_COUNT_DISCONNECTS) > 0);
    assert_int_equal(client_counter(client, KW_COUNT_IN_FLIGHT), 0);
    assert_int_equal(client_counter(client, KW_COUNT_WAITING), 0);
    expect_failures_only_of_killed_connections(l);
    load_expect_no_surprise(l);
    load_verify(l);
    load_free(l);
    kw_close(client);
    assert_int_equal(c.blocks, 0);
    assert_int_equal(c.bytes, 0);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soak_leaves_memory_allocations_and_descriptors_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
