/* Blocks of one size, used again: taking and giving back is a few instructions, and needs the
 * allocator only when there are more than ever before, or too many. Owns the free ones. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/mem.h"

typedef struct pool_link {
    struct pool_link *next;
} pool_link;

typedef struct pool {
    const mem *mem;
    pool_link *free;
    size_t free_count;
    size_t free_max; /* the rest goes back to the allocator */
    size_t size;     /* of a block, at least a pointer's */
} pool;

static inline void pool_init(pool *p, const mem *m, size_t size, size_t free_max) {
    *p = (pool){.mem = m, .size = size, .free_max = free_max};
}

/* All that was taken must be given back, or never be. */
static inline void pool_done(pool *p) {
    while (p->free) {
        pool_link *block = p->free;
        p->free = block->next;
        mem_free(p->mem, block);
    }
    p->free_count = 0;
}

/* Its content is of no meaning. NULL: no memory. */
static inline void *pool_take(pool *p) {
    pool_link *block = p->free;
    if (!block) {
        return mem_alloc(p->mem, p->size);
    }
    p->free = block->next;
    p->free_count--;
    return block;
}

static inline void pool_give(pool *p, void *ptr) {
    if (p->free_count >= p->free_max) {
        mem_free(p->mem, ptr);
        return;
    }
    pool_link *block = ptr;
    block->next = p->free;
    p->free = block;
    p->free_count++;
}

#endif
