#include "unit/support/failing_mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* More fails always: the address sanitizer ends a program that asks malloc for too much. */
#define FAILING_MEM_SIZE_MAX ((size_t)1 << 32)

/* Before each piece, so that its size is known when it goes. */
typedef union header {
    size_t size;
    max_align_t align;
} header;

static bool fails(failing_mem *f) {
    size_t call = ++f->call_count;
    size_t last = f->fail_after ? SIZE_MAX : f->fail_at + f->fail_count;
    bool fails = f->fail_at != 0 && ((call >= f->fail_at && call <= last) || call == f->fail_also);
    f->failed += fails;
    return fails;
}

static void *failing_alloc(void *arg, size_t size) {
    failing_mem *f = arg;
    if (fails(f) || size > FAILING_MEM_SIZE_MAX) {
        return NULL;
    }
    header *h = malloc(sizeof(*h) + size);
    if (!h) {
        return NULL;
    }
    h->size = size;
    f->live_count++;
    f->live_bytes += size;
    memset(h + 1, 0xa5, size);
    return h + 1;
}

static void failing_release(void *arg, void *ptr) {
    failing_mem *f = arg;
    header *h = (header *)ptr - 1;
    f->live_count--;
    f->live_bytes -= h->size;
    free(h);
}

/* Always moves: whoever keeps an old address is found by the address sanitizer. */
static void *failing_resize(void *arg, void *ptr, size_t size) {
    void *moved = failing_alloc(arg, size);
    if (moved) {
        const header *old = (const header *)ptr - 1;
        memcpy(moved, ptr, old->size < size ? old->size : size);
        failing_release(arg, ptr);
    }
    return moved;
}

void failing_mem_init(failing_mem *f) {
    *f = (failing_mem){.mem = {failing_alloc, failing_resize, failing_release, f}};
}

void failing_mem_fail_at(failing_mem *f, size_t call) {
    f->call_count = 0;
    f->fail_at = call;
}

void failing_mem_fail_after(failing_mem *f, size_t count) {
    failing_mem_fail_at(f, count + 1);
    f->fail_after = true;
}
