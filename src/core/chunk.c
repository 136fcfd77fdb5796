#include "core/chunk.h"

void chunk_pool_init(chunk_pool *p, const mem *m) {
    *p = (chunk_pool){.mem = m};
}

void chunk_pool_done(chunk_pool *p) {
    while (p->free) {
        chunk *c = p->free;
        p->free = c->next_free;
        mem_free(p->mem, c);
    }
    p->free_count = 0;
}

static chunk *chunk_new(chunk_pool *p, size_t size) {
    chunk *c = NULL;
    if (size <= CHUNK_BYTES && p->free) {
        c = p->free;
        p->free = c->next_free;
        p->free_count--;
    } else {
        size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        c = mem_alloc(p->mem, sizeof(chunk) + capacity);
        if (!c) {
            return NULL;
        }
        c->capacity = capacity;
    }
    c->next_free = NULL;
    c->refs = 1;
    c->used = 0;
    c->lent = slice_of(NULL, 0);
    return c;
}

chunk *chunk_alone(chunk_pool *p, size_t size) {
    chunk *c = chunk_new(p, size);
    if (c) {
        c->used = size;
    }
    return c;
}

char *chunk_reserve(chunk_pool *p, chunk **current, size_t size, chunk **ret_chunk) {
    char *at = chunk_tail(*current, size);
    if (!at) {
        if (size > CHUNK_BYTES) { /* its own chunk: it lives only as long as the command */
            *ret_chunk = chunk_alone(p, size);
            return *ret_chunk ? (*ret_chunk)->data : NULL;
        }
        chunk *c = chunk_new(p, size);
        if (!c) {
            return NULL;
        }
        chunk_unref(p, *current);
        *current = c;
        at = c->data;
    }
    chunk_take(*current, at + size);
    *ret_chunk = *current;
    return at;
}

void chunk_free(chunk_pool *p, chunk *c) {
    if (c->capacity == CHUNK_BYTES && p->free_count < CHUNK_POOL_MAX) {
        c->next_free = p->free;
        p->free = c;
        p->free_count++;
        return;
    }
    mem_free(p->mem, c);
}
