#include "node/node_args.h"
#include "node/node_handlers.h"
#include "node/node_number.h"
#include "node/serve_zset.h"

typedef enum range_by { BY_ANY, BY_RANK, BY_SCORE, BY_LEX } range_by;

/* What of a sorted set is meant. */
typedef struct zset_range {
    range_by by;
    bool reverse;
    bool with_scores;
    int64_t offset;
    int64_t limit; /* below 0: none */
    int64_t start;
    int64_t stop;
    zset_scores scores;
    zset_lex lex;
} zset_range;

/* -------------------------------------------------------------------------------- bounds */

static bool read_score_bound(kw_slice text, double *ret, bool *ret_open) {
    *ret_open = text.len > 0 && text.data[0] == '(';
    if (*ret_open) {
        text = slice_of(text.data + 1, text.len - 1);
    }
    return number_read_bound(text, ret);
}

static bool read_scores(node_call *c, size_t min, size_t max, zset_scores *ret) {
    if (read_score_bound(c->argv[min], &ret->min, &ret->min_open) &&
        read_score_bound(c->argv[max], &ret->max, &ret->max_open)) {
        return true;
    }
    call_error(c, "ERR min or max is not a float");
    return false;
}

static bool read_lex_bound(kw_slice text, kw_slice *ret, zset_bound *ret_bound) {
    *ret = SLICE_LITERAL("");
    if (slice_is(text, "-") || slice_is(text, "+")) {
        *ret_bound = text.data[0] == '-' ? ZSET_LOWEST : ZSET_HIGHEST;
        return true;
    }
    if (text.len == 0 || (text.data[0] != '(' && text.data[0] != '[')) {
        return false;
    }
    *ret_bound = text.data[0] == '(' ? ZSET_OPEN : ZSET_CLOSED;
    *ret = slice_of(text.data + 1, text.len - 1);
    return true;
}

static bool read_lex(node_call *c, size_t min, size_t max, zset_lex *ret) {
    if (read_lex_bound(c->argv[min], &ret->min, &ret->min_bound) &&
        read_lex_bound(c->argv[max], &ret->max, &ret->max_bound)) {
        return true;
    }
    call_error(c, "ERR min or max not valid string range item");
    return false;
}

/* The bounds at argv[first] and behind it; the higher one is the first of scores and members in
 * reverse. */
static bool read_bounds(node_call *c, size_t first, zset_range *r) {
    size_t min = r->reverse ? first + 1 : first;
    size_t max = r->reverse ? first : first + 1;
    if (r->by == BY_SCORE) {
        return read_scores(c, min, max, &r->scores);
    }
    if (r->by == BY_LEX) {
        return read_lex(c, min, max, &r->lex);
    }
    return call_read_integer(c, first, &r->start) && call_read_integer(c, first + 1, &r->stop);
}

/* The ranks *ret_first .. *ret_end - 1 are inside, whatever LIMIT says. */
static void find_ranks(const value_zset *z, const zset_range *r, size_t *ret_first,
                       size_t *ret_end) {
    if (r->by == BY_SCORE) {
        value_zset_score_ranks(z, &r->scores, ret_first, ret_end);
        return;
    }
    if (r->by == BY_LEX) {
        value_zset_lex_ranks(z, &r->lex, r->reverse, ret_first, ret_end);
        return;
    }
    size_t count = value_zset_count(z);
    size_t first;
    size_t end;
    args_to_range(r->start, r->stop, count, &first, &end);
    bool turned = r->reverse && first < end;
    *ret_first = turned ? count - end : first;
    *ret_end = turned ? count - first : end;
}

/* Cuts the ranks down to what LIMIT leaves of them. */
static void apply_limit(const zset_range *r, size_t *first, size_t *end) {
    if (r->by == BY_RANK) {
        return; /* LIMIT ... -1 is let through, and means nothing */
    }
    uint64_t count = *end - *first;
    uint64_t skipped = r->offset < 0 || (uint64_t)r->offset > count ? count : (uint64_t)r->offset;
    uint64_t left = count - skipped;
    if (r->limit >= 0 && (uint64_t)r->limit < left) {
        left = (uint64_t)r->limit;
    }
    if (r->reverse) {
        *end -= (size_t)skipped;
        *first = *end - (size_t)left;
    } else {
        *first += (size_t)skipped;
        *end = *first + (size_t)left;
    }
}

/* ------------------------------------------------------------------- counting and removing */

/* The ranks of argv[1] between the bounds that argv[2] and argv[3] are. False: an error was
 * answered. */
static bool find_bounded(node_call *c, range_by by, keyspace_entry **ret_entry, size_t *ret_first,
                         size_t *ret_end) {
    zset_range r = {.by = by};
    value_zset *z;
    if (!read_bounds(c, 2, &r) || !zset_find(c, 1, ret_entry, &z)) {
        return false;
    }
    *ret_first = 0;
    *ret_end = 0;
    if (z) {
        find_ranks(z, &r, ret_first, ret_end);
    }
    return true;
}

static void count_range(node_call *c, range_by by) {
    keyspace_entry *e;
    size_t first;
    size_t end;
    if (find_bounded(c, by, &e, &first, &end)) {
        call_integer(c, (int64_t)(end - first));
    }
}

void serve_zcount(node_call *c) {
    count_range(c, BY_SCORE);
}

void serve_zlexcount(node_call *c) {
    count_range(c, BY_LEX);
}

static void remove_range(node_call *c, range_by by) {
    keyspace_entry *e;
    size_t first;
    size_t end;
    if (!find_bounded(c, by, &e, &first, &end)) {
        return;
    }
    if (first < end) {
        value_zset_remove_ranks(e->object, first, end);
        call_settle(c, e);
    }
    call_integer(c, (int64_t)(end - first));
}

void serve_zremrangebyrank(node_call *c) {
    remove_range(c, BY_RANK);
}

void serve_zremrangebyscore(node_call *c) {
    remove_range(c, BY_SCORE);
}

void serve_zremrangebylex(node_call *c) {
    remove_range(c, BY_LEX);
}

/* ------------------------------------------------------------------------------- reading */

/* What may be chosen in the options, where the command's name leaves it open. */
enum { CHOOSE_REVERSE = 1u << 0, CHOOSE_SCORES = 1u << 1 };

static bool read_range_options(node_call *c, size_t index, unsigned choices, zset_range *r) {
    for (size_t i = index; i < c->argc; i++) {
        if ((choices & CHOOSE_SCORES) && call_argument_is(c, i, "withscores")) {
            r->with_scores = true;
        } else if (call_argument_is(c, i, "limit") && i + 2 < c->argc) {
            if (!call_read_integer(c, i + 1, &r->offset) ||
                !call_read_integer(c, i + 2, &r->limit)) {
                return false;
            }
            i += 2;
        } else if ((choices & CHOOSE_REVERSE) && !r->reverse && call_argument_is(c, i, "rev")) {
            r->reverse = true;
        } else if (r->by == BY_ANY && call_argument_is(c, i, "bylex")) {
            r->by = BY_LEX;
        } else if (r->by == BY_ANY && call_argument_is(c, i, "byscore")) {
            r->by = BY_SCORE;
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    r->by = r->by == BY_ANY ? BY_RANK : r->by;
    if (r->limit != -1 && r->by == BY_RANK) {
        call_error(c, "ERR syntax error, LIMIT is only supported in combination with either "
                      "BYSCORE or BYLEX");
        return false;
    }
    if (r->with_scores && r->by == BY_LEX) {
        call_error(c, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

static const zset_node *first_of(const value_zset *z, const zset_range *r, size_t first,
                                 size_t end) {
    return first == end ? NULL : value_zset_at(z, r->reverse ? end - 1 : first);
}

static const zset_node *next_of(const zset_range *r, const zset_node *at) {
    return r->reverse ? zset_node_prev(at) : zset_node_next(at);
}

/* The range of the sorted set at argv[key], whose bounds follow it. False: an error was answered.
 * *ret_zset may be NULL, the range is empty then. */
static bool find_range(node_call *c, size_t key, unsigned choices, zset_range *r,
                       value_zset **ret_zset, size_t *ret_first, size_t *ret_end) {
    keyspace_entry *e;
    r->limit = -1;
    *ret_first = 0;
    *ret_end = 0;
    if (!read_range_options(c, key + 3, choices, r) || !read_bounds(c, key + 1, r) ||
        !zset_find(c, key, &e, ret_zset)) {
        return false;
    }
    if (*ret_zset) {
        find_ranks(*ret_zset, r, ret_first, ret_end);
        apply_limit(r, ret_first, ret_end);
    }
    return true;
}

static void answer_range(node_call *c, range_by by, bool reverse, unsigned choices) {
    zset_range r = {.by = by, .reverse = reverse};
    value_zset *z;
    size_t first;
    size_t end;
    if (!find_range(c, 1, choices | CHOOSE_SCORES, &r, &z, &first, &end)) {
        return;
    }
    zset_answer_head(c, end - first, r.with_scores);
    const zset_node *at = z ? first_of(z, &r, first, end) : NULL;
    for (size_t i = first; i < end; i++, at = next_of(&r, at)) {
        zset_answer_node(c, at, r.with_scores);
    }
}

void serve_zrange(node_call *c) {
    answer_range(c, BY_ANY, false, CHOOSE_REVERSE);
}

void serve_zrevrange(node_call *c) {
    answer_range(c, BY_RANK, true, 0);
}

void serve_zrangebyscore(node_call *c) {
    answer_range(c, BY_SCORE, false, 0);
}

void serve_zrevrangebyscore(node_call *c) {
    answer_range(c, BY_SCORE, true, 0);
}

void serve_zrangebylex(node_call *c) {
    answer_range(c, BY_LEX, false, 0);
}

void serve_zrevrangebylex(node_call *c) {
    answer_range(c, BY_LEX, true, 0);
}

void serve_zrangestore(node_call *c) {
    zset_range r = {.by = BY_ANY};
    value_zset *from;
    size_t first;
    size_t end;
    if (!find_range(c, 2, CHOOSE_REVERSE, &r, &from, &first, &end)) {
        return;
    }
    value_zset *to = zset_new(c);
    const zset_node *at = from ? first_of(from, &r, first, end) : NULL;
    bool good = to != NULL;
    for (size_t i = first; i < end && good; i++, at = next_of(&r, at)) {
        good = value_zset_add(to, zset_node_member(at), zset_node_score(at)) != NULL;
    }
    if (good) {
        call_store(c, c->argv[1], &value_zset_kind, to);
    } else {
        value_zset_free(to);
        call_out_of_memory(c);
    }
}
