/* String keys with expiry, and for each slot the list of its keys. Shared (by reference count) by
 * a primary and its replicas, so that a replica holds each write at once. Owns keys and values.
 * Times are milliseconds since the Unix epoch, handed in; 0 = never expires. */
#ifndef NODE_NODE_KEYSPACE_H
#define NODE_NODE_KEYSPACE_H

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "core/slot.h"

/* One key. Its fields are to be read only; they change through the functions below. */
typedef struct keyspace_entry {
    list in_slot;
    uint64_t expire_ms;
    uint64_t version; /* of the keyspace when it was last changed */
    char *value;
    size_t value_len;
    size_t value_capacity;
    size_t key_len;
    char key[];
} keyspace_entry;

typedef struct keyspace {
    const mem *mem;
    unsigned refs;
    uint64_t version; /* grows with each change: the replication offset, and for WATCH */
    map entries;
    uint32_t slot_key_count[SLOT_COUNT];
    list slot_keys[SLOT_COUNT];
    size_t expiring_count;
    uint64_t hash_seed;
} keyspace;

KW_CHECKED keyspace *keyspace_new(const mem *m, uint64_t seed);
keyspace *keyspace_ref(keyspace *ks);
void keyspace_unref(keyspace *ks);
/* A copy with a life of its own; NULL if memory is short. */
KW_CHECKED keyspace *keyspace_clone(const keyspace *ks);

static inline size_t keyspace_count(const keyspace *ks) {
    return map_count(&ks->entries);
}

static inline kw_slice keyspace_key(const keyspace_entry *e) {
    return slice_of(e->key, e->key_len);
}

static inline kw_slice keyspace_value(const keyspace_entry *e) {
    return slice_of(e->value, e->value_len);
}

/* NULL if missing or expired; changes nothing. */
keyspace_entry *keyspace_peek(const keyspace *ks, kw_slice key, uint64_t now_ms);
/* The same, and an expired key is removed. */
keyspace_entry *keyspace_find(keyspace *ks, kw_slice key, uint64_t now_ms);

/* Sets value and expiry, making the key if need be. False if memory is short: nothing changed. */
KW_CHECKED bool keyspace_set(keyspace *ks, kw_slice key, kw_slice value, uint64_t expire_ms);
/* The value's `len` first bytes may be written through the pointer returned; they keep what they
 * held, new ones are zero. NULL if memory is short. */
KW_CHECKED char *keyspace_resize(keyspace *ks, keyspace_entry *e, size_t len);
void keyspace_set_expiry(keyspace *ks, keyspace_entry *e, uint64_t expire_ms);
void keyspace_remove(keyspace *ks, keyspace_entry *e);
void keyspace_clear(keyspace *ks);

/* The keys of a slot, from the first (NULL: none) to the next ones. */
keyspace_entry *keyspace_first(const keyspace *ks, int slot);
keyspace_entry *keyspace_next(const keyspace *ks, int slot, const keyspace_entry *e);
/* Some key; NULL if there is none. */
keyspace_entry *keyspace_random(const keyspace *ks, prng *random);

/* Removes expired keys of a few slots, from *cursor on; called now and then. */
void keyspace_expire_some(keyspace *ks, int *cursor, int slot_count, uint64_t now_ms);

#endif
