#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"
#include "node/node_pick.h"
#include "node/node_scan.h"
#include "node/value_hash.h"

#include <math.h>

/* The hash at argv[1]; NULL if there is none. False: WRONGTYPE was answered. */
static bool find_hash(node_call *c, keyspace_entry **ret_entry, value_hash **ret) {
    if (!call_find_kind(c, 1, &value_hash_kind, ret_entry)) {
        return false;
    }
    *ret = *ret_entry ? (*ret_entry)->object : NULL;
    return true;
}

/* The same, and a missing one is made. False: an error was answered. */
static bool find_or_make(node_call *c, keyspace_entry **ret_entry, value_hash **ret) {
    if (!call_find_or_make(c, 1, &value_hash_kind, ret_entry)) {
        return false;
    }
    *ret = (*ret_entry)->object;
    return true;
}

static void answer_field(node_call *c, const value_hash *h, size_t index) {
    kw_slice value;
    if (h && value_hash_get(h, c->argv[index], &value)) {
        call_bulk(c, value);
    } else {
        call_null(c);
    }
}

/* ------------------------------------------------------------------------------- writing */

/* Sets the pairs from argv[2] on; false if memory is short. */
static bool set_pairs(node_call *c, value_hash *h, int64_t *ret_added) {
    int64_t count = 0;
    bool set = value_hash_fit(h, c->argv + 2, c->argc - 2);
    for (size_t i = 2; set && i < c->argc; i += 2) {
        bool added = false;
        set = value_hash_set(h, c->argv[i], c->argv[i + 1], &added);
        count += added;
    }
    *ret_added = count;
    return set;
}

static void set_fields(node_call *c, bool answer_count) {
    keyspace_entry *e;
    value_hash *h;
    int64_t added;
    if (c->argc % 2 == 1) {
        call_wrong_arity(c, c->command);
        return;
    }
    if (!find_or_make(c, &e, &h)) {
        return;
    }
    bool set = set_pairs(c, h, &added);
    call_settle(c, e);
    if (!set) {
        call_out_of_memory(c);
    } else if (answer_count) {
        call_integer(c, added);
    } else {
        call_ok(c);
    }
}

void serve_hset(node_call *c) {
    set_fields(c, true);
}

void serve_hmset(node_call *c) {
    set_fields(c, false);
}

void serve_hsetnx(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    kw_slice value;
    if (!find_or_make(c, &e, &h)) {
        return;
    }
    if (value_hash_get(h, c->argv[2], &value)) {
        call_integer(c, 0);
        return;
    }
    int64_t added;
    bool set = set_pairs(c, h, &added);
    call_settle(c, e);
    if (set) {
        call_integer(c, 1);
    } else {
        call_out_of_memory(c);
    }
}

void serve_hdel(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    int64_t removed = 0;
    if (!find_hash(c, &e, &h)) {
        return;
    }
    for (size_t i = 2; h && i < c->argc; i++) {
        removed += value_hash_remove(h, c->argv[i]);
    }
    if (removed > 0) {
        call_settle(c, e);
    }
    call_integer(c, removed);
}

/* Sets a field to a number's text; false: an error was answered. */
static bool set_number(node_call *c, keyspace_entry *e, value_hash *h, kw_slice text) {
    bool added;
    bool set = value_hash_set(h, c->argv[2], text, &added);
    call_settle(c, e);
    if (!set) {
        call_out_of_memory(c);
    }
    return set;
}

void serve_hincrby(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    int64_t delta;
    int64_t value = 0;
    kw_slice old;
    if (!call_read_integer(c, 3, &delta) || !find_or_make(c, &e, &h)) {
        return;
    }
    if (value_hash_get(h, c->argv[2], &old) && !number_read_integer(old, &value)) {
        call_error(c, "ERR hash value is not an integer");
        return;
    }
    if ((delta < 0 && value < INT64_MIN - delta) || (delta > 0 && value > INT64_MAX - delta)) {
        call_error(c, "ERR increment or decrement would overflow");
        return;
    }
    value += delta;
    char text[NUMBER_INTEGER_BYTES];
    if (set_number(c, e, h, number_write_integer(value, text))) {
        call_integer(c, value);
    }
}

void serve_hincrbyfloat(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    long double delta;
    long double value = 0;
    kw_slice old;
    if (!number_read_float(c->argv[3], &delta)) {
        call_error(c, "ERR value is not a valid float");
        return;
    }
    if (isinf(delta)) {
        call_error(c, "ERR value is NaN or Infinity");
        return;
    }
    if (!find_or_make(c, &e, &h)) {
        return;
    }
    if (value_hash_get(h, c->argv[2], &old) && !number_read_float(old, &value)) {
        call_error(c, "ERR hash value is not a float");
        return;
    }
    value += delta;
    if (isnan(value) || isinf(value)) {
        call_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[NUMBER_TEXT_SIZE];
    kw_slice sum = slice_of(text, number_write_float(value, text));
    if (set_number(c, e, h, sum)) {
        call_bulk(c, sum);
        const kw_slice plain[] = {SLICE_LITERAL("HSET"), c->argv[1], c->argv[2], sum};
        call_propagate(c, plain, 4); /* so that replicas need not count alike */
    }
}

/* ------------------------------------------------------------------------------- reading */

void serve_hget(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    if (find_hash(c, &e, &h)) {
        answer_field(c, h, 2);
    }
}

void serve_hmget(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    if (!find_hash(c, &e, &h)) {
        return;
    }
    call_array(c, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        answer_field(c, h, i);
    }
}

void serve_hlen(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    if (find_hash(c, &e, &h)) {
        call_integer(c, h ? (int64_t)value_hash_count(h) : 0);
    }
}

void serve_hstrlen(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    kw_slice value = SLICE_LITERAL("");
    if (find_hash(c, &e, &h)) {
        bool found = h && value_hash_get(h, c->argv[2], &value);
        call_integer(c, found ? (int64_t)value.len : 0);
    }
}

void serve_hexists(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    kw_slice value;
    if (find_hash(c, &e, &h)) {
        call_integer(c, h && value_hash_get(h, c->argv[2], &value));
    }
}

enum { SHOW_FIELDS = 1u << 0, SHOW_VALUES = 1u << 1 };

static void answer_at(node_call *c, const value_hash *h, size_t position, unsigned shown) {
    kw_slice field;
    kw_slice value;
    value_hash_at(h, position, &field, &value);
    if (shown & SHOW_FIELDS) {
        call_bulk(c, field);
    }
    if (shown & SHOW_VALUES) {
        call_bulk(c, value);
    }
}

static void answer_all(node_call *c, unsigned shown) {
    keyspace_entry *e;
    value_hash *h;
    if (!find_hash(c, &e, &h)) {
        return;
    }
    size_t count = h ? value_hash_count(h) : 0;
    if (shown == (SHOW_FIELDS | SHOW_VALUES)) {
        call_map(c, count);
    } else {
        call_array(c, count);
    }
    for (size_t i = 0; i < count; i++) {
        answer_at(c, h, i, shown);
    }
}

void serve_hkeys(node_call *c) {
    answer_all(c, SHOW_FIELDS);
}

void serve_hvals(node_call *c) {
    answer_all(c, SHOW_VALUES);
}

void serve_hgetall(node_call *c) {
    answer_all(c, SHOW_FIELDS | SHOW_VALUES);
}

void serve_hscan(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    uint64_t cursor;
    scan_options options;
    if (!scan_read_cursor(c, 2, &cursor) || !find_hash(c, &e, &h)) {
        return;
    }
    if (!h) {
        scan_answer_head(c, 0, 0);
        return;
    }
    if (!scan_read_options(c, 3, false, &options)) {
        return;
    }
    size_t low;
    size_t high;
    cursor = value_hash_scan(h, cursor, options.count, &low, &high);
    kw_slice field;
    kw_slice value;
    size_t count = 0;
    for (size_t i = low; i < high; i++) {
        value_hash_at(h, i, &field, &value);
        count += scan_matches(&options, field);
    }
    scan_answer_head(c, cursor, 2 * count);
    for (size_t i = low; i < high && count > 0; i++) {
        value_hash_at(h, i, &field, &value);
        if (scan_matches(&options, field)) {
            answer_at(c, h, i, SHOW_FIELDS | SHOW_VALUES);
        }
    }
}

/* ----------------------------------------------------------------------------- HRANDFIELD */

static void answer_pick(node_call *c, const value_hash *h, size_t position, bool with_values) {
    if (with_values && c->session->resp == 3) {
        call_array(c, 2);
    }
    answer_at(c, h, position, with_values ? SHOW_FIELDS | SHOW_VALUES : SHOW_FIELDS);
}

static void begin_picks(node_call *c, size_t count, bool with_values) {
    call_array(c, with_values && c->session->resp == 2 ? 2 * count : count);
}

/* The same field may come again. A reply that outgrows its buffer ends the session. */
static void answer_any(node_call *c, const value_hash *h, uint64_t count, bool with_values) {
    begin_picks(c, (size_t)count, with_values);
    for (uint64_t i = 0; i < count && !(c->session->flags & SESSION_FAILED); i++) {
        size_t position = (size_t)prng_below(&c->node->random, value_hash_count(h));
        answer_pick(c, h, position, with_values);
    }
}

static void answer_distinct(node_call *c, const value_hash *h, uint64_t count, bool with_values) {
    size_t all = value_hash_count(h);
    uint32_t *picks = NULL;
    size_t pick_count = count < all ? (size_t)count : all;
    if (pick_count < all) {
        picks = pick_distinct(c->node->mem, &c->node->random, (uint32_t)all, (uint32_t)pick_count);
        if (!picks) {
            call_out_of_memory(c);
            return;
        }
    }
    begin_picks(c, pick_count, with_values);
    for (size_t i = 0; i < pick_count; i++) {
        answer_pick(c, h, picks ? picks[i] : i, with_values);
    }
    mem_free(c->node->mem, picks);
}

static bool read_pick_options(node_call *c, int64_t *ret_count, bool *ret_with_values) {
    if (!args_read_in_range(c, 2, -INT64_MAX, INT64_MAX, NULL, ret_count)) {
        return false;
    }
    *ret_with_values = c->argc == 4;
    if (c->argc > 4 || (c->argc == 4 && !call_argument_is(c, 3, "withvalues"))) {
        call_syntax_error(c);
        return false;
    }
    if (*ret_with_values && (*ret_count < -INT64_MAX / 2 || *ret_count > INT64_MAX / 2)) {
        call_error(c, "ERR value is out of range");
        return false;
    }
    return true;
}

void serve_hrandfield(node_call *c) {
    keyspace_entry *e;
    value_hash *h;
    int64_t count = 1;
    bool with_values = false;
    bool counted = c->argc > 2;
    if ((counted && !read_pick_options(c, &count, &with_values)) || !find_hash(c, &e, &h)) {
        return;
    }
    if (!counted && h) {
        answer_at(c, h, (size_t)prng_below(&c->node->random, value_hash_count(h)), SHOW_FIELDS);
    } else if (!counted) {
        call_null(c);
    } else if (!h || count == 0) {
        call_array(c, 0);
    } else if (count < 0) {
        answer_any(c, h, (uint64_t)-count, with_values);
    } else {
        answer_distinct(c, h, (uint64_t)count, with_values);
    }
}
