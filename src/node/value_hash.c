#include "node/value_hash.h"

value_hash *value_hash_new(const mem *m, uint64_t seed) {
    value_hash *h = mem_alloc(m, sizeof *h);
    if (h) {
        items_init(&h->fields, m, seed);
    }
    return h;
}

static void hash_free(const mem *m, void *object) {
    value_hash *h = object;
    if (h) {
        items_done(&h->fields);
        mem_free(m, h);
    }
}

static void *hash_clone(const mem *m, const void *object) {
    const value_hash *from = object;
    value_hash *h = mem_alloc(m, sizeof *h);
    if (h && !items_clone(&h->fields, &from->fields, m)) {
        mem_free(m, h);
        return NULL;
    }
    return h;
}

static const char *hash_encoding(const void *object) {
    return value_hash_is_listpack(object) ? "listpack" : "hashtable";
}

static void *hash_make(const mem *m, uint64_t seed) {
    return value_hash_new(m, seed);
}

static size_t hash_count(const void *object) {
    return value_hash_count(object);
}

const value_kind value_hash_kind = {"hash",     hash_make,     hash_free,
                                    hash_clone, hash_encoding, hash_count};

bool value_hash_get(const value_hash *h, kw_slice field, kw_slice *ret_value) {
    size_t position;
    if (!items_find(&h->fields, field, &position)) {
        return false;
    }
    *ret_value = items_value(&h->fields, position);
    return true;
}

void value_hash_at(const value_hash *h, size_t position, kw_slice *ret_field, kw_slice *ret_value) {
    *ret_field = items_key(&h->fields, position);
    *ret_value = items_value(&h->fields, position);
}

bool value_hash_fit(value_hash *h, const kw_slice *strings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strings[i].len > HASH_LISTPACK_VALUE_MAX) {
            return items_make_index(&h->fields);
        }
    }
    return true;
}

bool value_hash_set(value_hash *h, kw_slice field, kw_slice value, bool *ret_added) {
    if (!value_hash_fit(h, (const kw_slice[]){field, value}, 2)) {
        return false;
    }
    size_t position;
    if (h->fields.count == HASH_LISTPACK_ENTRIES_MAX && value_hash_is_listpack(h) &&
        !items_find(&h->fields, field, &position) && !items_make_index(&h->fields)) {
        return false;
    }
    return items_put(&h->fields, field, value, ret_added);
}

bool value_hash_remove(value_hash *h, kw_slice field) {
    return items_remove(&h->fields, field);
}

uint64_t value_hash_scan(const value_hash *h, uint64_t cursor, uint64_t count, size_t *ret_low,
                         size_t *ret_high) {
    return items_scan(&h->fields, cursor, count, ret_low, ret_high);
}
