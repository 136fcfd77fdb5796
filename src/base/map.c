#include "base/map.h"

#include "base/word.h"

#include <assert.h>

#define MAP_CAPACITY_MIN 16

struct map_entry {
    uint64_t hash;
    char *key; /* NULL: never used, or a tombstone if value is set */
    size_t key_len;
    void *value;
};

static char tombstone; /* its address only */

static inline uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

/* Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with 1 and 3 rounds. */
uint64_t map_hash(const uint64_t seed[2], kw_slice key) {
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du,
                     seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    size_t whole = key.len / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = word_load(key.data + i);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(key.len & 0xff) << 56;
    if (whole < key.len) { /* an empty key may have no address to count from */
        last |= word_load_short(key.data + whole, key.len - whole);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(map *m, const mem *allocator, uint64_t seed) {
    *m = (map){.mem = allocator, .seed = {seed, ~seed}};
}

static void drop_table(map *m) {
    mem_free(m->mem, m->entries);
    m->entries = NULL;
    m->capacity = 0;
    m->count = 0;
    m->used = 0;
}

void map_done(map *m) {
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        mem_free(m->mem, m->entries[i].key);
    }
    drop_table(m);
}

static map_entry *find(const map *m, kw_slice key, uint64_t hash) {
    if (m->count == 0) {
        return NULL;
    }
    for (size_t i = hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        map_entry *e = &m->entries[i];
        if (!e->key && !e->value) {
            return NULL;
        }
        if (e->key && e->hash == hash && slice_equal(slice_of(e->key, e->key_len), key)) {
            return e;
        }
    }
}

/* The first entry of the key's run that is free; there always is one. */
static map_entry *find_free(map_entry *entries, size_t capacity, uint64_t hash) {
    size_t i = hash & (capacity - 1);
    while (entries[i].key) {
        i = (i + 1) & (capacity - 1);
    }
    return &entries[i];
}

static bool rehash(map *m) {
    size_t capacity = MAP_CAPACITY_MIN;
    while (capacity / 2 <= m->count) {
        if (capacity > SIZE_MAX / 2) {
            return false;
        }
        capacity *= 2;
    }
    map_entry *entries = mem_calloc(m->mem, capacity, sizeof(*entries));
    if (!entries) {
        return false;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->entries[i].key) {
            *find_free(entries, capacity, m->entries[i].hash) = m->entries[i];
        }
    }
    mem_free(m->mem, m->entries);
    m->entries = entries;
    m->capacity = capacity;
    m->used = m->count;
    return true;
}

void *map_get(const map *m, kw_slice key) {
    const map_entry *e = m->count > 0 ? find(m, key, map_hash(m->seed, key)) : NULL;
    return e ? e->value : NULL;
}

bool map_set(map *m, kw_slice key, void *value, void **ret_old) {
    assert(value);
    uint64_t hash = map_hash(m->seed, key);
    map_entry *e = find(m, key, hash);
    void *old = NULL;
    if (e) {
        old = e->value;
        e->value = value;
    } else {
        char *copy = mem_strndup(m->mem, key.data, key.len);
        if (!copy) {
            return false;
        }
        if (m->used >= m->capacity / 4 * 3 && !rehash(m)) {
            mem_free(m->mem, copy);
            return false;
        }
        e = find_free(m->entries, m->capacity, hash);
        m->used += e->value ? 0 : 1;
        m->count++;
        *e = (map_entry){hash, copy, key.len, value};
    }
    if (ret_old) {
        *ret_old = old;
    }
    return true;
}

void *map_remove(map *m, kw_slice key) {
    map_entry *e = m->count > 0 ? find(m, key, map_hash(m->seed, key)) : NULL;
    if (!e) {
        return NULL;
    }
    void *value = e->value;
    mem_free(m->mem, e->key);
    *e = (map_entry){.value = &tombstone};
    m->count--;
    /* An empty table is never walked further, so it may go even inside a walk. */
    if (m->count == 0 && m->capacity > MAP_CAPACITY_MIN) {
        drop_table(m);
    } else if (m->count == 0) {
        memset(m->entries, 0, m->capacity * sizeof(*m->entries));
        m->used = 0;
    }
    return value;
}

bool map_next(const map *m, size_t *position, kw_slice *ret_key, void **ret_value) {
    while (*position < m->capacity) {
        const map_entry *e = &m->entries[(*position)++];
        if (e->key) {
            *ret_key = slice_of(e->key, e->key_len);
            *ret_value = e->value;
            return true;
        }
    }
    return false;
}
