/* A hash map from byte strings to pointers (SipHash-1-3 with the caller's seed, open addressing,
 * load at most 3/4, shrinks when emptied). Copies its keys; does not own the values. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/mem.h"
#include "base/slice.h"

typedef struct map_entry map_entry;

typedef struct map {
    const mem *mem;
    uint64_t seed[2];
    map_entry *entries;
    size_t capacity;
    size_t count;
    size_t used; /* with tombstones */
} map;

void map_init(map *m, const mem *allocator, uint64_t seed);
/* The values are the caller's: free them first (map_next). */
void map_done(map *m);

void *map_get(const map *m, kw_slice key);
static inline size_t map_count(const map *m) {
    return m->count;
}

/* Sets key to value (not NULL); *ret_old (may be NULL) gets the value replaced or NULL.
 * False if memory is short: nothing has changed. */
KW_CHECKED bool map_set(map *m, kw_slice key, void *value, void **ret_old);

/* Removes a key; returns its value or NULL. */
void *map_remove(map *m, kw_slice key);

/* Walks all entries: start with *position = 0; false at the end. Removing the entry that was just
 * given is allowed, no other change is. */
bool map_next(const map *m, size_t *position, kw_slice *ret_key, void **ret_value);

/* SipHash-1-3, 64 bits. */
uint64_t map_hash(const uint64_t seed[2], kw_slice key);

#endif
