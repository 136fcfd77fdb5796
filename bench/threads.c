/* Threads that each send one command at a time to a cluster of three nodes: through one handle with
 * an I/O thread, or through hiredis, each thread with a context for each node and its keys routed
 * beforehand, at no cost.
 *
 * usage: bench-threads (keyway|submit|hiredis) THREADS SECONDS PORT PORT PORT
 * submit: each thread hands in 64 commands with callbacks at a time, instead of calling.
 * The ports are of the nodes in the order of their slots, a third each. Prints the commands, the
 * seconds and the process's seconds of processor time. */
#include "core/slot.h"

#include <keyway/keyway.h>

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 3, KEYS = 1024, VALUE_BYTES = 16, THREADS_MAX = 256, WARM_UP_US = 300000 };

static const char value[] = "0123456789abcdef";
static int ports[NODES];
static char keys[KEYS][17];
static int owners[KEYS];
static kw_client *client; /* NULL: hiredis */
static bool submits;      /* instead of calling */
static atomic_int stage;  /* 0: warm up, 1: measured, 2: over */

typedef struct worker {
    pthread_t thread;
    unsigned long count;
    unsigned next;
    unsigned answered; /* on the I/O thread */
    sem_t all_answered;
    redisContext *contexts[NODES];
} worker;

static worker workers[THREADS_MAX];

static void die(const char *what) {
    fprintf(stderr, "bench-threads: %s\n", what);
    exit(1);
}

static void set_by_keyway(const char *key) {
    const kw_slice argv[] = {{"SET", 3}, {key, 16}, {value, VALUE_BYTES}};
    kw_reply *reply = NULL;
    kw_error err;
    if (kw_call_argv(client, argv, 3, NULL, &reply, &err) != KW_OK || kw_reply_is_error(reply)) {
        die(reply ? kw_reply_string(reply, NULL) : err.message);
    }
    kw_reply_free(reply);
}

/* A number of commands at once, whose callbacks are waited for together. */
enum { SUBMITTED = 64 };

static void count_reply(kw_client *c, kw_reply *reply, const kw_error *err, void *arg) {
    (void)c;
    worker *w = arg;
    if (!reply || kw_reply_is_error(reply)) {
        die(err ? err->message : "a server's error");
    }
    if (++w->answered % SUBMITTED == 0) {
        (void)sem_post(&w->all_answered);
    }
}

static void submit_by_keyway(worker *w) {
    for (int n = 0; n < SUBMITTED; n++) {
        const kw_slice argv[] = {{"SET", 3}, {keys[w->next++ % KEYS], 16}, {value, VALUE_BYTES}};
        kw_error err;
        if (kw_submit(client, argv, 3, NULL, count_reply, w, &err) != KW_OK) {
            die(err.message);
        }
    }
    while (sem_wait(&w->all_answered) != 0) {
    }
}

static void set_by_hiredis(redisContext *context, const char *key) {
    const char *argv[] = {"SET", key, value};
    const size_t lens[] = {3, 16, VALUE_BYTES};
    redisReply *reply = redisCommandArgv(context, 3, argv, lens);
    if (!reply || reply->type != REDIS_REPLY_STATUS) {
        die(reply ? reply->str : context->errstr);
    }
    freeReplyObject(reply);
}

static void *work(void *arg) {
    worker *w = arg;
    int now = 0;
    while ((now = atomic_load_explicit(&stage, memory_order_relaxed)) < 2) {
        if (submits) {
            submit_by_keyway(w);
            w->count += now == 1 ? SUBMITTED : 0;
            continue;
        }
        unsigned i = w->next++ % KEYS;
        if (client) {
            set_by_keyway(keys[i]);
        } else {
            set_by_hiredis(w->contexts[owners[i]], keys[i]);
        }
        w->count += now == 1;
    }
    return NULL;
}

/* Slots at the border of two thirds are left out: who divides them has his own way to round. */
static void prepare_keys(void) {
    for (int i = 0, number = 0; i < KEYS; number++) {
        (void)snprintf(keys[i], sizeof keys[i], "key:%012d", number);
        int slot = slot_of_key((kw_slice){keys[i], 16});
        owners[i] = slot * NODES / SLOT_COUNT;
        int below = (slot - 2) * NODES / SLOT_COUNT;
        int above = (slot + 2) * NODES / SLOT_COUNT;
        i += below == owners[i] && above == owners[i];
    }
}

static void open_keyway(void) {
    char url[128];
    kw_options *options = NULL;
    kw_error err;
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", ports[0],
                   ports[1], ports[2]);
    if (kw_options_new(&options) != KW_OK) {
        die("out of memory");
    }
    kw_options_set_io_thread(options, true);
    if (kw_open(url, options, &client, &err) != KW_OK) {
        die(err.message);
    }
    kw_options_free(options);
}

static void start(worker *w, unsigned first) {
    w->next = first;
    if (sem_init(&w->all_answered, 0, 0) != 0) {
        die("sem_init");
    }
    for (int n = 0; n < NODES && !client; n++) {
        w->contexts[n] = redisConnect("127.0.0.1", ports[n]);
        if (!w->contexts[n] || w->contexts[n]->err) {
            die("cannot connect");
        }
    }
    if (pthread_create(&w->thread, NULL, work, w) != 0) {
        die("cannot start a thread");
    }
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 4 + NODES) {
        die("usage: bench-threads (keyway|submit|hiredis) THREADS SECONDS PORT PORT PORT");
    }
    unsigned count = (unsigned)strtoul(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    for (int n = 0; n < NODES; n++) {
        ports[n] = (int)strtol(argv[4 + n], NULL, 10);
    }
    prepare_keys();
    submits = strcmp(argv[1], "submit") == 0;
    if (submits || strcmp(argv[1], "keyway") == 0) {
        open_keyway();
    }
    for (unsigned i = 0; i < count && i < THREADS_MAX; i++) {
        start(&workers[i], i * 31);
    }
    usleep(WARM_UP_US);
    double wall = -now_s();
    double cpu = -cpu_s();
    atomic_store(&stage, 1);
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&stage, 2);
    wall += now_s();
    cpu += cpu_s();
    unsigned long commands = 0;
    for (unsigned i = 0; i < count && i < THREADS_MAX; i++) {
        pthread_join(workers[i].thread, NULL);
        commands += workers[i].count;
    }
    kw_close(client);
    printf("%lu %.6f %.6f\n", commands, wall, cpu);
    return 0;
}
