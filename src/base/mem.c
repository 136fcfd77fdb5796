#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *default_alloc(void *arg, size_t size) {
    (void)arg;
    return malloc(size);
}

static void *default_resize(void *arg, void *ptr, size_t size) {
    (void)arg;
    return realloc(ptr, size);
}

static void default_release(void *arg, void *ptr) {
    (void)arg;
    free(ptr);
}

const mem mem_default = {default_alloc, default_resize, default_release, NULL};

/* At least one byte: an allocator may answer NULL to a size of 0, or free on such a resize. */
static bool array_size(size_t count, size_t size, size_t *ret) {
    if (size != 0 && count > SIZE_MAX / size) {
        return false;
    }
    *ret = count * size;
    if (*ret == 0) {
        *ret = 1;
    }
    return true;
}

void *mem_calloc(const mem *m, size_t count, size_t size) {
    size_t total;
    if (!array_size(count, size, &total)) {
        return NULL;
    }
    void *ptr = mem_alloc(m, total);
    if (ptr) {
        memset(ptr, 0, total);
    }
    return ptr;
}

void *mem_resize(const mem *m, void *ptr, size_t count, size_t size) {
    size_t total;
    if (!array_size(count, size, &total)) {
        return NULL;
    }
    return ptr ? m->resize(m->arg, ptr, total) : mem_alloc(m, total);
}

char *mem_strndup(const mem *m, const char *data, size_t len) {
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = mem_alloc(m, len + 1);
    if (!copy) {
        return NULL;
    }
    if (len > 0) {
        memcpy(copy, data, len);
    }
    copy[len] = '\0';
    return copy;
}
