#include "node/value_set.h"

#include "node/node_number.h"

#include <assert.h>

value_set *value_set_new(const mem *m, uint64_t seed) {
    value_set *s = mem_calloc(m, 1, sizeof *s);
    if (s) {
        s->mem = m;
        s->integer_width = 2;
        items_init(&s->members, m, seed);
    }
    return s;
}

static void set_free(const mem *m, void *object) {
    value_set *s = object;
    if (s) {
        items_done(&s->members);
        mem_free(m, s->integers);
        mem_free(m, s);
    }
}

static void *set_clone(const mem *m, const void *object) {
    const value_set *from = object;
    value_set *s = mem_alloc(m, sizeof *s);
    if (!s) {
        return NULL;
    }
    *s = *from;
    s->mem = m;
    s->integers = NULL;
    s->integer_capacity = from->integer_count;
    if (!items_clone(&s->members, &from->members, m)) {
        mem_free(m, s);
        return NULL;
    }
    if (from->integer_count > 0) {
        s->integers = mem_calloc(m, from->integer_count, sizeof *s->integers);
        if (!s->integers) {
            set_free(m, s);
            return NULL;
        }
        memcpy(s->integers, from->integers, from->integer_count * sizeof *s->integers);
    }
    return s;
}

static const char *set_encoding(const void *object) {
    return value_set_is_intset(object) ? "intset" : "hashtable";
}

static void *set_make(const mem *m, uint64_t seed) {
    return value_set_new(m, seed);
}

static size_t set_count(const void *object) {
    return value_set_count(object);
}

const value_kind value_set_kind = {"set", set_make, set_free, set_clone, set_encoding, set_count};

/* ------------------------------------------------------------------------------ integers */

/* Where the value is, or would be. */
static bool find_integer(const value_set *s, int64_t value, uint32_t *ret_at) {
    uint32_t low = 0;
    uint32_t high = s->integer_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->integers[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_at = low;
    return low < s->integer_count && s->integers[low] == value;
}

static uint8_t width_of(int64_t value) {
    return value >= INT16_MIN && value <= INT16_MAX   ? 2
           : value >= INT32_MIN && value <= INT32_MAX ? 4
                                                      : 8;
}

static bool insert_integer(value_set *s, uint32_t at, int64_t value) {
    if (s->integer_count == s->integer_capacity) {
        uint32_t capacity = s->integer_capacity < 4 ? 4 : s->integer_capacity * 2;
        int64_t *integers = mem_resize(s->mem, s->integers, capacity, sizeof *integers);
        if (!integers) {
            return false;
        }
        s->integers = integers;
        s->integer_capacity = capacity;
    }
    int64_t *place = s->integers + at;
    memmove(place + 1, place, (s->integer_count - at) * sizeof *place);
    *place = value;
    s->integer_count++;
    if (width_of(value) > s->integer_width) {
        s->integer_width = width_of(value);
    }
    return true;
}

bool value_set_make_table(value_set *s) {
    if (!value_set_is_intset(s)) {
        return true;
    }
    bool made = items_make_index(&s->members);
    for (uint32_t i = 0; made && i < s->integer_count; i++) {
        char text[NUMBER_INTEGER_BYTES];
        bool added;
        kw_slice member = number_write_integer(s->integers[i], text);
        made = items_put(&s->members, member, SLICE_LITERAL(""), &added);
    }
    if (!made) {
        items_done(&s->members);
        return false;
    }
    mem_free(s->mem, s->integers);
    s->integers = NULL;
    s->integer_count = s->integer_capacity = 0;
    return true;
}

/* ------------------------------------------------------------------------------- members */

bool value_set_has(const value_set *s, kw_slice member) {
    int64_t value;
    uint32_t at;
    size_t position;
    return value_set_is_intset(s)
               ? number_read_integer(member, &value) && find_integer(s, value, &at)
               : items_find(&s->members, member, &position);
}

bool value_set_add(value_set *s, kw_slice member, bool *ret_added) {
    int64_t value;
    if (value_set_is_intset(s) && number_read_integer(member, &value)) {
        uint32_t at;
        if (find_integer(s, value, &at)) {
            *ret_added = false;
            return true;
        }
        if (s->integer_count < SET_INTSET_ENTRIES_MAX) {
            *ret_added = true;
            return insert_integer(s, at, value);
        }
    }
    return value_set_make_table(s) && items_put(&s->members, member, SLICE_LITERAL(""), ret_added);
}

bool value_set_remove(value_set *s, kw_slice member) {
    if (!value_set_is_intset(s)) {
        return items_remove(&s->members, member);
    }
    int64_t value;
    uint32_t at;
    if (!number_read_integer(member, &value) || !find_integer(s, value, &at)) {
        return false;
    }
    value_set_remove_at(s, at);
    return true;
}

kw_slice value_set_at(const value_set *s, size_t position, char text[NUMBER_INTEGER_BYTES]) {
    assert(position < value_set_count(s));
    return value_set_is_intset(s) ? number_write_integer(s->integers[position], text)
                                  : items_key(&s->members, position);
}

void value_set_remove_at(value_set *s, size_t position) {
    assert(position < value_set_count(s));
    if (!value_set_is_intset(s)) {
        items_remove_at(&s->members, position);
        return;
    }
    int64_t *place = s->integers + position;
    s->integer_count--;
    memmove(place, place + 1, (s->integer_count - position) * sizeof *place);
}

uint64_t value_set_scan(const value_set *s, uint64_t cursor, uint64_t count, size_t *ret_low,
                        size_t *ret_high) {
    if (value_set_is_intset(s)) {
        *ret_low = 0;
        *ret_high = s->integer_count;
        return 0;
    }
    return items_scan(&s->members, cursor, count, ret_low, ret_high);
}
