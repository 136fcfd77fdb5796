#include "io/latch.h"

#include "io/futex.h"

enum { SHUT, SLEPT_ON, OPEN };

void latch_init(latch *l) {
    atomic_init(&l->state, SHUT);
}

static void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

bool latch_wait(latch *l, unsigned looks) {
    for (unsigned i = 0; i < looks; i++) {
        if (atomic_load_explicit(&l->state, memory_order_acquire) == OPEN) {
            return true;
        }
        pause_a_little();
    }
    unsigned state = SHUT;
    if (!atomic_compare_exchange_strong_explicit(&l->state, &state, SLEPT_ON, memory_order_acquire,
                                                 memory_order_acquire)) {
        return true;
    }
    do {
        futex_wait(&l->state, SLEPT_ON, UINT64_MAX);
    } while (atomic_load_explicit(&l->state, memory_order_acquire) != OPEN);
    return false;
}

bool latch_is_open(const latch *l) {
    return atomic_load_explicit(&l->state, memory_order_acquire) == OPEN;
}

void latch_open(latch *l) {
    if (atomic_exchange_explicit(&l->state, OPEN, memory_order_release) == SLEPT_ON) {
        futex_wake(&l->state);
    }
}
