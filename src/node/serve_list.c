#include "node/serve_list.h"
#include "node/node_args.h"
#include "node/node_handlers.h"

bool list_find(node_call *c, size_t index, keyspace_entry **ret_entry, value_list **ret) {
    if (!call_find_kind(c, index, &value_list_kind, ret_entry)) {
        return false;
    }
    *ret = *ret_entry ? (*ret_entry)->object : NULL;
    return true;
}

/* ------------------------------------------------------------------------------- pushing */

static bool push_arguments(node_call *c, value_list *l, list_end end) {
    for (size_t i = 2; i < c->argc; i++) {
        if (!value_list_push(l, end, c->argv[i])) {
            value_list_drop(l, end, i - 2);
            return false;
        }
    }
    return true;
}

static bool push_on_new_list(node_call *c, list_end end) {
    value_list *l = value_list_new(c->node->mem);
    if (l && push_arguments(c, l, end) &&
        keyspace_put(c->node->keys, c->argv[1], &value_list_kind, l, 0)) {
        return true;
    }
    value_list_free(l);
    return false;
}

static void push(node_call *c, list_end end, bool only_if_there) {
    keyspace_entry *e;
    value_list *l;
    if (!list_find(c, 1, &e, &l)) {
        return;
    }
    if (!e && only_if_there) {
        call_integer(c, 0);
        return;
    }
    if (e ? !push_arguments(c, l, end) : !push_on_new_list(c, end)) {
        call_out_of_memory(c);
        return;
    }
    if (e) {
        keyspace_touch(c->node->keys, e);
    }
    call_integer(c, e ? (int64_t)value_list_count(l) : (int64_t)c->argc - 2);
}

void serve_lpush(node_call *c) {
    push(c, LIST_HEAD, false);
}

void serve_rpush(node_call *c) {
    push(c, LIST_TAIL, false);
}

void serve_lpushx(node_call *c) {
    push(c, LIST_HEAD, true);
}

void serve_rpushx(node_call *c) {
    push(c, LIST_TAIL, true);
}

static size_t find_element(const value_list *l, kw_slice element) {
    size_t index = 0;
    while (index < value_list_count(l) && !slice_equal(value_list_at(l, index), element)) {
        index++;
    }
    return index;
}

void serve_linsert(node_call *c) {
    bool after;
    if (!args_read_either(c, 2, "before", "after", &after)) {
        return;
    }
    keyspace_entry *e;
    value_list *l;
    if (!list_find(c, 1, &e, &l)) {
        return;
    }
    if (!e) {
        call_integer(c, 0);
        return;
    }
    size_t pivot = find_element(l, c->argv[3]);
    if (pivot == value_list_count(l)) {
        call_integer(c, -1);
    } else if (!value_list_insert(l, pivot + after, c->argv[4])) {
        call_out_of_memory(c);
    } else {
        keyspace_touch(c->node->keys, e);
        call_integer(c, (int64_t)value_list_count(l));
    }
}

/* ------------------------------------------------------------------------------- reading */

void serve_llen(node_call *c) {
    keyspace_entry *e;
    value_list *l;
    if (list_find(c, 1, &e, &l)) {
        call_integer(c, e ? (int64_t)value_list_count(l) : 0);
    }
}

/* Indexes below 0 count from the end. False: there is no such element. */
static bool to_position(const value_list *l, int64_t index, size_t *ret) {
    int64_t count = (int64_t)value_list_count(l);
    int64_t position = index < 0 ? index + count : index;
    if (position < 0 || position >= count) {
        return false;
    }
    *ret = (size_t)position;
    return true;
}

void serve_lindex(node_call *c) {
    keyspace_entry *e;
    value_list *l;
    int64_t index;
    size_t position;
    if (!list_find(c, 1, &e, &l)) {
        return;
    }
    if (!e) {
        call_null(c);
    } else if (call_read_integer(c, 2, &index)) {
        if (to_position(l, index, &position)) {
            call_bulk(c, value_list_at(l, position));
        } else {
            call_null(c);
        }
    }
}

void serve_lrange(node_call *c) {
    int64_t start;
    int64_t stop;
    keyspace_entry *e;
    value_list *l;
    if (!call_read_integer(c, 2, &start) || !call_read_integer(c, 3, &stop) ||
        !list_find(c, 1, &e, &l)) {
        return;
    }
    size_t first = 0;
    size_t end = 0;
    if (e) {
        args_to_range(start, stop, value_list_count(l), &first, &end);
    }
    call_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        call_bulk(c, value_list_at(l, i));
    }
}

typedef struct lpos_terms {
    int64_t rank;  /* which match is the first to count; below 0: from the tail */
    int64_t count; /* -1: not given; 0: all */
    int64_t longest;
} lpos_terms;

static bool read_lpos_rank(node_call *c, size_t index, int64_t *ret) {
    if (!call_read_integer(c, index, ret)) {
        return false;
    }
    if (*ret == 0) {
        call_error(c, "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                      "second ... or use negative to start from the end of the list");
        return false;
    }
    return true;
}

static bool read_lpos_terms(node_call *c, lpos_terms *ret) {
    *ret = (lpos_terms){1, -1, 0};
    for (size_t i = 3; i < c->argc; i += 2) {
        bool has_value = i + 1 < c->argc;
        bool good;
        if (has_value && call_argument_is(c, i, "rank")) {
            good = read_lpos_rank(c, i + 1, &ret->rank);
        } else if (has_value && call_argument_is(c, i, "count")) {
            good = args_read_in_range(c, i + 1, 0, INT64_MAX, "ERR COUNT can't be negative",
                                      &ret->count);
        } else if (has_value && call_argument_is(c, i, "maxlen")) {
            good = args_read_in_range(c, i + 1, 0, INT64_MAX, "ERR MAXLEN can't be negative",
                                      &ret->longest);
        } else {
            call_syntax_error(c);
            return false;
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* How many positions there are to tell; they are told to `answer_to` if that is not NULL. */
static size_t find_positions(const value_list *l, kw_slice element, const lpos_terms *terms,
                             node_call *answer_to) {
    size_t count = value_list_count(l);
    size_t last =
        terms->longest > 0 && (uint64_t)terms->longest < count ? (size_t)terms->longest : count;
    uint64_t most = terms->count < 0 ? 1 : (uint64_t)terms->count;
    int64_t rank = terms->rank == INT64_MIN ? 1 : terms->rank; /* a server cannot negate it */
    uint64_t skipped = (uint64_t)(rank < 0 ? -rank : rank) - 1;
    size_t found = 0;
    for (size_t i = 0; i < last && (most == 0 || found < most); i++) {
        size_t position = terms->rank < 0 ? count - 1 - i : i;
        if (!slice_equal(value_list_at(l, position), element)) {
            continue;
        }
        if (skipped > 0) {
            skipped--;
            continue;
        }
        found++;
        if (answer_to) {
            call_integer(answer_to, (int64_t)position);
        }
    }
    return found;
}

void serve_lpos(node_call *c) {
    lpos_terms terms;
    keyspace_entry *e;
    value_list *l;
    if (!read_lpos_terms(c, &terms) || !list_find(c, 1, &e, &l)) {
        return;
    }
    size_t found = e ? find_positions(l, c->argv[2], &terms, NULL) : 0;
    if (terms.count >= 0) {
        call_array(c, found);
    } else if (found == 0) {
        call_null(c);
    }
    if (found > 0) {
        (void)find_positions(l, c->argv[2], &terms, c); /* as many as before */
    }
}

/* -------------------------------------------------------------------- changing, removing */

void serve_lset(node_call *c) {
    keyspace_entry *e;
    value_list *l;
    int64_t index;
    size_t position;
    if (!list_find(c, 1, &e, &l)) {
        return;
    }
    if (!e) {
        call_error(c, "ERR no such key");
    } else if (call_read_integer(c, 2, &index)) {
        if (!to_position(l, index, &position)) {
            call_error(c, "ERR index out of range");
        } else if (!value_list_set(l, position, c->argv[3])) {
            call_out_of_memory(c);
        } else {
            keyspace_touch(c->node->keys, e);
            call_ok(c);
        }
    }
}

void serve_ltrim(node_call *c) {
    int64_t start;
    int64_t stop;
    keyspace_entry *e;
    value_list *l;
    if (!call_read_integer(c, 2, &start) || !call_read_integer(c, 3, &stop) ||
        !list_find(c, 1, &e, &l)) {
        return;
    }
    if (e) {
        size_t first;
        size_t end;
        args_to_range(start, stop, value_list_count(l), &first, &end);
        value_list_drop(l, LIST_TAIL, value_list_count(l) - end);
        value_list_drop(l, LIST_HEAD, first);
        call_settle(c, e);
    }
    call_ok(c);
}

void serve_lrem(node_call *c) {
    int64_t count;
    keyspace_entry *e;
    value_list *l;
    if (!call_read_integer(c, 2, &count) || !list_find(c, 1, &e, &l)) {
        return;
    }
    size_t most = count < 0 ? (size_t)(0 - (uint64_t)count) : (size_t)count;
    size_t removed = 0;
    if (e) {
        removed = value_list_remove(l, count < 0 ? LIST_TAIL : LIST_HEAD,
                                    most == 0 ? SIZE_MAX : most, c->argv[3]);
    }
    if (removed > 0) {
        call_settle(c, e);
    }
    call_integer(c, (int64_t)removed);
}

void list_take(node_call *c, keyspace_entry *e, list_end end, size_t count) {
    value_list *l = e->object;
    size_t all = value_list_count(l);
    for (size_t i = 0; i < count; i++) {
        call_bulk(c, value_list_at(l, end == LIST_HEAD ? i : all - 1 - i));
    }
    if (count > 0) {
        value_list_drop(l, end, count);
        call_settle(c, e);
    }
}

static void pop_some(node_call *c, keyspace_entry *e, list_end end, size_t most) {
    size_t all = value_list_count(e->object);
    size_t popped = most < all ? most : all;
    call_array(c, popped);
    list_take(c, e, end, popped);
}

static void pop(node_call *c, list_end end) {
    int64_t count = 0;
    keyspace_entry *e;
    value_list *l;
    bool counted = c->argc == 3;
    if (c->argc > 3) {
        call_wrong_arity(c, c->command);
        return;
    }
    if ((counted && !args_read_count(c, 2, &count)) || !list_find(c, 1, &e, &l)) {
        return;
    }
    if (!e) {
        if (counted) {
            call_null_array(c);
        } else {
            call_null(c);
        }
    } else if (counted) {
        pop_some(c, e, end, (size_t)count);
    } else {
        list_take(c, e, end, 1);
    }
}

void serve_lpop(node_call *c) {
    pop(c, LIST_HEAD);
}

void serve_rpop(node_call *c) {
    pop(c, LIST_TAIL);
}
