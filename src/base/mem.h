/* Memory through an allocator that the user may replace. Owns nothing.
 * Every allocation may fail: callers report KW_ERR_NOMEM and stay usable. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

typedef struct mem {
    void *(*alloc)(void *arg, size_t size);
    void *(*resize)(void *arg, void *ptr, size_t size);
    void (*release)(void *arg, void *ptr);
    void *arg;
} mem;

/* malloc, realloc and free of the C library. */
extern const mem mem_default;

static inline void *mem_alloc(const mem *m, size_t size) {
    return m->alloc(m->arg, size);
}

/* Zeroed; NULL also when count * size overflows. */
void *mem_calloc(const mem *m, size_t count, size_t size);

/* As realloc of an array; NULL (ptr untouched) also when count * size overflows. */
void *mem_resize(const mem *m, void *ptr, size_t count, size_t size);

static inline void mem_free(const mem *m, void *ptr) {
    if (ptr) {
        m->release(m->arg, ptr);
    }
}

/* A terminated copy of len bytes. */
char *mem_strndup(const mem *m, const char *data, size_t len);

#endif
