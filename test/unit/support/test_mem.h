/* An allocator for tests: counts what is live, and fails on demand. */
#ifndef TEST_UNIT_SUPPORT_TEST_MEM_H
#define TEST_UNIT_SUPPORT_TEST_MEM_H

#include "base/mem.h"

typedef struct test_mem {
    mem mem;     /* hand &t.mem to what is tested */
    long live;   /* blocks not freed */
    long budget; /* allocations until every further one fails; negative: never */
} test_mem;

void test_mem_init(test_mem *t, long budget);

#endif
