/* usage: scale CLIENTS NODES CLIENT EVENT
 * Runs so many clients of one kind (keyway, redis-py, go-redis, libvalkey) through a minute in
 * which something happens at its half (failover, reshard, restart), and prints a line a second:
 * views asked for, the most at one node, bytes; then totals. */
#include "scale/scale.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    client_fn *run;
} kinds[] = {
    {"keyway", run_keyway},
    {"redis-py", run_redis_py},
    {"go-redis", run_go_redis},
    {"libvalkey", run_libvalkey},
};
static const char *const events[SCALE_EVENTS] = {"failover", "reshard", "restart"};

void tally_view(tally *t, world *w, unsigned node, uint64_t now_us) {
    uint64_t second = now_us / SCALE_S;
    if (second < SCALE_SECONDS) {
        t->asked[second][node]++;
        t->bytes[second] += world_slots_reply(w, now_us).len;
    }
}

static void print(const tally *t, unsigned node_count) {
    for (unsigned second = 0; second < SCALE_SECONDS; second++) {
        uint64_t all = 0;
        uint32_t most = 0;
        for (unsigned node = 0; node < node_count; node++) {
            all += t->asked[second][node];
            most = t->asked[second][node] > most ? t->asked[second][node] : most;
        }
        printf("%u %llu %u %llu\n", second, (unsigned long long)all, most,
               (unsigned long long)t->bytes[second]);
    }
    printf("total %llu %llu %llu\n", (unsigned long long)t->commands,
           (unsigned long long)t->redirects, (unsigned long long)t->failures);
}

int main(int argc, char **argv) {
    static tally t;
    world w;
    unsigned clients = argc == 5 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    unsigned nodes = argc == 5 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    client_fn *run = NULL;
    int event = SCALE_EVENTS;
    for (size_t i = 0; argc == 5 && i < sizeof kinds / sizeof *kinds; i++) {
        run = strcmp(argv[3], kinds[i].name) == 0 ? kinds[i].run : run;
    }
    for (int i = 0; argc == 5 && i < SCALE_EVENTS; i++) {
        event = strcmp(argv[4], events[i]) == 0 ? i : event;
    }
    if (!run || event == SCALE_EVENTS || clients == 0 || nodes < 4 || nodes > SCALE_NODES_MAX) {
        fprintf(stderr,
                "usage: scale CLIENTS NODES keyway|redis-py|go-redis|libvalkey "
                "failover|reshard|restart (4 to %d nodes)\n",
                SCALE_NODES_MAX);
        return 2;
    }
    world_init(&w, (scale_event)event, nodes);
    for (unsigned i = 0; i < clients; i++) {
        run(&w, 1 + i, &t);
    }
    print(&t, nodes);
    world_done(&w);
    return 0;
}
