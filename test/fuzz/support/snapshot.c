#include "fuzz/support/snapshot.h"

#include "fuzz/fuzz.h"

#include <sanitizer/asan_interface.h>

enum { ARENA_BYTES = 16 * 1024 * 1024, BLOCKS_MAX = 4096, ALIGN = 16, GAP = 32 };

typedef struct early_block {
    size_t offset;
    size_t size;
    bool released;
} early_block;

struct snapshot {
    mem mem;
    size_t piece_bytes_max;
    unsigned refused;
    char *arena; /* the early blocks, poisoned gaps between them */
    size_t used;
    early_block blocks[BLOCKS_MAX];
    size_t block_count;
    char *image; /* of the arena; NULL: not taken yet */
    size_t early_live;
    size_t late_live; /* blocks of the C library */
};

static early_block *find_early(snapshot *s, const char *ptr) {
    if (ptr < s->arena || ptr >= s->arena + ARENA_BYTES) {
        return NULL;
    }
    size_t low = 0;
    size_t high = s->block_count;
    size_t offset = (size_t)(ptr - s->arena);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (s->blocks[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    fuzz_check(s->blocks[low].offset == offset && !s->blocks[low].released);
    return &s->blocks[low];
}

static void *allocate(void *arg, size_t size) {
    snapshot *s = arg;
    if (size > s->piece_bytes_max) {
        s->refused++;
        return NULL;
    }
    if (s->image) {
        s->late_live++;
        return mem_default.alloc(mem_default.arg, size);
    }
    fuzz_check(s->block_count < BLOCKS_MAX && size <= ARENA_BYTES - s->used - GAP - ALIGN);
    early_block *block = &s->blocks[s->block_count++];
    *block = (early_block){.offset = s->used, .size = size};
    s->used += (size + ALIGN - 1) / ALIGN * ALIGN + GAP;
    s->early_live++;
    __asan_unpoison_memory_region(s->arena + block->offset, size);
    return s->arena + block->offset;
}

static void release(void *arg, void *ptr) {
    snapshot *s = arg;
    early_block *block = find_early(s, ptr);
    if (!block) {
        s->late_live--;
        mem_default.release(mem_default.arg, ptr);
        return;
    }
    block->released = true;
    s->early_live--;
    __asan_poison_memory_region(ptr, block->size);
}

static void *resize(void *arg, void *ptr, size_t size) {
    snapshot *s = arg;
    early_block *block = find_early(s, ptr);
    if (size > s->piece_bytes_max) {
        s->refused++;
        return NULL;
    }
    if (!block) {
        return mem_default.resize(mem_default.arg, ptr, size);
    }
    void *moved = allocate(s, size);
    fuzz_check(moved != NULL);
    memcpy(moved, ptr, size < block->size ? size : block->size);
    release(s, ptr);
    return moved;
}

snapshot *snapshot_new(size_t piece_bytes_max) {
    snapshot *s = calloc(1, sizeof *s);
    fuzz_check(s != NULL);
    s->mem = (mem){allocate, resize, release, s};
    s->piece_bytes_max = piece_bytes_max;
    s->arena = aligned_alloc(ALIGN, ARENA_BYTES);
    fuzz_check(s->arena != NULL);
    __asan_poison_memory_region(s->arena, ARENA_BYTES);
    return s;
}

const mem *snapshot_mem(snapshot *s) {
    return &s->mem;
}

static void set_poison(const snapshot *s, bool whole) {
    if (whole) {
        __asan_unpoison_memory_region(s->arena, s->used);
        return;
    }
    __asan_poison_memory_region(s->arena, s->used);
    for (size_t i = 0; i < s->block_count; i++) {
        if (!s->blocks[i].released) {
            __asan_unpoison_memory_region(s->arena + s->blocks[i].offset, s->blocks[i].size);
        }
    }
}

/* Blocks that were released while it was built are gone for good. */
void snapshot_take(snapshot *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->block_count; i++) {
        if (!s->blocks[i].released) {
            s->blocks[kept++] = s->blocks[i];
        }
    }
    s->block_count = kept;
    s->image = malloc(s->used);
    fuzz_check(s->image != NULL);
    set_poison(s, true);
    memcpy(s->image, s->arena, s->used);
    set_poison(s, false);
}

void snapshot_restore(snapshot *s) {
    fuzz_check(s->early_live == 0 && s->late_live == 0);
    for (size_t i = 0; i < s->block_count; i++) {
        s->blocks[i].released = false;
    }
    set_poison(s, true);
    memcpy(s->arena, s->image, s->used);
    set_poison(s, false);
    s->early_live = s->block_count;
    s->refused = 0;
}

unsigned snapshot_refused(const snapshot *s) {
    return s->refused;
}
