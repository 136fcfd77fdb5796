/* Sixteen commands in flight all the time, while somebody moves slots: what gets through in each
 * tenth of a second, and how often a node said MOVED. */
#include "speed.h"

#include <stdio.h>
#include <stdlib.h>

enum { IN_FLIGHT = 16, TENTH_NS = 100000000 };

typedef struct load {
    uint64_t begin_ns;
    uint64_t tenths; /* to run */
    uint64_t tenth;  /* now */
    unsigned long count;
    unsigned next;
    unsigned open;
} load;

static void submit(kw_client *c, load *w);

static void on_reply(kw_client *c, kw_reply *r, const kw_error *err, void *arg) {
    load *w = arg;
    if (!r || kw_reply_is_error(r)) {
        speed_die(err ? err->message : kw_reply_string(r, NULL));
    }
    w->count++;
    w->open--;
    if (w->tenth < w->tenths) {
        submit(c, w);
    }
}

static void submit(kw_client *c, load *w) {
    kw_error err;
    char key[32];
    int len = snprintf(key, sizeof key, "load:%u", w->next++ % 100000);
    kw_slice argv[] = {{"SET", 3}, {key, (size_t)len}, {"0123456789abcdef", 16}};
    speed_check(kw_submit(c, argv, 3, NULL, on_reply, w, &err), &err);
    w->open++;
}

static void tell_tenths(load *w) {
    uint64_t now = (speed_wall_ns() - w->begin_ns) / TENTH_NS;
    for (; w->tenth < now && w->tenth < w->tenths; w->tenth++) {
        printf("tenth %lu\n", w->count);
        w->count = 0;
    }
    (void)fflush(stdout);
}

static void tell_redirects(kw_client *c) {
    kw_stats *stats = NULL;
    if (kw_stats_new(c, &stats) != KW_OK) {
        speed_die("out of memory");
    }
    printf("moved %llu\n", (unsigned long long)kw_stats_total(stats, KW_COUNT_MOVED));
    printf("ask %llu\n", (unsigned long long)kw_stats_total(stats, KW_COUNT_ASK));
    kw_stats_free(stats);
}

void speed_load(int argc, char **argv) {
    if (argc < 1 + SPEED_NODES) {
        speed_die("load SECONDS PORT PORT PORT");
    }
    kw_client *c = speed_open(argv + 1, "");
    load w = {.begin_ns = speed_wall_ns(), .tenths = strtoul(argv[0], NULL, 10) * 10};
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        submit(c, &w);
    }
    while (w.tenth < w.tenths || w.open > 0) {
        if (kw_wait(c, 10) != KW_OK) {
            speed_die("kw_wait");
        }
        tell_tenths(&w);
    }
    tell_redirects(c);
    kw_close(c);
}
