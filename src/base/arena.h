/* Memory that is given back in one step. Owns its blocks; individual pieces are never freed. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/mem.h"
#include "base/slice.h"

typedef struct arena_block arena_block;

typedef struct arena {
    const mem *mem;
    arena_block *blocks;
} arena;

void arena_init(arena *a, const mem *m);
void arena_done(arena *a);
/* Gives all pieces back; keeps one block for the next ones, unless it is a large one. */
void arena_reset(arena *a);

/* Aligned for any type, not zeroed; NULL if memory is short. */
void *arena_alloc(arena *a, size_t size);
/* The piece allocated last needs only `size` bytes after all. */
void arena_trim(arena *a, void *last, size_t size);
/* A terminated copy. */
char *arena_strndup(arena *a, const char *data, size_t len);

#endif
