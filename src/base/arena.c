#include "base/arena.h"

#define ARENA_FIRST_BYTES 1024
#define ARENA_BLOCK_BYTES_MAX (64 * 1024)

struct arena_block {
    arena_block *next;
    size_t size;
    max_align_t bytes[];
};

void arena_init(arena *a, const mem *m) {
    *a = (arena){.mem = m};
}

static void free_blocks(const mem *m, arena_block *block) {
    while (block) {
        arena_block *next = block->next;
        mem_free(m, block);
        block = next;
    }
}

void arena_done(arena *a) {
    if (a) {
        free_blocks(a->mem, a->blocks);
        arena_init(a, a->mem);
    }
}

/* In front of the others: pieces come from it. */
static void put_first(arena *a, arena_block *block) {
    block->next = a->blocks;
    a->blocks = block;
    a->free = (char *)block->bytes;
    a->left = block->size;
}

void arena_reset(arena *a) {
    arena_block *kept = a->blocks;
    if (!kept || kept->size > ARENA_BLOCK_BYTES_MAX) {
        arena_done(a);
        return;
    }
    free_blocks(a->mem, kept->next);
    a->blocks = NULL;
    put_first(a, kept);
}

static size_t next_block_size(const arena *a) {
    size_t size = a->blocks ? a->blocks->size * 2 : ARENA_FIRST_BYTES;
    return size < ARENA_BLOCK_BYTES_MAX ? size : ARENA_BLOCK_BYTES_MAX;
}

static arena_block *block_new(const arena *a, size_t size) {
    const size_t align = sizeof(max_align_t);
    if (size > SIZE_MAX - sizeof(arena_block) - align) {
        return NULL;
    }
    size = (size + align - 1) / align * align;
    arena_block *block = mem_alloc(a->mem, sizeof(arena_block) + size);
    if (block) {
        *block = (arena_block){.size = size};
    }
    return block;
}

bool arena_add_room(arena *a, size_t size) {
    size_t usual = next_block_size(a);
    arena_block *block = block_new(a, size > usual ? size : usual);
    if (block) {
        put_first(a, block);
    }
    return block != NULL;
}

void *arena_alloc_anew(arena *a, size_t size) {
    if (!a->blocks || size <= next_block_size(a) / 2) {
        return arena_add_room(a, size) ? arena_alloc(a, size) : NULL;
    }
    /* Behind the first, whose room is still good for small pieces. */
    arena_block *block = block_new(a, size);
    if (!block) {
        return NULL;
    }
    block->next = a->blocks->next;
    a->blocks->next = block;
    return block->bytes;
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
