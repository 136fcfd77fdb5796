#include "node/node_keyspace.h"

#include "node/node_number.h"

/* A server keeps a string up to this length in its object: "embstr". */
#define EMBEDDED_STRING_MAX 44

keyspace *keyspace_new(const mem *m, uint64_t seed) {
    keyspace *ks = mem_calloc(m, 1, sizeof *ks);
    if (!ks) {
        return NULL;
    }
    ks->mem = m;
    ks->hash_seed = seed;
    map_init(&ks->entries, m, seed);
    return ks;
}

static void free_value(keyspace *ks, keyspace_entry *e) {
    if (e->kind) {
        e->kind->free(ks->mem, e->object);
    }
    mem_free(ks->mem, e->value);
    e->kind = NULL;
    e->object = NULL;
    e->value = NULL;
    e->value_len = 0;
    e->value_capacity = 0;
}

static void free_entry(keyspace *ks, keyspace_entry *e) {
    free_value(ks, e);
    mem_free(ks->mem, e);
}

static void tell(keyspace *ks, const keyspace_entry *e, keyspace_change change) {
    if (ks->listener.changed) {
        ks->listener.changed(ks->listener.arg, e, change);
    }
}

static void free_entries(keyspace *ks) {
    size_t position = 0;
    kw_slice key;
    void *value;
    while (map_next(&ks->entries, &position, &key, &value)) {
        free_entry(ks, value);
    }
    map_done(&ks->entries);
}

static void free_pages(keyspace *ks) {
    for (size_t i = 0; i < SLOT_COUNT / KEYSPACE_PAGE_SLOTS; i++) {
        mem_free(ks->mem, ks->pages[i]);
        ks->pages[i] = NULL;
    }
}

void keyspace_free(keyspace *ks) {
    if (ks) {
        free_entries(ks);
        free_pages(ks);
        mem_free(ks->mem, ks);
    }
}

static keyspace_slot *slot_at(const keyspace *ks, int slot) {
    keyspace_slot *page = ks->pages[slot / KEYSPACE_PAGE_SLOTS];
    return page ? &page[slot % KEYSPACE_PAGE_SLOTS] : NULL;
}

static keyspace_slot *make_slot(keyspace *ks, int slot) {
    keyspace_slot **page = &ks->pages[slot / KEYSPACE_PAGE_SLOTS];
    if (!*page) {
        *page = mem_calloc(ks->mem, KEYSPACE_PAGE_SLOTS, sizeof **page);
        for (int i = 0; *page && i < KEYSPACE_PAGE_SLOTS; i++) {
            list_init(&(*page)[i].keys);
        }
    }
    return slot_at(ks, slot);
}

static keyspace_entry *add_entry(keyspace *ks, kw_slice key) {
    keyspace_slot *slot = make_slot(ks, slot_of_key(key));
    keyspace_entry *e = slot ? mem_alloc(ks->mem, sizeof *e + key.len) : NULL;
    if (!e) {
        return NULL;
    }
    memset(e, 0, sizeof *e);
    if (key.len > 0) {
        memcpy(e->key, key.data, key.len);
    }
    e->key_len = key.len;
    e->used_ms = ks->now_ms;
    if (!map_set(&ks->entries, key, e, NULL)) {
        mem_free(ks->mem, e);
        return NULL;
    }
    list_push_front(&slot->keys, &e->in_slot); /* CLUSTER GETKEYSINSLOT gives the newest first */
    slot->key_count++;
    return e;
}

static keyspace_entry *find_or_add(keyspace *ks, kw_slice key, bool *ret_added) {
    keyspace_entry *e = map_get(&ks->entries, key);
    *ret_added = !e;
    return e ? e : add_entry(ks, key);
}

static void unlink_entry(keyspace *ks, keyspace_entry *e) {
    kw_slice key = keyspace_key(e);
    slot_at(ks, slot_of_key(key))->key_count--;
    ks->expiring_count -= (e->expire_ms != 0);
    list_remove(&e->in_slot);
    (void)map_remove(&ks->entries, key); /* it is `e` */
    free_entry(ks, e);
}

static void remove_entry(keyspace *ks, keyspace_entry *e, keyspace_change change) {
    tell(ks, e, change);
    unlink_entry(ks, e);
    ks->version++;
}

static void change_entry(keyspace *ks, keyspace_entry *e, uint64_t expire_ms,
                         keyspace_change change) {
    ks->expiring_count += (expire_ms != 0);
    ks->expiring_count -= (e->expire_ms != 0);
    e->expire_ms = expire_ms;
    e->version = ++ks->version;
    tell(ks, e, change);
}

keyspace *keyspace_clone(const keyspace *ks, uint64_t version) {
    keyspace *copy = keyspace_new(ks->mem, ks->hash_seed);
    if (!copy) {
        return NULL;
    }
    copy->version = version > ks->version ? version : ks->version;
    size_t position = 0;
    kw_slice key;
    void *value;
    while (map_next(&ks->entries, &position, &key, &value)) {
        if (!keyspace_copy(copy, value, key)) {
            keyspace_free(copy);
            return NULL;
        }
    }
    return copy;
}

keyspace_entry *keyspace_peek(const keyspace *ks, kw_slice key, uint64_t now_ms) {
    keyspace_entry *e = map_get(&ks->entries, key);
    return e && e->expire_ms != 0 && e->expire_ms <= now_ms ? NULL : e;
}

keyspace_entry *keyspace_find(keyspace *ks, kw_slice key, uint64_t now_ms) {
    keyspace_entry *e = map_get(&ks->entries, key);
    if (e && e->expire_ms != 0 && e->expire_ms <= now_ms) {
        remove_entry(ks, e, KEY_EXPIRED);
        return NULL;
    }
    return e;
}

static bool make_room(keyspace *ks, keyspace_entry *e, size_t len) {
    bool wasteful = e->value_capacity > 64 && len < e->value_capacity / 4;
    if (len <= e->value_capacity && e->value_capacity > 0 && !wasteful) {
        return true;
    }
    size_t capacity = len < 16 ? 16 : len;
    if (len > e->value_len && e->value_len > 0) {
        capacity += len / 4; /* it grows step by step: APPEND */
    }
    char *value = mem_resize(ks->mem, e->value, capacity, 1);
    if (!value) {
        return len <= e->value_capacity;
    }
    e->value = value;
    e->value_capacity = capacity;
    return true;
}

bool keyspace_set(keyspace *ks, kw_slice key, kw_slice value, uint64_t expire_ms) {
    bool added;
    keyspace_entry *e = find_or_add(ks, key, &added);
    if (!e) {
        return false;
    }
    if (!make_room(ks, e, value.len)) {
        if (added) {
            unlink_entry(ks, e);
        }
        return false;
    }
    if (e->kind) {
        e->kind->free(ks->mem, e->object);
        e->kind = NULL;
        e->object = NULL;
    }
    if (value.len > 0) {
        memmove(e->value, value.data, value.len);
    }
    e->value_len = value.len;
    e->encoding = NULL;
    change_entry(ks, e, expire_ms, added ? KEY_ADDED : KEY_CHANGED);
    return true;
}

bool keyspace_put(keyspace *ks, kw_slice key, const value_kind *kind, void *object,
                  uint64_t expire_ms) {
    bool added;
    keyspace_entry *e = find_or_add(ks, key, &added);
    if (!e) {
        return false;
    }
    free_value(ks, e);
    e->kind = kind;
    e->object = object;
    change_entry(ks, e, expire_ms, added ? KEY_ADDED : KEY_CHANGED);
    return true;
}

bool keyspace_copy(keyspace *ks, const keyspace_entry *from, kw_slice key) {
    if (!from->kind) {
        const char *encoding = from->encoding;
        bool set = keyspace_set(ks, key, keyspace_value(from), from->expire_ms);
        if (set) {
            keyspace_entry *e = map_get(&ks->entries, key);
            e->encoding = encoding;
        }
        return set;
    }
    void *object = from->kind->clone(ks->mem, from->object);
    if (!object) {
        return false;
    }
    if (!keyspace_put(ks, key, from->kind, object, from->expire_ms)) {
        from->kind->free(ks->mem, object);
        return false;
    }
    return true;
}

bool keyspace_rename(keyspace *ks, keyspace_entry *from, kw_slice key) {
    if (!from->kind) {
        if (!keyspace_copy(ks, from, key)) {
            return false;
        }
    } else {
        if (!keyspace_put(ks, key, from->kind, from->object, from->expire_ms)) {
            return false;
        }
        from->kind = NULL;
        from->object = NULL;
    }
    keyspace_remove(ks, from);
    keyspace_make_newest(ks, map_get(&ks->entries, key));
    return true;
}

void keyspace_touch(keyspace *ks, keyspace_entry *e) {
    change_entry(ks, e, e->expire_ms, KEY_CHANGED);
}

const char *keyspace_encoding(const keyspace_entry *e) {
    int64_t integer;
    if (e->kind) {
        return e->kind->encoding(e->object);
    }
    if (e->encoding) {
        return e->encoding;
    }
    return number_read_integer(keyspace_value(e), &integer) ? "int"
           : e->value_len <= EMBEDDED_STRING_MAX            ? "embstr"
                                                            : "raw";
}

void keyspace_mark_text(keyspace_entry *e) {
    e->encoding = e->value_len <= EMBEDDED_STRING_MAX ? "embstr" : "raw";
}

void keyspace_mark_raw(keyspace_entry *e) {
    e->encoding = "raw";
}

char *keyspace_resize(keyspace *ks, keyspace_entry *e, size_t len) {
    if (!make_room(ks, e, len)) {
        return NULL;
    }
    if (len > e->value_len) {
        memset(e->value + e->value_len, 0, len - e->value_len);
    }
    e->value_len = len;
    keyspace_mark_raw(e);
    keyspace_touch(ks, e);
    return e->value;
}

void keyspace_make_newest(keyspace *ks, keyspace_entry *e) {
    list_remove(&e->in_slot);
    list_push_front(&slot_at(ks, slot_of_key(keyspace_key(e)))->keys, &e->in_slot);
}

void keyspace_set_expiry(keyspace *ks, keyspace_entry *e, uint64_t expire_ms) {
    change_entry(ks, e, expire_ms, KEY_CHANGED);
}

void keyspace_remove(keyspace *ks, keyspace_entry *e) {
    remove_entry(ks, e, KEY_REMOVED);
}

void keyspace_clear(keyspace *ks) {
    tell(ks, NULL, KEY_REMOVED);
    free_entries(ks);
    free_pages(ks);
    map_init(&ks->entries, ks->mem, ks->hash_seed);
    ks->expiring_count = 0;
    ks->version++;
}

size_t keyspace_slot_count(const keyspace *ks, int slot) {
    const keyspace_slot *s = slot_at(ks, slot);
    return s ? s->key_count : 0;
}

keyspace_entry *keyspace_first(const keyspace *ks, int slot) {
    const keyspace_slot *s = slot_at(ks, slot);
    return s && !list_empty(&s->keys) ? LIST_ENTRY(s->keys.next, keyspace_entry, in_slot) : NULL;
}

keyspace_entry *keyspace_next(const keyspace *ks, int slot, const keyspace_entry *e) {
    list *next = e->in_slot.next;
    return next == &slot_at(ks, slot)->keys ? NULL : LIST_ENTRY(next, keyspace_entry, in_slot);
}

keyspace_entry *keyspace_random(const keyspace *ks, prng *random) {
    if (keyspace_count(ks) == 0) {
        return NULL;
    }
    int slot = (int)prng_below(random, SLOT_COUNT);
    while (keyspace_slot_count(ks, slot) == 0) {
        slot = (slot + 1) % SLOT_COUNT;
    }
    keyspace_entry *e = keyspace_first(ks, slot);
    for (uint64_t skip = prng_below(random, keyspace_slot_count(ks, slot)); skip > 0; skip--) {
        e = keyspace_next(ks, slot, e);
    }
    return e;
}

void keyspace_expire_some(keyspace *ks, int *cursor, int slot_count, uint64_t now_ms) {
    for (int i = 0; i < slot_count && ks->expiring_count > 0; i++) {
        int slot = *cursor;
        *cursor = (slot + 1) % SLOT_COUNT;
        const keyspace_slot *s = slot_at(ks, slot);
        if (!s) {
            continue;
        }
        LIST_FOR_EACH(node, after, &s->keys) {
            keyspace_entry *e = LIST_ENTRY(node, keyspace_entry, in_slot);
            if (e->expire_ms != 0 && e->expire_ms <= now_ms) {
                remove_entry(ks, e, KEY_EXPIRED);
            }
        }
    }
}
