/* The wire buffers: commands are encoded once into a chunk, written from it, and sent again from it
 * (DESIGN §6). A chunk is freed when the last command in it is done. Chunks of the usual size come
 * from a pool; a large command gets a chunk of its own. */
#ifndef CORE_CHUNK_H
#define CORE_CHUNK_H

#include "base/mem.h"
#include "base/slice.h"

#define CHUNK_BYTES 4096
#define CHUNK_POOL_MAX 64

typedef struct chunk {
    struct chunk *next_free;
    uint32_t refs;
    size_t capacity;
    size_t used;
    char data[];
} chunk;

typedef struct chunk_pool {
    const mem *mem;
    chunk *free;
    size_t free_count;
} chunk_pool;

void chunk_pool_init(chunk_pool *p, const mem *m);
void chunk_pool_done(chunk_pool *p);

/* Room for `size` bytes in *current, which is replaced when it is full; *current keeps a reference
 * of its own, and the caller gets one for its bytes. NULL if memory is short. */
char *chunk_reserve(chunk_pool *p, chunk **current, size_t size, chunk **ret_chunk);

static inline chunk *chunk_ref(chunk *c) {
    c->refs++;
    return c;
}

/* NULL is allowed. */
void chunk_unref(chunk_pool *p, chunk *c);

#endif
