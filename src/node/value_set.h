/* The value of a set: sorted integers as long as it holds up to 512 of these and nothing else (an
 * intset), or a table of byte strings. Owns its members. */
#ifndef NODE_VALUE_SET_H
#define NODE_VALUE_SET_H

#include "node/item_table.h"
#include "node/node_number.h"
#include "node/value.h"

#define SET_INTSET_ENTRIES_MAX 512

typedef struct value_set {
    const mem *mem;
    item_table members; /* indexed: a "hashtable", and there are no integers */
    int64_t *integers;
    uint32_t integer_count;
    uint32_t integer_capacity;
    uint8_t integer_width; /* in bytes: 2, 4 or 8; never shrinks, as in the servers */
} value_set;

extern const value_kind value_set_kind;

KW_CHECKED value_set *value_set_new(const mem *m, uint64_t seed);

static inline bool value_set_is_intset(const value_set *s) {
    return !s->members.index;
}

static inline size_t value_set_count(const value_set *s) {
    return value_set_is_intset(s) ? s->integer_count : s->members.count;
}

bool value_set_has(const value_set *s, kw_slice member);
/* False if memory is short: nothing has changed, but maybe the encoding. */
KW_CHECKED bool value_set_add(value_set *s, kw_slice member, bool *ret_added);
/* From now on it is no intset. False if memory is short. */
KW_CHECKED bool value_set_make_table(value_set *s);
bool value_set_remove(value_set *s, kw_slice member);

/* The member at a position below the count; an integer is written into `text`. */
kw_slice value_set_at(const value_set *s, size_t position, char text[NUMBER_INTEGER_BYTES]);
void value_set_remove_at(value_set *s, size_t position);

/* As items_scan. */
uint64_t value_set_scan(const value_set *s, uint64_t cursor, uint64_t count, size_t *ret_low,
                        size_t *ret_high);

#endif
