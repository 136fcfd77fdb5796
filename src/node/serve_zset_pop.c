#include "core/limits.h"
#include "node/node_args.h"
#include "node/node_handlers.h"
#include "node/node_pick.h"
#include "node/serve_pop.h"
#include "node/serve_zset.h"

/* ------------------------------------------------------------------------------- popping */

static void take(node_call *c, keyspace_entry *e, bool highest, size_t count, bool in_pairs) {
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
    size_t all = z ? value_zset_count(z) : 0;
    size_t popped = (uint64_t)count < all ? (size_t)count : all;
    bool in_pairs = c->argc == 3 && c->session->resp > 2;
    call_array(c, in_pairs ? popped : 2 * popped);
    if (popped > 0) {
        take(c, e, highest, popped, in_pairs);
    }
}

void serve_zpopmin(node_call *c) {
    pop(c, false);
}

void serve_zpopmax(node_call *c) {
    pop(c, true);
}

static const pop_kind zset_pop = {
    .value = &value_zset_kind,
    .reason = BLOCK_FOR_ZSET,
    .head = "min",
    .tail = "max",
    .pop_head = "ZPOPMIN",
    .pop_tail = "ZPOPMAX",
    .element_values = 2,
    .take = take,
};

void serve_bzpopmin(node_call *c) {
    pop_one_or_wait(c, &zset_pop, false);
}

void serve_bzpopmax(node_call *c) {
    pop_one_or_wait(c, &zset_pop, true);
}

void serve_zmpop(node_call *c) {
    pop_many(c, &zset_pop);
}

void serve_bzmpop(node_call *c) {
    pop_many_or_wait(c, &zset_pop);
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
