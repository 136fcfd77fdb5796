#include "node/serve_zset.h"

#include "base/number.h"
#include "node/node_args.h"
#include "node/node_handlers.h"
#include "node/node_number.h"
#include "node/node_scan.h"

#include <math.h>
#include <stdio.h>

bool zset_find(node_call *c, size_t index, keyspace_entry **ret_entry, value_zset **ret) {
    if (!call_find_kind(c, index, &value_zset_kind, ret_entry)) {
        return false;
    }
    *ret = *ret_entry ? (*ret_entry)->object : NULL;
    return true;
}

value_zset *zset_new(node_call *c) {
    return value_zset_new(c->node->mem, prng_next(&c->node->random));
}

void zset_answer_head(node_call *c, size_t count, bool with_scores) {
    call_array(c, with_scores && c->session->resp == 2 ? 2 * count : count);
}

void zset_answer_node(node_call *c, const zset_node *at, bool with_scores) {
    if (with_scores && c->session->resp > 2) {
        call_array(c, 2);
    }
    call_bulk(c, zset_node_member(at));
    if (with_scores) {
        call_double(c, zset_node_score(at));
    }
}

/* -------------------------------------------------------------------------------- adding */

enum {
    ZADD_NX = 1u << 0,
    ZADD_XX = 1u << 1,
    ZADD_GT = 1u << 2,
    ZADD_LT = 1u << 3,
    ZADD_CH = 1u << 4,
    ZADD_INCR = 1u << 5
};

typedef struct zadd_terms {
    unsigned flags;
    size_t first; /* of the scores, each with its member behind it */
    size_t count;
} zadd_terms;

static unsigned zadd_flag(kw_slice word) {
    static const char *const words[] = {"nx", "xx", "gt", "lt", "ch", "incr"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (slice_is_nocase(word, words[i])) {
            return 1u << i;
        }
    }
    return 0;
}

static bool read_zadd_terms(node_call *c, unsigned flags, zadd_terms *ret) {
    size_t first = 2;
    for (unsigned flag; first < c->argc && (flag = zadd_flag(c->argv[first])) != 0; first++) {
        flags |= flag;
    }
    size_t left = c->argc - first;
    if (left == 0 || left % 2 != 0) {
        call_syntax_error(c);
        return false;
    }
    unsigned conditions = flags & (ZADD_GT | ZADD_LT | ZADD_NX);
    if ((flags & ZADD_NX) && (flags & ZADD_XX)) {
        call_error(c, "ERR XX and NX options at the same time are not compatible");
        return false;
    }
    if ((conditions & (conditions - 1)) != 0) {
        call_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
        return false;
    }
    if ((flags & ZADD_INCR) && left > 2) {
        call_error(c, "ERR INCR option supports a single increment-element pair");
        return false;
    }
    *ret = (zadd_terms){flags, first, left / 2};
    return true;
}

typedef enum zadd_result {
    ZADD_ADDED,
    ZADD_UPDATED,
    ZADD_SAME,    /* it had that score */
    ZADD_REFUSED, /* by the flags */
    ZADD_NAN,
    ZADD_NO_MEMORY
} zadd_result;

/* *ret_score is what the member has then. */
static zadd_result add_one(value_zset *z, kw_slice member, double score, unsigned flags,
                           double *ret_score) {
    zset_node *at = value_zset_find(z, member);
    if (flags & (at ? ZADD_NX : ZADD_XX)) {
        return ZADD_REFUSED;
    }
    *ret_score = score;
    if (!at) {
        return value_zset_add(z, member, score) ? ZADD_ADDED : ZADD_NO_MEMORY;
    }
    double before = zset_node_score(at);
    if (flags & ZADD_INCR) {
        score += before;
        if (isnan(score)) {
            return ZADD_NAN;
        }
    }
    if (((flags & ZADD_LT) && score >= before) || ((flags & ZADD_GT) && score <= before)) {
        return ZADD_REFUSED;
    }
    *ret_score = score;
    if (score == before) {
        return ZADD_SAME;
    }
    value_zset_rescore(z, at, score);
    return ZADD_UPDATED;
}

typedef struct zadd_counts {
    int64_t added;
    int64_t updated;
    bool refused; /* the last one */
    double score; /* of the last one */
} zadd_counts;

/* False: an error was answered; what was counted is done nevertheless. */
static bool add_all(node_call *c, value_zset *z, const zadd_terms *terms, const double *scores,
                    zadd_counts *counts) {
    for (size_t i = 0; i < terms->count; i++) {
        kw_slice member = c->argv[terms->first + 2 * i + 1];
        zadd_result result = add_one(z, member, scores[i], terms->flags, &counts->score);
        if (result == ZADD_NAN) {
            call_error(c, "ERR resulting score is not a number (NaN)");
            return false;
        }
        if (result == ZADD_NO_MEMORY) {
            call_out_of_memory(c);
            return false;
        }
        counts->added += result == ZADD_ADDED;
        counts->updated += result == ZADD_UPDATED;
        counts->refused = result == ZADD_REFUSED;
    }
    return true;
}

static void answer_zadd(node_call *c, const zadd_terms *terms, const zadd_counts *counts) {
    if (!(terms->flags & ZADD_INCR)) {
        call_integer(c, counts->added + (terms->flags & ZADD_CH ? counts->updated : 0));
    } else if (counts->refused) {
        call_null(c);
    } else {
        call_double(c, counts->score);
    }
}

static void add_to_new(node_call *c, const zadd_terms *terms, const double *scores) {
    zadd_counts counts = {.refused = true};
    value_zset *z = NULL;
    if (!(terms->flags & ZADD_XX)) {
        z = zset_new(c);
        if (!z) {
            call_out_of_memory(c);
            return;
        }
        if (!add_all(c, z, terms, scores, &counts)) {
            value_zset_free(z);
            return;
        }
        if (!keyspace_put(c->node->keys, c->argv[1], &value_zset_kind, z, 0)) {
            value_zset_free(z);
            call_out_of_memory(c);
            return;
        }
    }
    answer_zadd(c, terms, &counts);
}

static void add(node_call *c, const zadd_terms *terms, const double *scores) {
    keyspace_entry *e;
    value_zset *z;
    if (!zset_find(c, 1, &e, &z)) {
        return;
    }
    if (!e) {
        add_to_new(c, terms, scores);
        return;
    }
    zadd_counts counts = {.refused = true};
    if (add_all(c, z, terms, scores, &counts)) {
        answer_zadd(c, terms, &counts);
    }
    if (counts.added > 0 || counts.updated > 0) {
        keyspace_touch(c->node->keys, e);
    }
}

/* All scores are read before any is used. */
static void zadd(node_call *c, unsigned flags) {
    zadd_terms terms;
    if (!read_zadd_terms(c, flags, &terms)) {
        return;
    }
    double single;
    double *scores =
        terms.count == 1 ? &single : mem_calloc(c->node->mem, terms.count, sizeof *scores);
    if (!scores) {
        call_out_of_memory(c);
        return;
    }
    bool good = true;
    for (size_t i = 0; i < terms.count && good; i++) {
        good =
            args_read_double(c, terms.first + 2 * i, "ERR value is not a valid float", &scores[i]);
    }
    if (good) {
        add(c, &terms, scores);
    }
    if (scores != &single) {
        mem_free(c->node->mem, scores);
    }
}

void serve_zadd(node_call *c) {
    zadd(c, 0);
}

void serve_zincrby(node_call *c) {
    zadd(c, ZADD_INCR);
}

void serve_zrem(node_call *c) {
    keyspace_entry *e;
    value_zset *z;
    int64_t removed = 0;
    if (!zset_find(c, 1, &e, &z)) {
        return;
    }
    for (size_t i = 2; z && i < c->argc; i++) {
        zset_node *at = value_zset_find(z, c->argv[i]);
        if (at) {
            value_zset_remove(z, at);
            removed++;
        }
    }
    if (removed > 0) {
        call_settle(c, e);
    }
    call_integer(c, removed);
}

/* ------------------------------------------------------------------------------- reading */

void serve_zcard(node_call *c) {
    keyspace_entry *e;
    value_zset *z;
    if (zset_find(c, 1, &e, &z)) {
        call_integer(c, z ? (int64_t)value_zset_count(z) : 0);
    }
}

static void answer_score(node_call *c, const zset_node *at) {
    if (at) {
        call_double(c, zset_node_score(at));
    } else {
        call_null(c);
    }
}

void serve_zscore(node_call *c) {
    keyspace_entry *e;
    value_zset *z;
    if (zset_find(c, 1, &e, &z)) {
        answer_score(c, z ? value_zset_find(z, c->argv[2]) : NULL);
    }
}

void serve_zmscore(node_call *c) {
    keyspace_entry *e;
    value_zset *z;
    if (!zset_find(c, 1, &e, &z)) {
        return;
    }
    call_array(c, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        answer_score(c, z ? value_zset_find(z, c->argv[i]) : NULL);
    }
}

static void answer_rank(node_call *c, bool from_tail) {
    keyspace_entry *e;
    value_zset *z;
    if (!zset_find(c, 1, &e, &z)) {
        return;
    }
    const zset_node *at = z ? value_zset_find(z, c->argv[2]) : NULL;
    if (!at) {
        call_null(c);
        return;
    }
    size_t rank = value_zset_rank(z, at);
    call_integer(c, (int64_t)(from_tail ? value_zset_count(z) - 1 - rank : rank));
}

void serve_zrank(node_call *c) {
    answer_rank(c, false);
}

void serve_zrevrank(node_call *c) {
    answer_rank(c, true);
}

/* ------------------------------------------------------------------------------ scanning */

typedef struct zscan {
    node_call *call;
    scan_options options;
    bool packed;
    bool counting;
    size_t count;
} zscan;

/* A listpack shows whole numbers in full; else a score is written as in any reply. */
static void answer_scanned_score(node_call *c, double score, bool packed) {
    char text[NUMBER_TEXT_BYTES];
    bool whole = packed && fabs(score) <= 0x1p62 && score == (double)(long long)score;
    size_t len = whole ? (size_t)snprintf(text, sizeof text, "%lld", (long long)score)
                       : number_format(text, 'g', 17, score);
    call_bulk(c, slice_of(text, len));
}

static void visit(void *arg, const zset_node *at) {
    zscan *scan = arg;
    if (!scan_matches(&scan->options, zset_node_member(at))) {
        return;
    }
    if (scan->counting) {
        scan->count++;
        return;
    }
    call_bulk(scan->call, zset_node_member(at));
    answer_scanned_score(scan->call, zset_node_score(at), scan->packed);
}

void serve_zscan(node_call *c) {
    uint64_t cursor;
    keyspace_entry *e;
    value_zset *z;
    if (!scan_read_cursor(c, 2, &cursor) || !zset_find(c, 1, &e, &z)) {
        return;
    }
    if (!z) {
        scan_answer_head(c, 0, 0);
        return;
    }
    zscan scan = {.call = c, .packed = value_zset_is_packed(z), .counting = true};
    if (!scan_read_options(c, 3, false, &scan.options)) {
        return;
    }
    uint64_t next = value_zset_scan(z, cursor, (size_t)scan.options.count, visit, &scan);
    scan_answer_head(c, next, 2 * scan.count);
    scan.counting = false;
    (void)value_zset_scan(z, cursor, (size_t)scan.options.count, visit, &scan); /* as before */
}
