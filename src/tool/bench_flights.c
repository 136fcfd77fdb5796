#include "tool/bench_flights.h"

#include "base/mem.h"

#include <string.h>

void bench_flights_init(bench_flights *f, uint32_t size) {
    memset(f, 0, sizeof *f);
    f->size = size;
}

void bench_flights_done(bench_flights *f) {
    for (int i = 0; i <= BENCH_NODES_MAX; i++) {
        mem_free(&mem_default, f->nodes[i].keys);
    }
}

bool bench_flights_add(bench_flights *f, int node, uint64_t key, uint64_t *ret) {
    bench_flight *flight = &f->nodes[node >= 0 ? node : BENCH_NODES_MAX];
    if (!flight->keys) {
        flight->keys = mem_calloc(&mem_default, f->size, sizeof *flight->keys);
        if (!flight->keys) {
            give_up("out of memory");
        }
    }
    flight->keys[flight->count++] = key;
    if (flight->count < f->size) {
        return false;
    }
    memcpy(ret, flight->keys, f->size * sizeof *ret);
    flight->count = 0;
    return true;
}
