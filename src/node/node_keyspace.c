#include "node/node_keyspace.h"

keyspace *keyspace_new(const mem *m, uint64_t seed) {
    keyspace *ks = mem_calloc(m, 1, sizeof *ks);
    if (!ks) {
        return NULL;
    }
    ks->mem = m;
    ks->refs = 1;
    ks->hash_seed = seed;
    map_init(&ks->entries, m, seed);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        list_init(&ks->slot_keys[slot]);
    }
    return ks;
}

keyspace *keyspace_ref(keyspace *ks) {
    ks->refs++;
    return ks;
}

static void free_entry(keyspace *ks, keyspace_entry *e) {
    mem_free(ks->mem, e->value);
    mem_free(ks->mem, e);
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

void keyspace_unref(keyspace *ks) {
    if (ks && --ks->refs == 0) {
        free_entries(ks);
        mem_free(ks->mem, ks);
    }
}

keyspace *keyspace_clone(const keyspace *ks) {
    keyspace *copy = keyspace_new(ks->mem, ks->hash_seed);
    if (!copy) {
        return NULL;
    }
    size_t position = 0;
    kw_slice key;
    void *value;
    while (map_next(&ks->entries, &position, &key, &value)) {
        const keyspace_entry *e = value;
        if (!keyspace_set(copy, key, keyspace_value(e), e->expire_ms)) {
            keyspace_unref(copy);
            return NULL;
        }
    }
    copy->version = ks->version;
    return copy;
}

keyspace_entry *keyspace_peek(const keyspace *ks, kw_slice key, uint64_t now_ms) {
    keyspace_entry *e = map_get(&ks->entries, key);
    return e && e->expire_ms != 0 && e->expire_ms <= now_ms ? NULL : e;
}

keyspace_entry *keyspace_find(keyspace *ks, kw_slice key, uint64_t now_ms) {
    keyspace_entry *e = map_get(&ks->entries, key);
    if (e && e->expire_ms != 0 && e->expire_ms <= now_ms) {
        keyspace_remove(ks, e);
        return NULL;
    }
    return e;
}

static keyspace_entry *add_entry(keyspace *ks, kw_slice key) {
    keyspace_entry *e = mem_alloc(ks->mem, sizeof *e + key.len);
    if (!e) {
        return NULL;
    }
    memset(e, 0, sizeof *e);
    if (key.len > 0) {
        memcpy(e->key, key.data, key.len);
    }
    e->key_len = key.len;
    if (!map_set(&ks->entries, key, e, NULL)) {
        mem_free(ks->mem, e);
        return NULL;
    }
    int slot = slot_of_key(key);
    list_push_back(&ks->slot_keys[slot], &e->in_slot);
    ks->slot_key_count[slot]++;
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
    keyspace_entry *e = map_get(&ks->entries, key);
    bool added = !e;
    if (added) {
        e = add_entry(ks, key);
    }
    if (!e) {
        return false;
    }
    if (!make_room(ks, e, value.len)) {
        if (added) {
            keyspace_remove(ks, e);
        }
        return false;
    }
    if (value.len > 0) {
        memmove(e->value, value.data, value.len);
    }
    e->value_len = value.len;
    keyspace_set_expiry(ks, e, expire_ms);
    return true;
}

char *keyspace_resize(keyspace *ks, keyspace_entry *e, size_t len) {
    if (!make_room(ks, e, len)) {
        return NULL;
    }
    if (len > e->value_len) {
        memset(e->value + e->value_len, 0, len - e->value_len);
    }
    e->value_len = len;
    e->version = ++ks->version;
    return e->value;
}

void keyspace_set_expiry(keyspace *ks, keyspace_entry *e, uint64_t expire_ms) {
    ks->expiring_count += (expire_ms != 0);
    ks->expiring_count -= (e->expire_ms != 0);
    e->expire_ms = expire_ms;
    e->version = ++ks->version;
}

void keyspace_remove(keyspace *ks, keyspace_entry *e) {
    kw_slice key = keyspace_key(e);
    ks->slot_key_count[slot_of_key(key)]--;
    ks->expiring_count -= (e->expire_ms != 0);
    list_remove(&e->in_slot);
    (void)map_remove(&ks->entries, key); /* it is `e` */
    free_entry(ks, e);
    ks->version++;
}

void keyspace_clear(keyspace *ks) {
    free_entries(ks);
    map_init(&ks->entries, ks->mem, ks->hash_seed);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        list_init(&ks->slot_keys[slot]);
        ks->slot_key_count[slot] = 0;
    }
    ks->expiring_count = 0;
    ks->version++;
}

keyspace_entry *keyspace_first(const keyspace *ks, int slot) {
    const list *head = &ks->slot_keys[slot];
    return head->next == head ? NULL : LIST_ENTRY(head->next, keyspace_entry, in_slot);
}

keyspace_entry *keyspace_next(const keyspace *ks, int slot, const keyspace_entry *e) {
    list *next = e->in_slot.next;
    return next == &ks->slot_keys[slot] ? NULL : LIST_ENTRY(next, keyspace_entry, in_slot);
}

keyspace_entry *keyspace_random(const keyspace *ks, prng *random) {
    if (keyspace_count(ks) == 0) {
        return NULL;
    }
    int slot = (int)prng_below(random, SLOT_COUNT);
    while (ks->slot_key_count[slot] == 0) {
        slot = (slot + 1) % SLOT_COUNT;
    }
    keyspace_entry *e = keyspace_first(ks, slot);
    for (uint64_t skip = prng_below(random, ks->slot_key_count[slot]); skip > 0; skip--) {
        e = keyspace_next(ks, slot, e);
    }
    return e;
}

void keyspace_expire_some(keyspace *ks, int *cursor, int slot_count, uint64_t now_ms) {
    for (int i = 0; i < slot_count && ks->expiring_count > 0; i++) {
        int slot = *cursor;
        *cursor = (slot + 1) % SLOT_COUNT;
        LIST_FOR_EACH(node, after, &ks->slot_keys[slot]) {
            keyspace_entry *e = LIST_ENTRY(node, keyspace_entry, in_slot);
            if (e->expire_ms != 0 && e->expire_ms <= now_ms) {
                keyspace_remove(ks, e);
            }
        }
    }
}
