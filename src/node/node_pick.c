#include "node/node_pick.h"

#include <assert.h>

/* Goes through all numbers: for a good part of them. Source: Knuth, algorithm S. */
static void pick_in_order(prng *random, uint32_t bound, uint32_t count, uint32_t *picks) {
    uint32_t picked = 0;
    for (uint32_t i = 0; picked < count; i++) {
        if (prng_below(random, bound - i) < count - picked) {
            picks[picked++] = i;
        }
    }
}

/* True if the number was new to the table: number + 1 or 0 in each place. */
static bool enter(uint32_t *table, uint32_t mask, uint32_t number) {
    uint32_t at = (uint32_t)(number * 0x9e3779b97f4a7c15u >> 32) & mask;
    for (; table[at] != 0; at = (at + 1) & mask) {
        if (table[at] == number + 1) {
            return false;
        }
    }
    table[at] = number + 1;
    return true;
}

/* Few of many. Source: Floyd, "Programming Pearls: a sample of brilliance". */
static bool pick_few(const mem *m, prng *random, uint32_t bound, uint32_t count, uint32_t *picks) {
    uint32_t capacity = 16;
    while (capacity / 2 < count) {
        capacity *= 2;
    }
    uint32_t *table = mem_calloc(m, capacity, sizeof *table);
    if (!table) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t top = bound - count + i;
        uint32_t draw = (uint32_t)prng_below(random, (uint64_t)top + 1);
        if (!enter(table, capacity - 1, draw)) {
            draw = top;
            (void)enter(table, capacity - 1, top); /* new: no draw before could reach it */
        }
        picks[i] = draw;
    }
    mem_free(m, table);
    return true;
}

uint32_t *pick_distinct(const mem *m, prng *random, uint32_t bound, uint32_t count) {
    assert(count <= bound);
    uint32_t *picks = mem_calloc(m, count > 0 ? count : 1, sizeof *picks);
    if (!picks) {
        return NULL;
    }
    if (count > bound / 4) {
        pick_in_order(random, bound, count, picks);
    } else if (!pick_few(m, random, bound, count, picks)) {
        mem_free(m, picks);
        return NULL;
    }
    return picks;
}
