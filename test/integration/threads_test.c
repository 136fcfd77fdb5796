/* Sixteen threads on one handle with an I/O thread, while a real cluster moves slots, changes a
 * primary for its replica, and loses one: nothing fails but what was in flight at the death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "integration/support/client.h"

enum { THREADS = 16, KEYS = 8, WAIT_ROUNDS = 6000, WAIT_US = 10000 };

/* Each thread counts in keys of its own, so that it knows what each reply must be. */
typedef struct worker {
    pthread_t thread;
    kw_client *client;
    int index;
    long long least[KEYS]; /* acknowledged increments */
    long long most[KEYS];  /* ... and those that may have been executed */
    unsigned doubtful;     /* writes that ended as MAYBE_EXECUTED */
    char complaint[512];   /* the first one; empty: all was right */
} worker;

static worker workers[THREADS];
static atomic_int over;
static atomic_int may_lose; /* a primary has died: replication is asynchronous */
static atomic_ulong done;

#define COMPLAIN(w, ...)                                                                           \
    do {                                                                                           \
        if (!(w)->complaint[0]) {                                                                  \
            (void)snprintf((w)->complaint, sizeof(w)->complaint, __VA_ARGS__);                     \
        }                                                                                          \
    } while (0)

static void check_value(worker *w, int key, long long value, bool wrote) {
    long long least = w->least[key] + wrote;
    long long most = w->most[key] + wrote;
    if ((value < least && !atomic_load(&may_lose)) || value > most) {
        COMPLAIN(w, "key %d: %s gave %lld, not %lld to %lld", key, wrote ? "INCR" : "GET", value,
                 least, most);
    }
    w->least[key] = w->most[key] = value;
}

static void step(worker *w, int key, bool write) {
    kw_reply *reply = NULL;
    kw_error err = {0};
    const char *format = write ? "INCR thread:%d:%d" : "GET thread:%d:%d";
    kw_status status = kw_call(w->client, &reply, &err, format, w->index, key);
    if (status == KW_OK && kw_reply_is_error(reply)) {
        COMPLAIN(w, "%s", kw_reply_string(reply, NULL));
    } else if (status == KW_OK) {
        check_value(w, key, kw_reply_integer(reply), write);
        atomic_fetch_add(&done, 1);
    } else if (write && err.outcome == KW_MAYBE_EXECUTED && atomic_load(&may_lose)) {
        w->most[key]++;
        w->doubtful++;
    } else {
        COMPLAIN(w, "key %d: %s: %s (%s)", key, kw_status_name(status), err.message,
                 kw_outcome_name(err.outcome));
    }
    kw_reply_free(reply);
}

static void *work(void *arg) {
    worker *w = arg;
    for (unsigned i = 0; !atomic_load(&over) && !w->complaint[0]; i++) {
        step(w, (int)(i / 2 % KEYS), i % 2 == 0);
    }
    return NULL;
}

static void start_workers(kw_client *client) {
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.client = client, .index = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

/* Ends the threads; their number of doubtful writes. */
static unsigned join_workers(void) {
    unsigned doubtful = 0;
    atomic_store(&over, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        doubtful += workers[i].doubtful;
    }
    for (int i = 0; i < THREADS; i++) {
        if (workers[i].complaint[0]) {
            fail_msg("thread %d: %s", i, workers[i].complaint);
        }
    }
    return doubtful;
}

static void wait_for_progress(unsigned long count) {
    unsigned long want = atomic_load(&done) + count;
    for (int i = 0; i < WAIT_ROUNDS && atomic_load(&done) < want; i++) {
        usleep(WAIT_US);
    }
    if (atomic_load(&done) < want) {
        (void)join_workers(); /* its complaint, if there is one, says more */
        fail_msg("the threads come no further");
    }
}

static void reshard(const redis_cluster *cluster) {
    char endpoint[80];
    char log[128];
    (void)snprintf(log, sizeof log, "%s/reshard.log", cluster->dir.path);
    redis_cluster_endpoint(cluster, 0, endpoint);
    char *argv[] = {"redis-cli",       "--cluster",
                    "reshard",         endpoint,
                    "--cluster-from",  (char *)cluster->nodes[0].id,
                    "--cluster-to",    (char *)cluster->nodes[1].id,
                    "--cluster-slots", "1500",
                    "--cluster-yes",   NULL};
    pid_t pid = process_start(argv, log);
    int status = 0;
    while (!process_ended(pid, &status)) {
        usleep(WAIT_US);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_primary(redis_cluster *cluster, int node) {
    raw_reply *role = redis_cluster_ask(cluster, node, "ROLE");
    bool answer = strcmp(role->items[0].text, "master") == 0;
    raw_reply_free(role);
    return answer;
}

static void wait_until_primary(redis_cluster *cluster, int node) {
    for (int i = 0; i < WAIT_ROUNDS && !is_primary(cluster, node); i++) {
        usleep(WAIT_US);
    }
    assert_true(is_primary(cluster, node));
}

static void threads_work_through_reshard_and_failovers(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(
        &(redis_cluster_options){.primaries = 3, .replicas = 3, .node_timeout_ms = 2000});
    kw_client *client = client_open(cluster, "io_thread=yes&timeout_ms=30000");
    start_workers(client);
    wait_for_progress(2000);
    reshard(cluster);
    wait_for_progress(2000);
    redis_cluster_do(cluster, 4, "CLUSTER FAILOVER"); /* of shard 1, without loss */
    wait_until_primary(cluster, 4);
    wait_for_progress(2000);
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    assert_true(client_counter(client, KW_COUNT_MOVED) > 0);
    unsigned long before = atomic_load(&done);

    atomic_store(&may_lose, 1);
    redis_cluster_kill(cluster, 2);
    wait_until_primary(cluster, 5);
    wait_for_progress(2000);
    unsigned doubtful = join_workers();
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), doubtful);
    print_message("%lu commands by %d threads through a reshard and a failover: 0 failed; then a "
                  "primary's death: %u writes may have been executed, nothing else failed\n",
                  before, THREADS, doubtful);
    kw_close(client);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_work_through_reshard_and_failovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
