#include "node/serve_pop.h"

#include "base/number.h"
#include "node/node_args.h"

typedef struct pop_terms {
    bool from_tail;
    size_t first_key;
    size_t key_count;
    int64_t count; /* -1: one element, not in an array of its own */
} pop_terms;

static void propagate(node_call *c, const pop_kind *kind, kw_slice key, const pop_terms *t,
                      size_t popped) {
    char text[NUMBER_U64_BYTES];
    kw_slice argv[] = {slice_text(t->from_tail ? kind->pop_tail : kind->pop_head), key,
                       slice_of(text, number_from_u64(text, popped))};
    call_propagate(c, argv, t->count < 0 ? 2 : 3);
}

static void pop_from(node_call *c, const pop_kind *kind, keyspace_entry *e, kw_slice key,
                     const pop_terms *t) {
    bool single = t->count < 0;
    size_t all = kind->value->count(e->object);
    size_t popped = single ? 1 : (uint64_t)t->count < all ? (size_t)t->count : all;
    call_array(c, single ? 1 + kind->element_values : 2);
    call_bulk(c, key);
    if (!single) {
        call_array(c, popped);
    }
    kind->take(c, e, t->from_tail, popped, !single);
    propagate(c, kind, key, t, popped);
}

/* True if there was an answer: elements of the first key that is there, or that a key holds another
 * kind. */
static bool pop_first(node_call *c, const pop_kind *kind, const pop_terms *t) {
    kw_slice key;
    keyspace_entry *e;
    if (!call_find_first(c, kind->value, t->first_key, t->key_count, &key, &e)) {
        return true;
    }
    if (e) {
        pop_from(c, kind, e, key, t);
    }
    return e != NULL;
}

static void pop_or_wait(node_call *c, const pop_kind *kind, const pop_terms *t, size_t timeout) {
    uint64_t deadline_us;
    if (!args_read_timeout(c, timeout, &deadline_us) || pop_first(c, kind, t)) {
        return;
    }
    if (c->in_exec) {
        call_null_array(c);
    } else {
        call_block(c, kind->reason, t->first_key, t->key_count, deadline_us, call_null_array);
    }
}

void pop_one_or_wait(node_call *c, const pop_kind *kind, bool from_tail) {
    pop_or_wait(c, kind, &(pop_terms){from_tail, 1, c->argc - 2, -1}, c->argc - 1);
}

/* From numkeys at argv[index] on. */
static bool read_terms(node_call *c, const pop_kind *kind, size_t index, pop_terms *ret) {
    *ret = (pop_terms){.first_key = index + 1, .count = 1};
    if (!args_read_counted_keys(c, index, &ret->key_count)) {
        return false;
    }
    size_t end = index + 1 + ret->key_count;
    return args_read_either(c, end, kind->head, kind->tail, &ret->from_tail) &&
           args_read_pop_count(c, end + 1, &ret->count);
}

void pop_many(node_call *c, const pop_kind *kind) {
    pop_terms t;
    if (read_terms(c, kind, 1, &t) && !pop_first(c, kind, &t)) {
        call_null_array(c);
    }
}

void pop_many_or_wait(node_call *c, const pop_kind *kind) {
    pop_terms t;
    if (read_terms(c, kind, 2, &t)) {
        pop_or_wait(c, kind, &t, 1);
    }
}
