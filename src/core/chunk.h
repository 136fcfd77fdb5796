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
    uint32_t lent_at; /* where in `data` the lent bytes belong */
    size_t capacity;
    size_t used;
    kw_slice lent; /* not ours (core/cluster_lend.c); data NULL: none */
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

/* A chunk of its own, all its `size` bytes taken, with the caller's reference. NULL: no memory. */
chunk *chunk_alone(chunk_pool *p, size_t size);

/* Where the next bytes of the current chunk go; chunk_take makes them a command's. NULL: there is
 * no chunk, or no such room in it. */
static inline char *chunk_tail(chunk *c, size_t room) {
    if (!c) {
        return NULL;
    }
    if (c->refs == 1) { /* nobody but its holder has it: its bytes are done with */
        c->used = 0;
    }
    return c->capacity - c->used >= room ? c->data + c->used : NULL;
}

/* The bytes up to `end` are a command's, which gets a reference. */
static inline void chunk_take(chunk *c, const char *end) {
    c->used = (size_t)(end - c->data);
    c->refs++;
}

/* Nobody refers to it any more. */
void chunk_free(chunk_pool *p, chunk *c);

/* NULL is allowed. */
static inline void chunk_unref(chunk_pool *p, chunk *c) {
    if (c && --c->refs == 0) {
        chunk_free(p, c);
    }
}

#endif
