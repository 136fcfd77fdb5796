#include "client/shared_mem.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct shared_mem {
    mem mem; /* first: what others see of it */
    atomic_size_t references;
} shared_mem;

static shared_mem *box_of(const mem *shared) {
    return (shared_mem *)(uintptr_t)shared;
}

const mem *shared_mem_new(const mem *m) {
    shared_mem *box = mem_alloc(m, sizeof *box);
    if (!box) {
        return NULL;
    }
    box->mem = *m;
    atomic_init(&box->references, 1);
    return &box->mem;
}

const mem *shared_mem_ref(const mem *shared) {
    atomic_fetch_add_explicit(&box_of(shared)->references, 1, memory_order_relaxed);
    return shared;
}

void shared_mem_unref(const mem *shared) {
    if (!shared) {
        return;
    }
    shared_mem *box = box_of(shared);
    if (atomic_fetch_sub_explicit(&box->references, 1, memory_order_acq_rel) == 1) {
        mem m = box->mem;
        mem_free(&m, box);
    }
}
