/* Memory blocks of one size that go round between threads: some take them, others give them back.
 * Lock-free: the free ones hang in a chain on one word, which whoever comes takes whole, so that
 * nobody looks at a block that is another's. Owns the free ones, up to a cap. */
#ifndef CLIENT_BLOCK_POOL_H
#define CLIENT_BLOCK_POOL_H

#include "base/mem.h"

#include <stdatomic.h>

enum { BLOCK_POOL_BYTES = 512, BLOCK_POOL_FREE_MAX = 128 };

/* A free block is this. `last` and `count` hold for the first one of a chain. */
typedef struct pool_block {
    struct pool_block *next;
    struct pool_block *last;
    size_t count;
} pool_block;

typedef struct block_pool {
    const mem *mem; /* must be thread-safe */
    _Atomic(pool_block *) free;
} block_pool;

void block_pool_init(block_pool *p, const mem *m);
void block_pool_done(block_pool *p);

/* BLOCK_POOL_BYTES; NULL if memory is short. Any thread. */
void *block_pool_take(block_pool *p);

/* Blocks that are on their way back: collected by one thread, given by it in one step. */
void block_chain_add(pool_block **chain, void *block);
/* *chain is empty (NULL) afterwards, and may have been before. Any thread. */
void block_pool_give(block_pool *p, pool_block **chain);

#endif
