#include "core/limits.h"
#include "node/node_call.h"
#include "node/node_handlers.h"

typedef struct lcs_options {
    bool length;
    bool ranges;
    bool with_lengths;
    int64_t length_min;
} lcs_options;

/* The two strings, and how long the longest common subsequence of each pair of their beginnings
 * is. */
typedef struct lcs_table {
    kw_slice a;
    kw_slice b;
    uint32_t *cells;
} lcs_table;

static uint32_t *cell(const lcs_table *t, size_t i, size_t j) {
    return &t->cells[i * (t->b.len + 1) + j];
}

static void fill(const lcs_table *t) {
    for (size_t i = 1; i <= t->a.len; i++) {
        for (size_t j = 1; j <= t->b.len; j++) {
            uint32_t up = *cell(t, i - 1, j);
            uint32_t left = *cell(t, i, j - 1);
            *cell(t, i, j) = t->a.data[i - 1] == t->b.data[j - 1] ? *cell(t, i - 1, j - 1) + 1
                             : up > left                          ? up
                                                                  : left;
        }
    }
}

/* One step back from (i, j); true: over a byte that both have. */
static bool step_back(const lcs_table *t, size_t *i, size_t *j) {
    if (t->a.data[*i - 1] == t->b.data[*j - 1]) {
        --*i;
        --*j;
        return true;
    }
    if (*cell(t, *i - 1, *j) > *cell(t, *i, *j - 1)) {
        --*i;
    } else {
        --*j;
    }
    return false;
}

/* Equal bytes in a row: of `a` from i, of `b` from j. */
typedef struct lcs_run {
    size_t i;
    size_t j;
    size_t len;
} lcs_run;

/* The next run backwards from (*i, *j); false: there is none. */
static bool next_run(const lcs_table *t, size_t *i, size_t *j, lcs_run *ret) {
    ret->len = 0;
    while (*i > 0 && *j > 0) {
        bool equal = step_back(t, i, j);
        if (equal) {
            *ret = (lcs_run){*i, *j, ret->len + 1};
        } else if (ret->len > 0) {
            return true;
        }
    }
    return ret->len > 0;
}

static void answer_span(node_call *c, size_t first, size_t len) {
    call_array(c, 2);
    call_integer(c, (int64_t)first);
    call_integer(c, (int64_t)(first + len - 1));
}

static void answer_ranges(node_call *c, const lcs_table *t, const lcs_options *o) {
    call_map(c, 2);
    call_text(c, "matches");
    for (int pass = 0, count = 0; pass < 2; pass++) {
        size_t i = t->a.len;
        size_t j = t->b.len;
        lcs_run run;
        if (pass == 1) {
            call_array(c, (size_t)count);
        }
        while (next_run(t, &i, &j, &run)) {
            if ((int64_t)run.len < o->length_min) {
                continue;
            }
            count++;
            if (pass == 1) {
                call_array(c, o->with_lengths ? 3 : 2);
                answer_span(c, run.i, run.len);
                answer_span(c, run.j, run.len);
            }
            if (pass == 1 && o->with_lengths) {
                call_integer(c, (int64_t)run.len);
            }
        }
    }
    call_text(c, "len");
    call_integer(c, *cell(t, t->a.len, t->b.len));
}

static void answer_string(node_call *c, const lcs_table *t) {
    size_t left = *cell(t, t->a.len, t->b.len);
    size_t len = left;
    char *text = mem_alloc(c->node->mem, len + 1);
    if (!text) {
        call_out_of_memory(c);
        return;
    }
    size_t i = t->a.len;
    size_t j = t->b.len;
    while (i > 0 && j > 0) {
        if (step_back(t, &i, &j)) {
            text[--left] = t->a.data[i];
        }
    }
    call_bulk(c, slice_of(text, len));
    mem_free(c->node->mem, text);
}

static bool read_options(node_call *c, lcs_options *ret) {
    *ret = (lcs_options){0};
    for (size_t i = 3; i < c->argc; i++) {
        if (call_argument_is(c, i, "idx")) {
            ret->ranges = true;
        } else if (call_argument_is(c, i, "len")) {
            ret->length = true;
        } else if (call_argument_is(c, i, "withmatchlen")) {
            ret->with_lengths = true;
        } else if (call_argument_is(c, i, "minmatchlen") && i + 1 < c->argc) {
            if (!call_read_integer(c, ++i, &ret->length_min)) {
                return false;
            }
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    if (ret->ranges && ret->length) {
        call_error(c, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

void serve_lcs(node_call *c) {
    lcs_options options;
    const keyspace_entry *a = call_find(c, 1);
    const keyspace_entry *b = call_find(c, 2);
    if ((a && a->kind) || (b && b->kind)) {
        call_error(c, "ERR The specified keys must contain string values");
        return;
    }
    if (!read_options(c, &options)) {
        return;
    }
    lcs_table t = {.a = a ? keyspace_value(a) : SLICE_LITERAL(""),
                   .b = b ? keyspace_value(b) : SLICE_LITERAL("")};
    uint64_t cell_count = ((uint64_t)t.a.len + 1) * ((uint64_t)t.b.len + 1);
    if (cell_count * sizeof *t.cells > LIMIT_BULK_BYTES) {
        call_error(c, "ERR Insufficient memory, transient memory for LCS exceeds "
                      "proto-max-bulk-len");
        return;
    }
    t.cells = mem_calloc(c->node->mem, (size_t)cell_count, sizeof *t.cells);
    if (!t.cells) {
        call_error(c, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    fill(&t);
    if (options.ranges) {
        answer_ranges(c, &t, &options);
    } else if (options.length) {
        call_integer(c, *cell(&t, t.a.len, t.b.len));
    } else {
        answer_string(c, &t);
    }
    mem_free(c->node->mem, t.cells);
}
