#include "client/block_pool.h"

void block_pool_init(block_pool *p, const mem *m) {
    p->mem = m;
    atomic_init(&p->free, NULL);
}

static void free_chain(const mem *m, pool_block *chain) {
    while (chain) {
        pool_block *next = chain->next;
        mem_free(m, chain);
        chain = next;
    }
}

void block_pool_done(block_pool *p) {
    free_chain(p->mem, atomic_exchange_explicit(&p->free, NULL, memory_order_acquire));
}

static pool_block *take_all(block_pool *p) {
    return atomic_exchange_explicit(&p->free, NULL, memory_order_acquire);
}

/* The chain without its first block; NULL if that was all. */
static pool_block *rest_of(const pool_block *chain) {
    pool_block *rest = chain->next;
    if (rest) {
        rest->last = chain->last;
        rest->count = chain->count - 1;
    }
    return rest;
}

static pool_block *joined(pool_block *a, pool_block *b) {
    if (!a || !b) {
        return a ? a : b;
    }
    a->last->next = b;
    a->last = b->last;
    a->count += b->count;
    return a;
}

void *block_pool_take(block_pool *p) {
    if (!atomic_load_explicit(&p->free, memory_order_relaxed)) {
        return mem_alloc(p->mem, BLOCK_POOL_BYTES);
    }
    pool_block *all = take_all(p);
    if (!all) {
        return mem_alloc(p->mem, BLOCK_POOL_BYTES);
    }
    pool_block *rest = rest_of(all);
    block_pool_give(p, &rest);
    return all;
}

void block_chain_add(pool_block **chain, void *block) {
    pool_block *b = block;
    *b = (pool_block){.last = b, .count = 1};
    *chain = joined(b, *chain);
}

void block_pool_give(block_pool *p, pool_block **chain) {
    pool_block *mine = *chain;
    *chain = NULL;
    pool_block *none = NULL;
    while (mine) {
        while (mine->count > BLOCK_POOL_FREE_MAX) {
            pool_block *rest = rest_of(mine);
            mem_free(p->mem, mine);
            mine = rest;
        }
        if (atomic_compare_exchange_strong_explicit(&p->free, &none, mine, memory_order_release,
                                                    memory_order_relaxed)) {
            return;
        }
        none = NULL;
        mine = joined(mine, take_all(p)); /* others' joined with these, in one step again */
    }
}
