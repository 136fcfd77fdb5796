#include "unit/support/test_mem.h"

#include <stdbool.h>
#include <stdlib.h>

static bool spend(test_mem *t) {
    if (t->budget == 0) {
        return false;
    }
    t->budget -= t->budget > 0;
    return true;
}

static void *count_alloc(void *arg, size_t size) {
    test_mem *t = arg;
    void *block = spend(t) ? malloc(size ? size : 1) : NULL;
    t->live += block != NULL;
    return block;
}

static void *count_resize(void *arg, void *old, size_t size) {
    test_mem *t = arg;
    void *block = spend(t) ? realloc(old, size ? size : 1) : NULL;
    t->live += block != NULL && old == NULL;
    return block;
}

static void count_release(void *arg, void *block) {
    test_mem *t = arg;
    t->live -= block != NULL;
    free(block);
}

void test_mem_init(test_mem *t, long budget) {
    *t = (test_mem){.mem = {count_alloc, count_resize, count_release, t}, .budget = budget};
}
