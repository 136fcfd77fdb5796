/* An allocator that fails when told to, and counts what is still held: to fail every allocation of
 * some code in turn, and to see that nothing leaks on the way. */
#ifndef TEST_UNIT_SUPPORT_FAILING_MEM_H
#define TEST_UNIT_SUPPORT_FAILING_MEM_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct failing_mem {
    mem mem;
    size_t call_count; /* allocations and resizes asked for */
    size_t fail_at;    /* this one fails (counted from 1); 0: none */
    bool fail_after;   /* ... and all that follow */
    size_t fail_count; /* ... and so many that follow */
    size_t fail_also;  /* this one too; 0: none */
    size_t failed;     /* how many did */
    size_t live_count; /* pieces not given back */
    size_t live_bytes;
} failing_mem;

void failing_mem_init(failing_mem *f);
/* Counts afresh; what is held stays held. */
void failing_mem_fail_at(failing_mem *f, size_t call);
/* Counts afresh: `count` more succeed, all that follow fail. */
void failing_mem_fail_after(failing_mem *f, size_t count);

#endif
