#include "base/number.h"
#include "core/limits.h"
#include "node/node_args.h"
#include "node/node_block.h"
#include "node/node_handlers.h"
#include "node/node_pick.h"
#include "node/serve_zset.h"

/* ------------------------------------------------------------------------------- popping */

typedef struct zset_pop {
    bool highest;
    size_t first_key;
    size_t key_count;
    int64_t count; /* -1: one member, not in an array of its own */
} zset_pop;

static void take_off(node_call *c, keyspace_entry *e, bool highest, size_t count, bool in_pairs) {
    value_zset *z = e->object;
    for (size_t i = 0; i < count; i++) {
        zset_node *at = value_zset_at(z, highest ? value_zset_count(z) - 1 : 0);
        if (in_pairs) {
            call_array(c, 2);
        }
        call_bulk(c, zset_node_member(at));
        call_double(c, zset_node_score(at));
        value_zset_remove(z, at);
    }
    call_settle(c, e);
}

static size_t at_most(const value_zset *z, int64_t count) {
    size_t all = value_zset_count(z);
    return (uint64_t)count < all ? (size_t)count : all;
}

static void pop(node_call *c, bool highest) {
    int64_t count = 1;
    keyspace_entry *e;
    value_zset *z;
    if (c->argc > 3) {
        call_syntax_error(c);
        return;
    }
    if ((c->argc == 3 && !args_read_count(c, 2, &count)) || !zset_find(c, 1, &e, &z)) {
        return;
    }
    size_t popped = z ? at_most(z, count) : 0;
    bool in_pairs = c->argc == 3 && c->session->resp > 2;
    call_array(c, in_pairs ? popped : 2 * popped);
    if (popped > 0) {
        take_off(c, e, highest, popped, in_pairs);
    }
}

void serve_zpopmin(node_call *c) {
    pop(c, false);
}

void serve_zpopmax(node_call *c) {
    pop(c, true);
}

static void propagate_pop(node_call *c, kw_slice key, const zset_pop *p, size_t popped) {
    char text[NUMBER_U64_BYTES];
    kw_slice argv[] = {p->highest ? SLICE_LITERAL("ZPOPMAX") : SLICE_LITERAL("ZPOPMIN"), key,
                       slice_of(text, number_from_u64(text, popped))};
    call_propagate(c, argv, p->count < 0 ? 2 : 3);
}

static void pop_from(node_call *c, keyspace_entry *e, kw_slice key, const zset_pop *p) {
    bool single = p->count < 0;
    size_t popped = single ? 1 : at_most(e->object, p->count);
    call_array(c, single ? 3 : 2);
    call_bulk(c, key);
    if (!single) {
        call_array(c, popped);
    }
    take_off(c, e, p->highest, popped, !single);
    propagate_pop(c, key, p, popped);
}

/* True if there was an answer: members of the first sorted set, or that a key is none. */
static bool pop_first(node_call *c, const zset_pop *p) {
    kw_slice key;
    keyspace_entry *e;
    if (!call_find_first(c, &value_zset_kind, p->first_key, p->key_count, &key, &e)) {
        return true;
    }
    if (e) {
        pop_from(c, e, key, p);
    }
    return e != NULL;
}

static void pop_or_wait(node_call *c, const zset_pop *p, size_t timeout) {
    uint64_t deadline_us;
    if (!args_read_timeout(c, timeout, &deadline_us) || pop_first(c, p)) {
        return;
    }
    if (c->in_exec) {
        call_null_array(c);
    } else {
        call_block(c, BLOCK_FOR_ZSET, p->first_key, p->key_count, deadline_us, call_null_array);
    }
}

void serve_bzpopmin(node_call *c) {
    pop_or_wait(c, &(zset_pop){false, 1, c->argc - 2, -1}, c->argc - 1);
}

void serve_bzpopmax(node_call *c) {
    pop_or_wait(c, &(zset_pop){true, 1, c->argc - 2, -1}, c->argc - 1);
}

/* numkeys key ... MIN|MAX [COUNT count], from argv[index] on. */
static bool read_mpop(node_call *c, size_t index, zset_pop *ret) {
    *ret = (zset_pop){.first_key = index + 1, .count = 1};
    if (!args_read_counted_keys(c, index, &ret->key_count)) {
        return false;
    }
    size_t where = index + 1 + ret->key_count;
    ret->highest = call_argument_is(c, where, "max");
    if (!ret->highest && !call_argument_is(c, where, "min")) {
        call_syntax_error(c);
        return false;
    }
    return args_read_pop_count(c, where + 1, &ret->count);
}

void serve_zmpop(node_call *c) {
    zset_pop p;
    if (read_mpop(c, 1, &p) && !pop_first(c, &p)) {
        call_null_array(c);
    }
}

void serve_bzmpop(node_call *c) {
    zset_pop p;
    if (read_mpop(c, 2, &p)) {
        pop_or_wait(c, &p, 1);
    }
}

/* ------------------------------------------------------------------------ random members */

static zset_node *random_node(node_call *c, const value_zset *z) {
    return value_zset_at(z, (size_t)prng_below(&c->node->random, value_zset_count(z)));
}

/* All of them, from the highest on as the servers do. */
static void answer_all(node_call *c, const value_zset *z, bool with_scores) {
    size_t count = value_zset_count(z);
    zset_answer_head(c, count, with_scores);
    for (const zset_node *at = value_zset_at(z, count - 1); at; at = zset_node_prev(at)) {
        zset_answer_node(c, at, with_scores);
    }
}

static void answer_distinct(node_call *c, const value_zset *z, size_t count, bool with_scores) {
    uint32_t *ranks = pick_distinct(c->node->mem, &c->node->random, (uint32_t)value_zset_count(z),
                                    (uint32_t)count);
    if (!ranks) {
        call_out_of_memory(c);
        return;
    }
    zset_answer_head(c, count, with_scores);
    for (size_t i = 0; i < count; i++) {
        zset_answer_node(c, value_zset_at(z, ranks[i]), with_scores);
    }
    mem_free(c->node->mem, ranks);
}

static void answer_repeating(node_call *c, const value_zset *z, uint64_t count, bool with_scores) {
    if (count > LIMIT_REPLY_VALUES / 4) {
        call_out_of_memory(c);
        return;
    }
    zset_answer_head(c, (size_t)count, with_scores);
    for (uint64_t i = 0; i < count; i++) {
        zset_answer_node(c, random_node(c, z), with_scores);
    }
}

static void answer_random(node_call *c, int64_t count, bool with_scores) {
    keyspace_entry *e;
    value_zset *z;
    if (!zset_find(c, 1, &e, &z)) {
        return;
    }
    if (!z || count == 0) {
        call_array(c, 0);
    } else if (count < 0) {
        answer_repeating(c, z, 0 - (uint64_t)count, with_scores);
    } else if ((uint64_t)count >= value_zset_count(z)) {
        answer_all(c, z, with_scores);
    } else {
        answer_distinct(c, z, (size_t)count, with_scores);
    }
}

void serve_zrandmember(node_call *c) {
    keyspace_entry *e;
    value_zset *z;
    int64_t count;
    if (c->argc == 2) {
        if (!zset_find(c, 1, &e, &z)) {
            return;
        }
        if (z) {
            call_bulk(c, zset_node_member(random_node(c, z)));
        } else {
            call_null(c);
        }
        return;
    }
    if (!args_read_in_range(c, 2, -INT64_MAX, INT64_MAX, NULL, &count)) {
        return;
    }
    if (c->argc > 4 || (c->argc == 4 && !call_argument_is(c, 3, "withscores"))) {
        call_syntax_error(c);
        return;
    }
    bool with_scores = c->argc == 4;
    if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        call_error(c, "ERR value is out of range");
        return;
    }
    answer_random(c, count, with_scores);
}
