#include "io/gate.h"

#include "io/futex.h"

#define SHUT 0x80000000u

void gate_init(gate *g) {
    atomic_init(&g->word, 0);
}

bool gate_enter(gate *g) {
    if (!(atomic_fetch_add_explicit(&g->word, 1, memory_order_acquire) & SHUT)) {
        return true;
    }
    gate_leave(g);
    return false;
}

void gate_leave(gate *g) {
    if (atomic_fetch_sub_explicit(&g->word, 1, memory_order_release) == (SHUT | 1u)) {
        futex_wake(&g->word);
    }
}

bool gate_shut(gate *g) {
    return !(atomic_fetch_or_explicit(&g->word, SHUT, memory_order_acq_rel) & SHUT);
}

bool gate_is_shut(const gate *g) {
    return atomic_load_explicit(&g->word, memory_order_acquire) & SHUT;
}

void gate_wait_empty(gate *g) {
    unsigned word;
    while ((word = atomic_load_explicit(&g->word, memory_order_acquire)) != SHUT) {
        futex_wait(&g->word, word, UINT64_MAX);
    }
}
