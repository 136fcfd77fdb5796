/* Random choices among numbered things, as SRANDMEMBER and its like need them. Pure. */
#ifndef NODE_NODE_PICK_H
#define NODE_NODE_PICK_H

#include "base/mem.h"
#include "base/prng.h"

#include <stdbool.h>

/* `count` different numbers below `bound`, each choice as likely as any other, in ascending order
 * or in none; count <= bound < 2^32. The array is the caller's to free with mem_free; NULL if
 * memory is short. */
uint32_t *pick_distinct(const mem *m, prng *random, uint32_t bound, uint32_t count);

#endif
