/* The value of a list key: a ring of items, so that both ends grow and shrink at once and any index
 * is found at once; an insertion or removal in the middle moves the items of the shorter side.
 * Short elements lie in the ring itself. Owns its elements. Slices that it gives are valid until
 * its next change. Where memory is short a function answers false and the list is as before. */
#ifndef NODE_VALUE_LIST_H
#define NODE_VALUE_LIST_H

#include "base/slice.h"
#include "node/value.h"

typedef struct value_list value_list;

extern const value_kind value_list_kind;

typedef enum list_end { LIST_HEAD, LIST_TAIL } list_end;

KW_CHECKED value_list *value_list_new(const mem *m);
/* Takes NULL. */
void value_list_free(value_list *l);

size_t value_list_count(const value_list *l);
/* index < count. */
kw_slice value_list_at(const value_list *l, size_t index);
/* The first or last element of a list that has one. */
kw_slice value_list_end(const value_list *l, list_end end);

KW_CHECKED bool value_list_push(value_list *l, list_end end, kw_slice element);
/* Removes `count` elements, at most all, from one end. */
void value_list_drop(value_list *l, list_end end, size_t count);
/* Moves one element from a list that has one to the end of another, or of the same. */
KW_CHECKED bool value_list_move(value_list *from, list_end from_end, value_list *to,
                                list_end to_end);

/* The new element stands at `index`, 0..count. */
KW_CHECKED bool value_list_insert(value_list *l, size_t index, kw_slice element);
KW_CHECKED bool value_list_set(value_list *l, size_t index, kw_slice element);
/* Removes at most `count` elements that are equal to `element`, beginning at one end; returns how
 * many there were. */
size_t value_list_remove(value_list *l, list_end from, size_t count, kw_slice element);

#endif
