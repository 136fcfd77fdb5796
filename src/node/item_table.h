/* Byte strings with their values in one dense array, for hashes and sets: picked by position, and,
 * once there is an index, found by hash in constant time. Owns copies of keys and values.
 *
 * Without an index the order is that of insertion, and a search looks at each item. With one, a
 * removal moves the last item into the gap; a walk from the last position to the first therefore
 * still meets every item that stays. */
#ifndef NODE_ITEM_TABLE_H
#define NODE_ITEM_TABLE_H

#include "base/mem.h"
#include "base/slice.h"

#define ITEM_COUNT_MAX (1u << 30)

typedef struct item {
    char *bytes; /* the key's, then the value's */
    uint32_t hash;
    uint32_t key_len;
    uint32_t value_len;
} item;

typedef struct item_table {
    const mem *mem;
    uint64_t seed[2];
    item *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *index; /* position + 1, or 0; NULL: no index */
    uint32_t index_capacity;
} item_table;

void items_init(item_table *t, const mem *m, uint64_t seed);
void items_done(item_table *t);
/* A copy of all items in their order, and with an index if there is one. `to` is not initialised;
 * false if memory is short: it needs no items_done. */
KW_CHECKED bool items_clone(item_table *to, const item_table *from, const mem *m);

/* From now on there is an index. False if memory is short. */
KW_CHECKED bool items_make_index(item_table *t);

static inline kw_slice items_key(const item_table *t, size_t position) {
    const item *i = &t->items[position];
    return slice_of(i->bytes, i->key_len);
}

static inline kw_slice items_value(const item_table *t, size_t position) {
    const item *i = &t->items[position];
    return slice_of(i->bytes + i->key_len, i->value_len);
}

/* *ret_position is the item's; false if there is none. */
bool items_find(const item_table *t, kw_slice key, size_t *ret_position);
/* Sets the key's value, appending the item if it is new. False if memory is short (or the table
 * full): nothing has changed. */
KW_CHECKED bool items_put(item_table *t, kw_slice key, kw_slice value, bool *ret_added);
void items_remove_at(item_table *t, size_t position);
bool items_remove(item_table *t, kw_slice key);

/* A step of a walk over all items: about `count` positions, *ret_low up to below *ret_high. The
 * first cursor is 0; returns the next one, 0 at the end. */
uint64_t items_scan(const item_table *t, uint64_t cursor, uint64_t count, size_t *ret_low,
                    size_t *ret_high);

#endif
