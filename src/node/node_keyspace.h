/* The keys of a node with their values and expiry, and for each slot the list of its keys. A value
 * is a string or an object of a value_kind. Owns keys and values. Times are milliseconds since the
 * Unix epoch, handed in; 0 = never expires. */
#ifndef NODE_NODE_KEYSPACE_H
#define NODE_NODE_KEYSPACE_H

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "core/slot.h"
#include "node/value.h"

/* One key. Its fields are to be read only; they change through the functions below. */
typedef struct keyspace_entry {
    list in_slot;
    uint64_t expire_ms;
    uint64_t version;       /* of the keyspace when it was last changed */
    uint64_t used_ms;       /* when a command last looked at it */
    const value_kind *kind; /* NULL: a string */
    void *object;           /* of that kind */
    const char *encoding;   /* of a string: "raw" or "embstr" if its bytes do not tell; or NULL */
    char *value;            /* of a string */
    size_t value_len;
    size_t value_capacity;
    size_t key_len;
    char key[];
} keyspace_entry;

typedef enum keyspace_change {
    KEY_ADDED,
    KEY_CHANGED, /* value or expiry */
    KEY_REMOVED,
    KEY_EXPIRED /* removed since its time was over */
} keyspace_change;

/* Hears of each change of a key, after it was added or changed, before it is removed; key NULL: all
 * are removed. Must not change the keyspace. */
typedef struct keyspace_listener {
    void *arg;
    void (*changed)(void *arg, const keyspace_entry *e, keyspace_change change);
} keyspace_listener;

#define KEYSPACE_PAGE_SLOTS 256

typedef struct keyspace_slot {
    list keys;
    size_t key_count;
} keyspace_slot;

typedef struct keyspace {
    const mem *mem;
    uint64_t version; /* grows with each change: for WATCH */
    uint64_t now_ms;  /* of the command that runs: keys that it makes are used then */
    map entries;
    keyspace_slot *pages[SLOT_COUNT / KEYSPACE_PAGE_SLOTS]; /* NULL: no key was there ever */
    size_t expiring_count;
    uint64_t hash_seed;
    keyspace_listener listener; /* changed NULL: nobody */
} keyspace;

KW_CHECKED keyspace *keyspace_new(const mem *m, uint64_t seed);
/* Takes NULL. */
void keyspace_free(keyspace *ks);
/* A copy with a life of its own and no listener, whose versions are above `version`; NULL if memory
 * is short. */
KW_CHECKED keyspace *keyspace_clone(const keyspace *ks, uint64_t version);

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

/* Sets a string and its expiry, making the key if need be; a value of another kind is freed. False
 * if memory is short: nothing changed. */
KW_CHECKED bool keyspace_set(keyspace *ks, kw_slice key, kw_slice value, uint64_t expire_ms);
/* The same with an object, which is taken over; on failure it stays the caller's. */
KW_CHECKED bool keyspace_put(keyspace *ks, kw_slice key, const value_kind *kind, void *object,
                             uint64_t expire_ms);
/* As OBJECT ENCODING tells it. */
const char *keyspace_encoding(const keyspace_entry *e);

/* The string is not to be told as an integer, even if it reads as one. */
void keyspace_mark_text(keyspace_entry *e);
/* ... and is told as "raw", as what commands on parts of strings leave behind. */
void keyspace_mark_raw(keyspace_entry *e);

/* Sets `key` to a copy of the value and the expiry of `from`. */
KW_CHECKED bool keyspace_copy(keyspace *ks, const keyspace_entry *from, kw_slice key);
/* Moves value and expiry to another key; `from` is gone then. */
KW_CHECKED bool keyspace_rename(keyspace *ks, keyspace_entry *from, kw_slice key);
/* Its object was changed by its own functions. */
void keyspace_touch(keyspace *ks, keyspace_entry *e);
/* The string's `len` first bytes may be written through the pointer returned; they keep what they
 * held, new ones are zero. NULL if memory is short. */
KW_CHECKED char *keyspace_resize(keyspace *ks, keyspace_entry *e, size_t len);
/* The key counts as its slot's newest, as if it had been removed and set again. */
void keyspace_make_newest(keyspace *ks, keyspace_entry *e);
void keyspace_set_expiry(keyspace *ks, keyspace_entry *e, uint64_t expire_ms);
void keyspace_remove(keyspace *ks, keyspace_entry *e);
void keyspace_clear(keyspace *ks);

size_t keyspace_slot_count(const keyspace *ks, int slot);
/* The keys of a slot, from the first (NULL: none) to the next ones. */
keyspace_entry *keyspace_first(const keyspace *ks, int slot);
keyspace_entry *keyspace_next(const keyspace *ks, int slot, const keyspace_entry *e);
/* Some key; NULL if there is none. */
keyspace_entry *keyspace_random(const keyspace *ks, prng *random);

/* Removes expired keys of a few slots, from *cursor on; called now and then. */
void keyspace_expire_some(keyspace *ks, int *cursor, int slot_count, uint64_t now_ms);

#endif
