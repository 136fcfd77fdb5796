/* Memory that is given back in one step. Owns its blocks; individual pieces are never freed. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/mem.h"
#include "base/slice.h"

#include <stddef.h>

typedef struct arena_block arena_block;

typedef struct arena {
    const mem *mem;
    arena_block *blocks;
    char *free;  /* the first block's room, */
    size_t left; /* a multiple of the alignment */
} arena;

void arena_init(arena *a, const mem *m);
void arena_done(arena *a);
/* Gives all pieces back; keeps one block for the next ones, unless it is a large one. */
void arena_reset(arena *a);

/* Takes what arena_alloc gave, or the front of arena_room. */
static inline void arena_take(arena *a, size_t size) {
    const size_t align = sizeof(max_align_t);
    size_t aligned = (size + align - 1) / align * align;
    a->free += aligned;
    a->left -= aligned;
}

/* What the first block has no room for. */
void *arena_alloc_anew(arena *a, size_t size);
bool arena_add_room(arena *a, size_t size);

/* Aligned for any type, not zeroed; NULL if memory is short. */
static inline void *arena_alloc(arena *a, size_t size) {
    if (size > a->left || !a->free) {
        return arena_alloc_anew(a, size);
    }
    char *ptr = a->free;
    arena_take(a, size);
    return ptr;
}

/* Room for a piece whose size is not known yet, but is at most this: arena_take takes it, when it
 * is. NULL if memory is short. */
static inline char *arena_room(arena *a, size_t most) {
    return most <= a->left || arena_add_room(a, most) ? a->free : NULL;
}

/* A terminated copy. */
char *arena_strndup(arena *a, const char *data, size_t len);

#endif
