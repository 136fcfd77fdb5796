/* What the keyspace knows of a value that is not a string: how to make, name, copy and free it.
 * Each type (value_hash.h, value_list.h, value_set.h, value_zset.h) defines one value_kind and
 * works on a struct of its own; no type knows the keyspace, a session or a clock. */
#ifndef NODE_VALUE_H
#define NODE_VALUE_H

#include "base/mem.h"

#include <stdint.h>

typedef struct value_kind {
    const char *name; /* as TYPE tells it: "hash" */
    /* An empty one; NULL if memory is short. The seed is for its hash table, if it has one. */
    void *(*make)(const mem *m, uint64_t seed);
    /* Takes NULL. */
    void (*free)(const mem *m, void *object);
    /* A deep copy with the same content, order and encoding; NULL if memory is short. */
    void *(*clone)(const mem *m, const void *object);
    /* As OBJECT ENCODING tells it: "listpack". */
    const char *(*encoding)(const void *object);
    /* Elements, members, fields. */
    size_t (*count)(const void *object);
} value_kind;

#endif
