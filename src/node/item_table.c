#include "node/item_table.h"

#include "base/map.h"

#include <assert.h>

#define ITEMS_MIN 4
#define INDEX_MIN 16

void items_init(item_table *t, const mem *m, uint64_t seed) {
    *t = (item_table){.mem = m, .seed = {seed, ~seed}};
}

void items_done(item_table *t) {
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->mem, t->items[i].bytes);
    }
    mem_free(t->mem, t->items);
    mem_free(t->mem, t->index);
    t->items = NULL;
    t->index = NULL;
    t->count = t->capacity = t->index_capacity = 0;
}

static uint32_t hash_of(const item_table *t, kw_slice key) {
    return (uint32_t)map_hash(t->seed, key);
}

/* --------------------------------------------------------------------------------- index */

static void index_enter(const item_table *t, uint32_t *index, uint32_t capacity,
                        uint32_t position) {
    uint32_t at = t->items[position].hash & (capacity - 1);
    while (index[at] != 0) {
        at = (at + 1) & (capacity - 1);
    }
    index[at] = position + 1;
}

/* An index with room for `count` items at a load of at most a half. */
static bool index_rebuild(item_table *t, uint32_t count) {
    uint32_t capacity = INDEX_MIN;
    while (capacity / 2 < count) {
        capacity *= 2; /* ends at 2^31: ITEM_COUNT_MAX */
    }
    uint32_t *index = mem_calloc(t->mem, capacity, sizeof *index);
    if (!index) {
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        index_enter(t, index, capacity, i);
    }
    mem_free(t->mem, t->index);
    t->index = index;
    t->index_capacity = capacity;
    return true;
}

bool items_make_index(item_table *t) {
    return t->index || index_rebuild(t, t->count);
}

/* Where in the index a position stands. */
static uint32_t index_place(const item_table *t, uint32_t position) {
    uint32_t mask = t->index_capacity - 1;
    uint32_t at = t->items[position].hash & mask;
    while (t->index[at] != position + 1) {
        assert(t->index[at] != 0);
        at = (at + 1) & mask;
    }
    return at;
}

/* Empties a place, and closes the gap in the runs that go across it. */
static void index_leave(item_table *t, uint32_t hole) {
    uint32_t mask = t->index_capacity - 1;
    for (uint32_t at = (hole + 1) & mask; t->index[at] != 0; at = (at + 1) & mask) {
        uint32_t home = t->items[t->index[at] - 1].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->index[hole] = t->index[at];
            hole = at;
        }
    }
    t->index[hole] = 0;
}

/* --------------------------------------------------------------------------------- items */

static bool is_key(const item *i, uint32_t hash, kw_slice key) {
    return i->hash == hash && slice_equal(slice_of(i->bytes, i->key_len), key);
}

static bool find(const item_table *t, kw_slice key, uint32_t hash, size_t *ret_position) {
    if (!t->index) {
        for (uint32_t i = 0; i < t->count; i++) {
            if (is_key(&t->items[i], hash, key)) {
                *ret_position = i;
                return true;
            }
        }
        return false;
    }
    uint32_t mask = t->index_capacity - 1;
    for (uint32_t at = hash & mask; t->index[at] != 0; at = (at + 1) & mask) {
        uint32_t position = t->index[at] - 1;
        if (is_key(&t->items[position], hash, key)) {
            *ret_position = position;
            return true;
        }
    }
    return false;
}

bool items_find(const item_table *t, kw_slice key, size_t *ret_position) {
    return t->count > 0 && find(t, key, hash_of(t, key), ret_position);
}

static bool set_value(item_table *t, item *i, kw_slice value) {
    if (value.len != i->value_len) {
        char *bytes = mem_resize(t->mem, i->bytes, (size_t)i->key_len + value.len + 1, 1);
        if (!bytes) {
            return false;
        }
        i->bytes = bytes;
        i->value_len = (uint32_t)value.len;
    }
    if (value.len > 0) {
        memcpy(i->bytes + i->key_len, value.data, value.len);
    }
    return true;
}

/* Room for one more item, in the array and in the index. */
static bool make_room(item_table *t) {
    if (t->count == ITEM_COUNT_MAX) {
        return false;
    }
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity < ITEMS_MIN ? ITEMS_MIN : t->capacity * 2;
        item *items = mem_resize(t->mem, t->items, capacity, sizeof *items);
        if (!items) {
            return false;
        }
        t->items = items;
        t->capacity = capacity;
    }
    return !t->index || t->count < t->index_capacity / 2 || index_rebuild(t, t->count + 1);
}

static bool append(item_table *t, kw_slice key, kw_slice value, uint32_t hash) {
    if (!make_room(t)) {
        return false;
    }
    char *bytes = mem_alloc(t->mem, key.len + value.len + 1);
    if (!bytes) {
        return false;
    }
    if (key.len > 0) {
        memcpy(bytes, key.data, key.len);
    }
    if (value.len > 0) {
        memcpy(bytes + key.len, value.data, value.len);
    }
    t->items[t->count] = (item){bytes, hash, (uint32_t)key.len, (uint32_t)value.len};
    if (t->index) {
        index_enter(t, t->index, t->index_capacity, t->count);
    }
    t->count++;
    return true;
}

bool items_put(item_table *t, kw_slice key, kw_slice value, bool *ret_added) {
    if (key.len > UINT32_MAX || value.len > UINT32_MAX) {
        return false;
    }
    uint32_t hash = hash_of(t, key);
    size_t position;
    bool found = find(t, key, hash, &position);
    if (found ? !set_value(t, &t->items[position], value) : !append(t, key, value, hash)) {
        return false;
    }
    *ret_added = !found;
    return true;
}

/* After a removal: gives back what is far too large. Memory that is too short for that is no harm.
 */
static void shrink(item_table *t) {
    if (t->capacity > 64 && t->count < t->capacity / 8) {
        uint32_t capacity = t->capacity / 4;
        item *items = mem_resize(t->mem, t->items, capacity, sizeof *items);
        if (items) {
            t->items = items;
            t->capacity = capacity;
        }
    }
    if (t->index && t->index_capacity > 256 && t->count < t->index_capacity / 16) {
        (void)index_rebuild(t, t->count * 2); /* the old one serves as well */
    }
}

void items_remove_at(item_table *t, size_t position) {
    assert(position < t->count);
    item *gone = &t->items[position];
    mem_free(t->mem, gone->bytes);
    uint32_t last = t->count - 1;
    if (!t->index) {
        memmove(gone, gone + 1, (last - position) * sizeof *gone);
    } else {
        index_leave(t, index_place(t, (uint32_t)position));
        if (position != last) {
            t->index[index_place(t, last)] = (uint32_t)position + 1;
            *gone = t->items[last];
        }
    }
    t->count = last;
    shrink(t);
}

bool items_remove(item_table *t, kw_slice key) {
    size_t position;
    if (!items_find(t, key, &position)) {
        return false;
    }
    items_remove_at(t, position);
    return true;
}

static bool clone_item(const mem *m, item *to, const item *from) {
    size_t len = (size_t)from->key_len + from->value_len;
    char *bytes = mem_alloc(m, len + 1);
    if (!bytes) {
        return false;
    }
    memcpy(bytes, from->bytes, len);
    *to = *from;
    to->bytes = bytes;
    return true;
}

bool items_clone(item_table *to, const item_table *from, const mem *m) {
    *to = (item_table){.mem = m, .seed = {from->seed[0], from->seed[1]}};
    to->items = mem_calloc(m, from->count > 0 ? from->count : 1, sizeof *to->items);
    if (!to->items) {
        return false;
    }
    to->capacity = from->count > 0 ? from->count : 1;
    bool cloned = true;
    while (cloned && to->count < from->count) {
        cloned = clone_item(m, &to->items[to->count], &from->items[to->count]);
        to->count += cloned;
    }
    cloned = cloned && (!from->index || items_make_index(to));
    if (!cloned) {
        items_done(to);
    }
    return cloned;
}

uint64_t items_scan(const item_table *t, uint64_t cursor, uint64_t count, size_t *ret_low,
                    size_t *ret_high) {
    if (!t->index) { /* positions shift when an item goes: all at once */
        *ret_low = 0;
        *ret_high = t->count;
        return 0;
    }
    /* The cursor is the number of positions left to give: downwards, since an item only ever moves
     * down. */
    uint64_t high = cursor == 0 || cursor > t->count ? t->count : cursor;
    uint64_t low = high > count ? high - count : 0;
    *ret_low = (size_t)low;
    *ret_high = (size_t)high;
    return low;
}
