#include "node/value_list.h"

#include <assert.h>

#define CAPACITY_MIN 8
#define SHORT_BYTES_MAX 15
#define LONG_MARK UINT8_MAX

/* The last byte tells the two apart. */
typedef union list_item {
    struct {
        char bytes[SHORT_BYTES_MAX];
        uint8_t len; /* 0..SHORT_BYTES_MAX */
    } brief;
    struct {
        char *bytes;
        uint32_t len; /* a bulk string has at most 512 MB */
        uint8_t unused[3];
        uint8_t mark; /* LONG_MARK */
    } extended;
} list_item;

struct value_list {
    const mem *mem;
    list_item *items; /* `capacity` places, a power of two */
    size_t capacity;
    size_t first; /* place of element 0 */
    size_t count;
};

value_list *value_list_new(const mem *m) {
    value_list *l = mem_calloc(m, 1, sizeof *l);
    if (l) {
        l->mem = m;
    }
    return l;
}

static list_item *item_at(const value_list *l, size_t index) {
    return &l->items[(l->first + index) & (l->capacity - 1)];
}

static kw_slice item_slice(const list_item *item) {
    if (item->extended.mark == LONG_MARK) {
        return slice_of(item->extended.bytes, item->extended.len);
    }
    return slice_of(item->brief.bytes, item->brief.len);
}

static bool make_item(const mem *m, kw_slice element, list_item *ret) {
    if (element.len <= SHORT_BYTES_MAX) {
        ret->brief.len = (uint8_t)element.len;
        if (element.len > 0) {
            memcpy(ret->brief.bytes, element.data, element.len);
        }
        return true;
    }
    if (element.len > UINT32_MAX) {
        return false;
    }
    char *bytes = mem_strndup(m, element.data, element.len);
    if (!bytes) {
        return false;
    }
    ret->extended.bytes = bytes;
    ret->extended.len = (uint32_t)element.len;
    ret->extended.mark = LONG_MARK;
    return true;
}

static void drop_item(const mem *m, list_item *item) {
    if (item->extended.mark == LONG_MARK) {
        mem_free(m, item->extended.bytes);
    }
}

void value_list_free(value_list *l) {
    if (l) {
        for (size_t i = 0; i < l->count; i++) {
            drop_item(l->mem, item_at(l, i));
        }
        mem_free(l->mem, l->items);
        mem_free(l->mem, l);
    }
}

size_t value_list_count(const value_list *l) {
    return l->count;
}

kw_slice value_list_at(const value_list *l, size_t index) {
    assert(index < l->count);
    return item_slice(item_at(l, index));
}

kw_slice value_list_end(const value_list *l, list_end end) {
    return value_list_at(l, end == LIST_HEAD ? 0 : l->count - 1);
}

/* The items in a ring of another size, which holds them all. */
static bool change_capacity(value_list *l, size_t capacity) {
    list_item *items = mem_calloc(l->mem, capacity, sizeof *items);
    if (!items) {
        return false;
    }
    size_t until_end = l->capacity - l->first;
    size_t head_count = l->count < until_end ? l->count : until_end;
    if (l->count > 0) {
        memcpy(items, l->items + l->first, head_count * sizeof *items);
        memcpy(items + head_count, l->items, (l->count - head_count) * sizeof *items);
    }
    mem_free(l->mem, l->items);
    l->items = items;
    l->capacity = capacity;
    l->first = 0;
    return true;
}

static bool make_room(value_list *l) {
    return l->count < l->capacity ||
           change_capacity(l, l->capacity ? 2 * l->capacity : CAPACITY_MIN);
}

/* Gives memory back that a list once needed; without memory for the smaller ring it keeps the
 * larger one. */
static void shrink(value_list *l) {
    size_t capacity = l->capacity;
    while (capacity > CAPACITY_MIN && l->count < capacity / 4) {
        capacity /= 2;
    }
    if (capacity < l->capacity) {
        (void)change_capacity(l, capacity);
    }
}

static void put_item(value_list *l, list_end end, list_item item) {
    l->first = (l->first - (end == LIST_HEAD)) & (l->capacity - 1);
    l->count++;
    *item_at(l, end == LIST_HEAD ? 0 : l->count - 1) = item;
}

static list_item take_item(value_list *l, list_end end) {
    list_item item = *item_at(l, end == LIST_HEAD ? 0 : l->count - 1);
    l->first = (l->first + (end == LIST_HEAD)) & (l->capacity - 1);
    l->count--;
    return item;
}

bool value_list_push(value_list *l, list_end end, kw_slice element) {
    list_item item;
    if (!make_room(l) || !make_item(l->mem, element, &item)) {
        return false;
    }
    put_item(l, end, item);
    return true;
}

void value_list_drop(value_list *l, list_end end, size_t count) {
    for (; count > 0 && l->count > 0; count--) {
        list_item item = take_item(l, end);
        drop_item(l->mem, &item);
    }
    shrink(l);
}

bool value_list_move(value_list *from, list_end from_end, value_list *to, list_end to_end) {
    assert(from->count > 0);
    if (from != to && !make_room(to)) {
        return false;
    }
    put_item(to, to_end, take_item(from, from_end));
    shrink(from);
    return true;
}

bool value_list_insert(value_list *l, size_t index, kw_slice element) {
    assert(index <= l->count);
    list_item item;
    if (!make_room(l) || !make_item(l->mem, element, &item)) {
        return false;
    }
    if (index < l->count / 2) {
        l->first = (l->first - 1) & (l->capacity - 1);
        l->count++;
        for (size_t i = 0; i < index; i++) {
            *item_at(l, i) = *item_at(l, i + 1);
        }
    } else {
        l->count++;
        for (size_t i = l->count - 1; i > index; i--) {
            *item_at(l, i) = *item_at(l, i - 1);
        }
    }
    *item_at(l, index) = item;
    return true;
}

bool value_list_set(value_list *l, size_t index, kw_slice element) {
    assert(index < l->count);
    list_item item;
    if (!make_item(l->mem, element, &item)) {
        return false;
    }
    drop_item(l->mem, item_at(l, index));
    *item_at(l, index) = item;
    return true;
}

/* What stays keeps its order and moves towards the end that the search begins at. */
size_t value_list_remove(value_list *l, list_end from, size_t count, kw_slice element) {
    size_t before = l->count;
    size_t removed = 0;
    for (size_t i = 0; i < before; i++) {
        size_t read = from == LIST_HEAD ? i : before - 1 - i;
        list_item *item = item_at(l, read);
        if (removed < count && slice_equal(item_slice(item), element)) {
            drop_item(l->mem, item);
            removed++;
        } else if (removed > 0) {
            *item_at(l, from == LIST_HEAD ? read - removed : read + removed) = *item;
        }
    }
    l->count -= removed;
    if (from == LIST_TAIL && removed > 0) {
        l->first = (l->first + removed) & (l->capacity - 1);
    }
    shrink(l);
    return removed;
}

static void free_object(const mem *m, void *object) {
    (void)m; /* the list knows its own */
    value_list_free(object);
}

static void *clone_object(const mem *m, const void *object) {
    const value_list *l = object;
    value_list *copy = value_list_new(m);
    for (size_t i = 0; copy && i < l->count; i++) {
        if (!value_list_push(copy, LIST_TAIL, value_list_at(l, i))) {
            value_list_free(copy);
            return NULL;
        }
    }
    return copy;
}

static const char *encoding(const void *object) {
    (void)object;
    return "quicklist";
}

static void *make_object(const mem *m, uint64_t seed) {
    (void)seed;
    return value_list_new(m);
}

static size_t count_object(const void *object) {
    return value_list_count(object);
}

const value_kind value_list_kind = {"list",       make_object, free_object,
                                    clone_object, encoding,    count_object};
