/* The value of a hash: fields and their values. Keeps the order of insertion while it is small, as
 * the servers' listpack does; the limits are their defaults. Owns its fields and values. */
#ifndef NODE_VALUE_HASH_H
#define NODE_VALUE_HASH_H

#include "node/item_table.h"
#include "node/value.h"

#define HASH_LISTPACK_ENTRIES_MAX 128
#define HASH_LISTPACK_VALUE_MAX 64 /* bytes of a field or a value */

typedef struct value_hash {
    item_table fields; /* indexed: a "hashtable" */
} value_hash;

extern const value_kind value_hash_kind;

KW_CHECKED value_hash *value_hash_new(const mem *m, uint64_t seed);

static inline size_t value_hash_count(const value_hash *h) {
    return h->fields.count;
}

static inline bool value_hash_is_listpack(const value_hash *h) {
    return !h->fields.index;
}

bool value_hash_get(const value_hash *h, kw_slice field, kw_slice *ret_value);
/* The field at a position below the count. */
void value_hash_at(const value_hash *h, size_t position, kw_slice *ret_field, kw_slice *ret_value);
/* False if memory is short: nothing has changed, but maybe the encoding. */
KW_CHECKED bool value_hash_set(value_hash *h, kw_slice field, kw_slice value, bool *ret_added);
/* Turns into a hashtable if one of the strings is too long for a listpack. False if memory is
 * short. */
KW_CHECKED bool value_hash_fit(value_hash *h, const kw_slice *strings, size_t count);
bool value_hash_remove(value_hash *h, kw_slice field);

/* As items_scan. */
uint64_t value_hash_scan(const value_hash *h, uint64_t cursor, uint64_t count, size_t *ret_low,
                         size_t *ret_high);

#endif
