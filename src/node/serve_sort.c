#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"
#include "node/value_list.h"
#include "node/value_set.h"
#include "node/value_zset.h"

#include <math.h>
#include <stdlib.h>

typedef struct sort_options {
    bool descending;
    bool by_bytes;
    bool unsorted;
    int64_t skip;
    int64_t count; /* negative: all */
    size_t store;  /* where the destination's key stands; 0: there is none */
} sort_options;

static bool has_star(kw_slice pattern) {
    return pattern.len > 0 && memchr(pattern.data, '*', pattern.len);
}

/* Patterns are names of other keys, which may be anywhere in a cluster. */
static bool read_by(node_call *c, size_t index, sort_options *o) {
    o->unsorted = !has_star(c->argv[index]);
    if (!o->unsorted) {
        call_error(c, "ERR BY option of SORT denied in Cluster mode.");
    }
    return o->unsorted;
}

/* The option at argv[*index], which moves on. */
static bool read_option(node_call *c, size_t *index, bool may_store, sort_options *o) {
    size_t at = *index;
    size_t left = c->argc - at - 1;
    *index = at + 1;
    if (call_argument_is(c, at, "asc") || call_argument_is(c, at, "desc")) {
        o->descending = c->argv[at].len == 4;
    } else if (call_argument_is(c, at, "alpha")) {
        o->by_bytes = true;
    } else if (call_argument_is(c, at, "limit") && left >= 2) {
        *index = at + 3;
        return call_read_integer(c, at + 1, &o->skip) && call_read_integer(c, at + 2, &o->count);
    } else if (may_store && call_argument_is(c, at, "store") && left >= 1) {
        *index = at + 2;
        o->store = at + 1;
    } else if (call_argument_is(c, at, "by") && left >= 1) {
        *index = at + 2;
        return read_by(c, at + 1, o);
    } else if (call_argument_is(c, at, "get") && left >= 1) {
        call_error(c, "ERR GET option of SORT denied in Cluster mode.");
        return false;
    } else {
        call_syntax_error(c);
        return false;
    }
    return true;
}

static bool read_options(node_call *c, bool may_store, sort_options *ret) {
    *ret = (sort_options){.count = -1};
    for (size_t i = 2; i < c->argc;) {
        if (!read_option(c, &i, may_store, ret)) {
            return false;
        }
    }
    return true;
}

/* -------------------------------------------------------------------------------- elements */

typedef struct sort_item {
    kw_slice element;
    double score;
} sort_item;

typedef struct sort_vector {
    const mem *mem;
    sort_item *items;
    size_t count;
    char *texts; /* of an intset's members */
} sort_vector;

static void free_vector(sort_vector *v) {
    mem_free(v->mem, v->items);
    mem_free(v->mem, v->texts);
}

static void take_set(sort_vector *v, const value_set *s) {
    for (size_t i = 0; i < v->count; i++) {
        v->items[i].element = value_set_at(s, i, v->texts + i * NUMBER_INTEGER_BYTES);
    }
}

static void take_list(sort_vector *v, const value_list *l) {
    for (size_t i = 0; i < v->count; i++) {
        v->items[i].element = value_list_at(l, i);
    }
}

static void take_zset(sort_vector *v, const value_zset *z) {
    const zset_node *at = value_zset_at(z, 0);
    for (size_t i = 0; i < v->count; i++, at = zset_node_next(at)) {
        v->items[i].element = zset_node_member(at);
    }
}

/* The elements of the key, in the order that it has. False: memory is short. */
static bool fill_vector(sort_vector *v, const keyspace_entry *e) {
    if (!e) {
        return true;
    }
    v->count = e->kind->count(e->object);
    v->items = mem_calloc(v->mem, v->count, sizeof *v->items);
    if (e->kind == &value_set_kind) {
        v->texts = mem_calloc(v->mem, v->count, NUMBER_INTEGER_BYTES);
    }
    if (!v->items || (e->kind == &value_set_kind && !v->texts)) {
        return false;
    }
    if (e->kind == &value_set_kind) {
        take_set(v, e->object);
    } else if (e->kind == &value_list_kind) {
        take_list(v, e->object);
    } else {
        take_zset(v, e->object);
    }
    return true;
}

/* --------------------------------------------------------------------------------- sorting */

/* As strtod reads it: spaces may lead, and nothing at all is 0. */
static bool read_score(kw_slice s, double *ret) {
    long double value = 0;
    while (s.len > 0 && (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r'))) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    s.len = strnlen(s.data, s.len); /* strtod stops there */
    if (s.len > 0 && !number_read_float(s, &value)) {
        return false;
    }
    *ret = (double)value;
    return !isinf(*ret) || isinf(value);
}

static bool read_scores(sort_vector *v) {
    for (size_t i = 0; i < v->count; i++) {
        if (!read_score(v->items[i].element, &v->items[i].score)) {
            return false;
        }
    }
    return true;
}

static int compare_bytes(const void *left, const void *right) {
    kw_slice a = ((const sort_item *)left)->element;
    kw_slice b = ((const sort_item *)right)->element;
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_scores(const void *left, const void *right) {
    double a = ((const sort_item *)left)->score;
    double b = ((const sort_item *)right)->score;
    int order = (a > b) - (a < b);
    return order != 0 ? order : compare_bytes(left, right);
}

static void reverse(sort_vector *v) {
    for (size_t low = 0, high = v->count; low + 1 < high; low++) {
        sort_item moved = v->items[low];
        v->items[low] = v->items[--high];
        v->items[high] = moved;
    }
}

/* False: an error was answered. */
static bool sort(node_call *c, const keyspace_entry *e, const sort_options *o, sort_vector *v) {
    bool is_set = e && e->kind == &value_set_kind;
    /* The order of a set is not the same everywhere, and a destination's must be. */
    bool forced = o->unsorted && is_set && o->store;
    if (o->unsorted && !forced) {
        if (o->descending && !is_set) {
            reverse(v);
        }
        return true;
    }
    bool by_bytes = o->by_bytes || forced;
    if (!by_bytes && !read_scores(v)) {
        call_error(c, "ERR One or more scores can't be converted into double");
        return false;
    }
    if (v->count > 1) {
        qsort(v->items, v->count, sizeof *v->items, by_bytes ? compare_bytes : compare_scores);
    }
    if (o->descending) {
        reverse(v);
    }
    return true;
}

/* --------------------------------------------------------------------------------- replying */

/* Which of `total` elements are wanted: *ret_first and the number returned. */
static size_t wanted(const sort_options *o, size_t total, size_t *ret_first) {
    size_t skip = o->skip < 0 ? 0 : (uint64_t)o->skip < total ? (size_t)o->skip : total;
    size_t left = total - skip;
    *ret_first = skip;
    return o->count < 0 || (uint64_t)o->count > left ? left : (size_t)o->count;
}

static void answer(node_call *c, const sort_item *items, size_t count) {
    call_array(c, count);
    for (size_t i = 0; i < count; i++) {
        call_bulk(c, items[i].element);
    }
}

static value_list *make_list(node_call *c, const sort_item *items, size_t count) {
    value_list *l = value_list_new(c->node->mem);
    for (size_t i = 0; l && i < count; i++) {
        if (!value_list_push(l, LIST_TAIL, items[i].element)) {
            value_list_free(l);
            return NULL;
        }
    }
    return l;
}

static void store(node_call *c, size_t index, const sort_item *items, size_t count) {
    value_list *l = make_list(c, items, count);
    if (l) {
        call_store(c, c->argv[index], &value_list_kind, l);
    } else {
        call_out_of_memory(c);
    }
}

static bool sortable(const value_kind *kind) {
    return kind == &value_list_kind || kind == &value_set_kind || kind == &value_zset_kind;
}

static void run_sort(node_call *c, bool may_store) {
    sort_options o;
    if (!read_options(c, may_store, &o)) {
        return;
    }
    const keyspace_entry *e = call_find(c, 1);
    if (e && !sortable(e->kind)) {
        call_wrong_type(c);
        return;
    }
    if (e && e->kind == &value_zset_kind) {
        value_zset_unpack(e->object); /* as a server does */
    }
    sort_vector v = {.mem = c->node->mem};
    size_t first;
    if (!fill_vector(&v, e)) {
        call_out_of_memory(c);
    } else if (sort(c, e, &o, &v)) {
        size_t count = wanted(&o, v.count, &first);
        const sort_item *items = v.items ? v.items + first : NULL;
        if (o.store) {
            store(c, o.store, items, count);
        } else {
            answer(c, items, count);
        }
    }
    free_vector(&v);
}

void serve_sort(node_call *c) {
    run_sort(c, true);
}

void serve_sort_ro(node_call *c) {
    run_sort(c, false);
}
