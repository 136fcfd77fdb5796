/* A handle's allocator, kept until the last of what was made with it is gone: snapshots outlive
 * their handle. Owned by all who hold a reference; counted atomically, for they may be freed by any
 * thread. */
#ifndef CLIENT_SHARED_MEM_H
#define CLIENT_SHARED_MEM_H

#include "base/mem.h"

/* A copy of *m with one reference; NULL if memory is short. Allocated with itself. */
const mem *shared_mem_new(const mem *m);
/* For mem that shared_mem_new made; returns it. */
const mem *shared_mem_ref(const mem *shared);
/* NULL is allowed. */
void shared_mem_unref(const mem *shared);

#endif
