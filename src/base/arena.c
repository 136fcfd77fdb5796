#include "base/arena.h"

#include <stddef.h>

#define ARENA_FIRST_BYTES 1024
#define ARENA_BLOCK_BYTES_MAX (64 * 1024)

struct arena_block {
    arena_block *next;
    size_t used;
    size_t size;
    max_align_t bytes[];
};

void arena_init(arena *a, const mem *m) {
    *a = (arena){.mem = m};
}

void arena_done(arena *a) {
    if (!a) {
        return;
    }
    arena_block *block = a->blocks;
    while (block) {
        arena_block *next = block->next;
        mem_free(a->mem, block);
        block = next;
    }
    a->blocks = NULL;
}

void arena_reset(arena *a) {
    arena_block *kept = a->blocks;
    if (!kept || kept->size > ARENA_BLOCK_BYTES_MAX) {
        arena_done(a);
        return;
    }
    a->blocks = kept->next;
    arena_done(a);
    *kept = (arena_block){.size = kept->size};
    a->blocks = kept;
}

static arena_block *block_new(arena *a, size_t size) {
    if (size > SIZE_MAX - sizeof(arena_block)) {
        return NULL;
    }
    arena_block *block = mem_alloc(a->mem, sizeof(arena_block) + size);
    if (block) {
        *block = (arena_block){.size = size};
    }
    return block;
}

static size_t next_block_size(const arena *a) {
    size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST_BYTES;
    return size < ARENA_BLOCK_BYTES_MAX ? size : ARENA_BLOCK_BYTES_MAX;
}

static size_t aligned(size_t size) {
    const size_t align = sizeof(max_align_t);
    return (size + align - 1) / align * align;
}

void *arena_alloc(arena *a, size_t size) {
    if (size > SIZE_MAX - sizeof(max_align_t)) {
        return NULL;
    }
    size = aligned(size);
    arena_block *block = a->blocks;
    if (block && size <= block->size - block->used) {
        void *ptr = (char *)block->bytes + block->used;
        block->used += size;
        return ptr;
    }
    size_t block_size = next_block_size(a);
    bool own = size > block_size / 2;
    block = block_new(a, own ? size : block_size);
    if (!block) {
        return NULL;
    }
    block->used = size;
    if (own && a->blocks) {
        /* Behind the first, whose room is still good for small pieces. */
        block->next = a->blocks->next;
        a->blocks->next = block;
    } else {
        block->next = a->blocks;
        a->blocks = block;
    }
    return block->bytes;
}

void arena_trim(arena *a, void *last, size_t size) {
    arena_block *block = a->blocks;
    size_t offset = (size_t)((char *)last - (char *)block->bytes);
    if (offset < block->used) { /* else it has a block of its own */
        block->used = offset + aligned(size);
    }
}

char *arena_strndup(arena *a, const char *data, size_t len) {
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = arena_alloc(a, len + 1);
    if (!copy) {
        return NULL;
    }
    if (len > 0) {
        memcpy(copy, data, len);
    }
    copy[len] = '\0';
    return copy;
}
