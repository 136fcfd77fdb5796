#include "node/node_args.h"
#include "node/node_handlers.h"
#include "node/serve_zset.h"
#include "node/value_set.h"

#include <math.h>
#include <stdlib.h>

typedef enum combination { UNION, INTERSECTION, DIFFERENCE } combination;
typedef enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX } aggregate;

/* One of the keys: a sorted set, or a set whose members have score 1, or neither if it is missing.
 */
typedef struct operand {
    const value_zset *zset;
    const value_set *set;
    double weight;
    size_t position; /* among the keys */
} operand;

typedef struct operands {
    operand *all;
    size_t count;
    aggregate aggregate;
    bool with_scores;
    uint64_t limit; /* of ZINTERCARD; UINT64_MAX: none */
} operands;

static size_t size_of(const operand *o) {
    return o->zset ? value_zset_count(o->zset) : o->set ? value_set_count(o->set) : 0;
}

/* A walk through one operand's members. */
typedef struct operand_walk {
    const operand *operand;
    const zset_node *at;
    size_t position; /* of a set */
    char text[NUMBER_INTEGER_BYTES];
} operand_walk;

static operand_walk begin_walk(const operand *o) {
    return (operand_walk){.operand = o, .at = o->zset ? value_zset_at(o->zset, 0) : NULL};
}

static bool walk(operand_walk *w, kw_slice *ret_member, double *ret_score) {
    const operand *o = w->operand;
    if (w->at) {
        *ret_member = zset_node_member(w->at);
        *ret_score = zset_node_score(w->at);
        w->at = zset_node_next(w->at);
        return true;
    }
    if (o->set && w->position < value_set_count(o->set)) {
        *ret_member = value_set_at(o->set, w->position++, w->text);
        *ret_score = 1;
        return true;
    }
    return false;
}

static bool find_score(const operand *o, kw_slice member, double *ret_score) {
    if (o->zset) {
        const zset_node *at = value_zset_find(o->zset, member);
        if (at) {
            *ret_score = zset_node_score(at);
        }
        return at != NULL;
    }
    *ret_score = 1;
    return o->set && value_set_has(o->set, member);
}

/* ----------------------------------------------------------------------------- combining */

/* Infinities that cancel each other out give 0, as in the servers. */
static double weighted(double score, double weight) {
    double value = score * weight;
    return isnan(value) ? 0 : value;
}

static double aggregated(double a, double b, aggregate how) {
    if (how == AGGREGATE_SUM) {
        return isnan(a + b) ? 0 : a + b;
    }
    bool second = how == AGGREGATE_MIN ? b < a : b > a;
    return second ? b : a;
}

static bool unite(const operands *o, value_zset *result) {
    for (size_t i = 0; i < o->count; i++) {
        operand_walk w = begin_walk(&o->all[i]);
        kw_slice member;
        double score;
        while (walk(&w, &member, &score)) {
            score = weighted(score, o->all[i].weight);
            zset_node *at = value_zset_find(result, member);
            if (at) {
                score = aggregated(zset_node_score(at), score, o->aggregate);
                value_zset_rescore(result, at, score);
            } else if (!value_zset_add(result, member, score)) {
                return false;
            }
        }
    }
    return true;
}

/* True if all operands have the member; *score, of the first, becomes that of all. */
static bool is_in_all(const operands *o, kw_slice member, double *score) {
    *score = weighted(*score, o->all[0].weight);
    for (size_t i = 1; i < o->count; i++) {
        double other;
        if (!find_score(&o->all[i], member, &other)) {
            return false;
        }
        *score = aggregated(*score, other * o->all[i].weight, o->aggregate);
    }
    return true;
}

/* The members of the intersection go to `result`; NULL: they are only counted, up to the limit. */
static bool intersect(const operands *o, value_zset *result, uint64_t *ret_count) {
    operand_walk w = begin_walk(&o->all[0]);
    kw_slice member;
    double score;
    uint64_t count = 0;
    while (count < o->limit && walk(&w, &member, &score)) {
        if (is_in_all(o, member, &score)) {
            count++;
            if (result && !value_zset_add(result, member, score)) {
                return false;
            }
        }
    }
    *ret_count = count;
    return true;
}

static bool subtract(const operands *o, value_zset *result) {
    operand_walk w = begin_walk(&o->all[0]);
    kw_slice member;
    double score;
    while (walk(&w, &member, &score)) {
        bool elsewhere = false;
        for (size_t i = 1; i < o->count && !elsewhere; i++) {
            double other;
            elsewhere = find_score(&o->all[i], member, &other);
        }
        if (!elsewhere && !value_zset_add(result, member, score)) {
            return false;
        }
    }
    return true;
}

/* NULL if memory is short. It is not packed: what a server works with is no listpack. */
static value_zset *combine(node_call *c, const operands *o, combination how) {
    value_zset *result = zset_new(c);
    if (!result) {
        return NULL;
    }
    value_zset_unpack(result);
    uint64_t count;
    bool good = how == UNION          ? unite(o, result)
                : how == INTERSECTION ? intersect(o, result, &count)
                                      : subtract(o, result);
    if (good) {
        return result;
    }
    value_zset_free(result);
    return NULL;
}

/* ----------------------------------------------------------------------------- arguments */

static bool find_operand(node_call *c, size_t index, operand *ret) {
    const keyspace_entry *e = call_find(c, index);
    if (e && e->kind != &value_zset_kind && e->kind != &value_set_kind) {
        call_wrong_type(c);
        return false;
    }
    *ret = (operand){
        .zset = e && e->kind == &value_zset_kind ? e->object : NULL,
        .set = e && e->kind == &value_set_kind ? e->object : NULL,
        .weight = 1,
    };
    return true;
}

static bool read_weights(node_call *c, size_t index, operands *o) {
    for (size_t i = 0; i < o->count; i++) {
        if (!args_read_double(c, index + i, "ERR weight value is not a float", &o->all[i].weight)) {
            return false;
        }
    }
    return true;
}

static bool read_aggregate(node_call *c, size_t index, aggregate *ret) {
    static const char *const words[] = {"sum", "min", "max"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (call_argument_is(c, index, words[i])) {
            *ret = (aggregate)i;
            return true;
        }
    }
    call_syntax_error(c);
    return false;
}

static bool read_limit(node_call *c, size_t index, uint64_t *ret) {
    int64_t limit;
    if (!args_read_in_range(c, index, 0, INT64_MAX, "ERR LIMIT can't be negative", &limit)) {
        return false;
    }
    *ret = limit == 0 ? UINT64_MAX : (uint64_t)limit;
    return true;
}

enum { TAKES_WEIGHTS = 1u << 0, TAKES_WITHSCORES = 1u << 1, TAKES_LIMIT = 1u << 2 };

static bool read_options(node_call *c, size_t index, unsigned takes, operands *o) {
    while (index < c->argc) {
        size_t left = c->argc - index;
        bool good = true;
        if ((takes & TAKES_WEIGHTS) && left > o->count && call_argument_is(c, index, "weights")) {
            good = read_weights(c, index + 1, o);
            index += 1 + o->count;
        } else if ((takes & TAKES_WEIGHTS) && left > 1 && call_argument_is(c, index, "aggregate")) {
            good = read_aggregate(c, index + 1, &o->aggregate);
            index += 2;
        } else if ((takes & TAKES_WITHSCORES) && call_argument_is(c, index, "withscores")) {
            o->with_scores = true;
            index++;
        } else if ((takes & TAKES_LIMIT) && left > 1 && call_argument_is(c, index, "limit")) {
            good = read_limit(c, index + 1, &o->limit);
            index += 2;
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

static bool read_key_count(node_call *c, size_t index, size_t *ret) {
    int64_t count;
    if (!call_read_integer(c, index, &count)) {
        return false;
    }
    if (count < 1) {
        call_errorf(c, "ERR at least 1 input key is needed for '%s' command", c->command->name);
        return false;
    }
    if ((uint64_t)count > c->argc - index - 1) {
        call_syntax_error(c);
        return false;
    }
    *ret = (size_t)count;
    return true;
}

/* numkeys key ... [options], from argv[index] on. False: an error was answered. */
static bool read_operands(node_call *c, size_t index, unsigned takes, operands *ret) {
    *ret = (operands){.limit = UINT64_MAX};
    if (!read_key_count(c, index, &ret->count)) {
        return false;
    }
    ret->all = mem_calloc(c->node->mem, ret->count, sizeof *ret->all);
    if (!ret->all) {
        call_out_of_memory(c);
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < ret->count && good; i++) {
        good = find_operand(c, index + 1 + i, &ret->all[i]);
        ret->all[i].position = i;
    }
    if (good && read_options(c, index + 1 + ret->count, takes, ret)) {
        return true;
    }
    mem_free(c->node->mem, ret->all);
    return false;
}

/* The smallest first, those of one size in their order: sums of floats depend on it. */
static int compare_sizes(const void *a, const void *b) {
    const operand *x = a;
    const operand *y = b;
    if (size_of(x) != size_of(y)) {
        return size_of(x) < size_of(y) ? -1 : 1;
    }
    return (x->position > y->position) - (x->position < y->position);
}

static void sort_operands(operands *o) {
    qsort(o->all, o->count, sizeof *o->all, compare_sizes);
}

/* ------------------------------------------------------------------------------ commands */

static unsigned weights_of(combination how) {
    return how == DIFFERENCE ? 0 : TAKES_WEIGHTS;
}

static value_zset *combine_arguments(node_call *c, size_t index, unsigned takes, combination how,
                                     bool *ret_with_scores) {
    operands o;
    if (!read_operands(c, index, takes | weights_of(how), &o)) {
        return NULL;
    }
    if (how != DIFFERENCE) {
        sort_operands(&o);
    }
    value_zset *result = combine(c, &o, how);
    *ret_with_scores = o.with_scores;
    mem_free(c->node->mem, o.all);
    if (!result) {
        call_out_of_memory(c);
    }
    return result;
}

static void answer_combined(node_call *c, combination how) {
    bool with_scores;
    value_zset *result = combine_arguments(c, 1, TAKES_WITHSCORES, how, &with_scores);
    if (!result) {
        return;
    }
    zset_answer_head(c, value_zset_count(result), with_scores);
    for (const zset_node *at = value_zset_at(result, 0); at; at = zset_node_next(at)) {
        zset_answer_node(c, at, with_scores);
    }
    value_zset_free(result);
}

static void store_combined(node_call *c, combination how) {
    bool with_scores;
    value_zset *result = combine_arguments(c, 2, 0, how, &with_scores);
    if (result) {
        value_zset_pack(result);
        call_store(c, c->argv[1], &value_zset_kind, result);
    }
}

void serve_zunion(node_call *c) {
    answer_combined(c, UNION);
}

void serve_zinter(node_call *c) {
    answer_combined(c, INTERSECTION);
}

void serve_zdiff(node_call *c) {
    answer_combined(c, DIFFERENCE);
}

void serve_zunionstore(node_call *c) {
    store_combined(c, UNION);
}

void serve_zinterstore(node_call *c) {
    store_combined(c, INTERSECTION);
}

void serve_zdiffstore(node_call *c) {
    store_combined(c, DIFFERENCE);
}

void serve_zintercard(node_call *c) {
    operands o;
    if (!read_operands(c, 1, TAKES_LIMIT, &o)) {
        return;
    }
    uint64_t count;
    sort_operands(&o);
    (void)intersect(&o, NULL, &count); /* counting takes no memory */
    mem_free(c->node->mem, o.all);
    call_integer(c, (int64_t)count);
}
