#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_pick.h"
#include "node/node_scan.h"
#include "node/value_set.h"

/* The set at argv[index]; NULL if there is none. False: WRONGTYPE was answered. */
static bool find_set(node_call *c, size_t index, keyspace_entry **ret_entry, value_set **ret) {
    if (!call_find_kind(c, index, &value_set_kind, ret_entry)) {
        return false;
    }
    *ret = *ret_entry ? (*ret_entry)->object : NULL;
    return true;
}

static value_set *new_set(node_call *c) {
    value_set *s = value_set_new(c->node->mem, prng_next(&c->node->random));
    if (!s) {
        call_out_of_memory(c);
    }
    return s;
}

/* The set at argv[index], made if it is missing. False: an error was answered. */
static bool find_or_make(node_call *c, size_t index, keyspace_entry **ret_entry, value_set **ret) {
    if (!call_find_or_make(c, index, &value_set_kind, ret_entry)) {
        return false;
    }
    *ret = (*ret_entry)->object;
    return true;
}

static void answer_at(node_call *c, const value_set *s, size_t position) {
    char text[NUMBER_INTEGER_BYTES];
    call_bulk(c, value_set_at(s, position, text));
}

static void answer_members(node_call *c, const value_set *s) {
    size_t count = s ? value_set_count(s) : 0;
    call_set(c, count);
    for (size_t i = 0; i < count; i++) {
        answer_at(c, s, i);
    }
}

/* ------------------------------------------------------------------------------- members */

void serve_sadd(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    int64_t count = 0;
    bool good = true;
    if (!find_or_make(c, 1, &e, &s)) {
        return;
    }
    for (size_t i = 2; good && i < c->argc; i++) {
        bool added = false;
        good = value_set_add(s, c->argv[i], &added);
        count += added;
    }
    if (count > 0 || !good) {
        call_settle(c, e);
    }
    if (good) {
        call_integer(c, count);
    } else {
        call_out_of_memory(c);
    }
}

void serve_srem(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    int64_t removed = 0;
    if (!find_set(c, 1, &e, &s)) {
        return;
    }
    for (size_t i = 2; s && i < c->argc; i++) {
        removed += value_set_remove(s, c->argv[i]);
    }
    if (removed > 0) {
        call_settle(c, e);
    }
    call_integer(c, removed);
}

void serve_smove(node_call *c) {
    keyspace_entry *from_entry;
    keyspace_entry *to_entry;
    value_set *from;
    value_set *to;
    kw_slice member = c->argv[3];
    bool added;
    if (!find_set(c, 1, &from_entry, &from)) {
        return;
    }
    if (!from) {
        call_integer(c, 0);
        return;
    }
    if (!find_set(c, 2, &to_entry, &to)) {
        return;
    }
    bool moved = value_set_has(from, member);
    if (from == to || !moved) {
        call_integer(c, moved);
        return;
    }
    if (!find_or_make(c, 2, &to_entry, &to)) {
        return;
    }
    if (!value_set_add(to, member, &added)) {
        call_settle(c, to_entry);
        call_out_of_memory(c);
        return;
    }
    (void)value_set_remove(from, member); /* it is there */
    call_settle(c, from_entry);
    call_settle(c, to_entry);
    call_integer(c, 1);
}

void serve_sismember(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    if (find_set(c, 1, &e, &s)) {
        call_integer(c, s && value_set_has(s, c->argv[2]));
    }
}

void serve_smismember(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    if (!find_set(c, 1, &e, &s)) {
        return;
    }
    call_array(c, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        call_integer(c, s && value_set_has(s, c->argv[i]));
    }
}

void serve_scard(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    if (find_set(c, 1, &e, &s)) {
        call_integer(c, s ? (int64_t)value_set_count(s) : 0);
    }
}

void serve_smembers(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    if (find_set(c, 1, &e, &s)) {
        answer_members(c, s);
    }
}

void serve_sscan(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    uint64_t cursor;
    scan_options options;
    if (!scan_read_cursor(c, 2, &cursor) || !find_set(c, 1, &e, &s)) {
        return;
    }
    if (!s) {
        scan_answer_head(c, 0, 0);
        return;
    }
    if (!scan_read_options(c, 3, false, &options)) {
        return;
    }
    size_t low;
    size_t high;
    char text[NUMBER_INTEGER_BYTES];
    cursor = value_set_scan(s, cursor, options.count, &low, &high);
    size_t count = 0;
    for (size_t i = low; i < high; i++) {
        count += scan_matches(&options, value_set_at(s, i, text));
    }
    scan_answer_head(c, cursor, count);
    for (size_t i = low; i < high && count > 0; i++) {
        kw_slice member = value_set_at(s, i, text);
        if (scan_matches(&options, member)) {
            call_bulk(c, member);
        }
    }
}

/* ------------------------------------------------------------------------- random members */

/* Answers a member and removes it; replicas are told which. */
static void pop_at(node_call *c, value_set *s, size_t position) {
    char text[NUMBER_INTEGER_BYTES];
    kw_slice member = value_set_at(s, position, text);
    const kw_slice removal[] = {SLICE_LITERAL("SREM"), c->argv[1], member};
    call_bulk(c, member);
    call_propagate(c, removal, 3);
    value_set_remove_at(s, position);
}

static void pop_all(node_call *c, keyspace_entry *e, value_set *s) {
    const kw_slice removal[] = {SLICE_LITERAL("DEL"), c->argv[1]};
    answer_members(c, s);
    call_propagate(c, removal, 2);
    keyspace_remove(c->node->keys, e);
}

static void pop_some(node_call *c, keyspace_entry *e, value_set *s, size_t count) {
    call_set(c, count);
    for (size_t i = 0; i < count; i++) {
        pop_at(c, s, (size_t)prng_below(&c->node->random, value_set_count(s)));
    }
    call_settle(c, e);
}

static void pop_count(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    int64_t count;
    if (!args_read_in_range(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive",
                            &count) ||
        !find_set(c, 1, &e, &s)) {
        return;
    }
    if (!s || count == 0) {
        call_set(c, 0);
    } else if ((uint64_t)count >= value_set_count(s)) {
        pop_all(c, e, s);
    } else {
        pop_some(c, e, s, (size_t)count);
    }
}

void serve_spop(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    if (c->argc > 3) {
        call_syntax_error(c);
    } else if (c->argc == 3) {
        pop_count(c);
    } else if (find_set(c, 1, &e, &s) && s) {
        pop_at(c, s, (size_t)prng_below(&c->node->random, value_set_count(s)));
        call_settle(c, e);
    } else if (!e) {
        call_null(c);
    }
}

/* The same member may come again. A reply that outgrows its buffer ends the session. */
static void answer_any(node_call *c, const value_set *s, uint64_t count) {
    call_array(c, (size_t)count);
    for (uint64_t i = 0; i < count && !(c->session->flags & SESSION_FAILED); i++) {
        answer_at(c, s, (size_t)prng_below(&c->node->random, value_set_count(s)));
    }
}

static void answer_distinct(node_call *c, const value_set *s, uint64_t count) {
    size_t all = value_set_count(s);
    uint32_t *picks = NULL;
    size_t pick_count = count < all ? (size_t)count : all;
    if (pick_count < all) {
        picks = pick_distinct(c->node->mem, &c->node->random, (uint32_t)all, (uint32_t)pick_count);
        if (!picks) {
            call_out_of_memory(c);
            return;
        }
    }
    call_array(c, pick_count);
    for (size_t i = 0; i < pick_count; i++) {
        answer_at(c, s, picks ? picks[i] : i);
    }
    mem_free(c->node->mem, picks);
}

void serve_srandmember(node_call *c) {
    keyspace_entry *e;
    value_set *s;
    int64_t count = 1;
    bool counted = c->argc == 3;
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if ((counted && !args_read_in_range(c, 2, -INT64_MAX, INT64_MAX, NULL, &count)) ||
        !find_set(c, 1, &e, &s)) {
        return;
    }
    if (!counted && s) {
        answer_at(c, s, (size_t)prng_below(&c->node->random, value_set_count(s)));
    } else if (!counted) {
        call_null(c);
    } else if (!s || count == 0) {
        call_array(c, 0);
    } else if (count < 0) {
        answer_any(c, s, (uint64_t)-count);
    } else {
        answer_distinct(c, s, (uint64_t)count);
    }
}

/* ---------------------------------------------------------------------- several sets at once */

/* The sets of the keys argv[first] and on; NULL for the missing ones. */
typedef struct operands {
    value_set **sets;
    size_t count;
    bool any_missing;
} operands;

/* False: an error was answered. To be freed with mem_free(sets). */
static bool find_operands(node_call *c, size_t first, size_t count, operands *ret) {
    *ret = (operands){.count = count};
    ret->sets = mem_calloc(c->node->mem, count, sizeof(void *));
    if (!ret->sets) {
        call_out_of_memory(c);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        keyspace_entry *e;
        if (!find_set(c, first + i, &e, &ret->sets[i])) {
            mem_free(c->node->mem, ret->sets);
            return false;
        }
        ret->any_missing = ret->any_missing || !ret->sets[i];
    }
    return true;
}

static bool add_member(value_set *result, kw_slice member) {
    bool added;
    return value_set_add(result, member, &added);
}

/* The first of the smallest sets; all are there. */
static size_t smallest(const operands *o) {
    size_t found = 0;
    for (size_t i = 1; i < o->count; i++) {
        if (value_set_count(o->sets[i]) < value_set_count(o->sets[found])) {
            found = i;
        }
    }
    return found;
}

static bool all_have(const operands *o, size_t but, kw_slice member) {
    for (size_t i = 0; i < o->count; i++) {
        if (i != but && o->sets[i] != o->sets[but] && !value_set_has(o->sets[i], member)) {
            return false;
        }
    }
    return true;
}

/* Stops at `most` members. With result NULL they are only counted. False if memory is short. */
static bool intersect(const operands *o, value_set *result, uint64_t most, uint64_t *ret_count) {
    uint64_t count = 0;
    bool good = true;
    if (!o->any_missing) {
        size_t base = smallest(o);
        const value_set *s = o->sets[base];
        for (size_t i = 0; good && count < most && i < value_set_count(s); i++) {
            char text[NUMBER_INTEGER_BYTES];
            kw_slice member = value_set_at(s, i, text);
            if (all_have(o, base, member)) {
                good = !result || add_member(result, member);
                count++;
            }
        }
    }
    *ret_count = count;
    return good;
}

static bool intersect_all(const operands *o, value_set *result) {
    uint64_t count;
    return intersect(o, result, UINT64_MAX, &count);
}

static bool add_all(const value_set *s, value_set *result) {
    bool good = true;
    for (size_t i = 0; good && s && i < value_set_count(s); i++) {
        char text[NUMBER_INTEGER_BYTES];
        good = add_member(result, value_set_at(s, i, text));
    }
    return good;
}

static bool unite(const operands *o, value_set *result) {
    bool good = true;
    for (size_t i = 0; good && i < o->count; i++) {
        good = add_all(o->sets[i], result);
    }
    return good;
}

static bool others_have(const operands *o, kw_slice member) {
    for (size_t i = 1; i < o->count; i++) {
        if (o->sets[i] && value_set_has(o->sets[i], member)) {
            return true;
        }
    }
    return false;
}

/* Takes the others' members away from all of the first's. */
static bool subtract_by_removing(const operands *o, value_set *result) {
    if (!add_all(o->sets[0], result)) {
        return false;
    }
    for (size_t i = 1; i < o->count; i++) {
        const value_set *s = o->sets[i];
        for (size_t at = 0; s && at < value_set_count(s) && value_set_count(result) > 0; at++) {
            char text[NUMBER_INTEGER_BYTES];
            (void)value_set_remove(result, value_set_at(s, at, text)); /* may not be there */
        }
    }
    return true;
}

/* The servers choose between two ways, and the encoding of what SDIFFSTORE stores shows which. */
static bool subtract(const operands *o, value_set *result) {
    const value_set *first = o->sets[0];
    uint64_t looking_up = 0;
    uint64_t removing = 0;
    for (size_t i = 0; first && i < o->count; i++) {
        if (i > 0 && o->sets[i] == first) {
            return true;
        }
        looking_up += o->sets[i] ? value_set_count(first) : 0;
        removing += o->sets[i] ? value_set_count(o->sets[i]) : 0;
    }
    if (looking_up / 2 > removing) {
        return subtract_by_removing(o, result);
    }
    bool good = true;
    for (size_t i = 0; good && first && i < value_set_count(first); i++) {
        char text[NUMBER_INTEGER_BYTES];
        kw_slice member = value_set_at(first, i, text);
        good = others_have(o, member) || add_member(result, member);
    }
    return good;
}

typedef bool set_operation(const operands *o, value_set *result);

/* Of the keys from argv[first] on; NULL: an error was answered. */
static value_set *operate(node_call *c, size_t first, set_operation *operation) {
    operands o;
    if (!find_operands(c, first, c->argc - first, &o)) {
        return NULL;
    }
    value_set *result = new_set(c);
    if (result && !operation(&o, result)) {
        value_set_kind.free(c->node->mem, result);
        result = NULL;
        call_out_of_memory(c);
    }
    mem_free(c->node->mem, o.sets);
    return result;
}

static void answer_operation(node_call *c, set_operation *operation) {
    value_set *result = operate(c, 1, operation);
    if (result) {
        answer_members(c, result);
        value_set_kind.free(c->node->mem, result);
    }
}

static void store_operation(node_call *c, set_operation *operation) {
    value_set *result = operate(c, 2, operation);
    if (result) {
        call_store(c, c->argv[1], &value_set_kind, result);
    }
}

void serve_sinter(node_call *c) {
    answer_operation(c, intersect_all);
}

void serve_sinterstore(node_call *c) {
    store_operation(c, intersect_all);
}

void serve_sunion(node_call *c) {
    answer_operation(c, unite);
}

void serve_sunionstore(node_call *c) {
    store_operation(c, unite);
}

void serve_sdiff(node_call *c) {
    answer_operation(c, subtract);
}

void serve_sdiffstore(node_call *c) {
    store_operation(c, subtract);
}

void serve_sintercard(node_call *c) {
    int64_t key_count;
    int64_t limit = 0;
    if (!args_read_in_range(c, 1, 1, INT64_MAX, "ERR numkeys should be greater than 0",
                            &key_count)) {
        return;
    }
    if ((uint64_t)key_count > c->argc - 2) {
        call_error(c, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (size_t i = 2 + (size_t)key_count; i < c->argc; i += 2) {
        if (!call_argument_is(c, i, "limit") || i + 1 == c->argc) {
            call_syntax_error(c);
            return;
        }
        if (!args_read_in_range(c, i + 1, 0, INT64_MAX, "ERR LIMIT can't be negative", &limit)) {
            return;
        }
    }
    operands o;
    uint64_t count;
    if (find_operands(c, 2, (size_t)key_count, &o)) {
        (void)intersect(&o, NULL, limit > 0 ? (uint64_t)limit : UINT64_MAX, &count); /* no memory */
        call_integer(c, (int64_t)count);
        mem_free(c->node->mem, o.sets);
    }
}
