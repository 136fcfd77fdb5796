#include "core/limits.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <math.h>
#include <stdio.h>

/* ------------------------------------------------------------------------------- options */

enum {
    SET_NX = 1u << 0,
    SET_XX = 1u << 1,
    SET_GET = 1u << 2,
    SET_KEEPTTL = 1u << 3,
    SET_PERSIST = 1u << 4,
    SET_EX = 1u << 5,
    SET_PX = 1u << 6,
    SET_EXAT = 1u << 7,
    SET_PXAT = 1u << 8,
    SET_ANY_EXPIRY = SET_EX | SET_PX | SET_EXAT | SET_PXAT
};

typedef struct set_option {
    const char *word;
    unsigned flag;
    unsigned excludes;
    bool takes_value;
} set_option;

static const set_option set_options[] = {
    {"nx", SET_NX, SET_XX, false},
    {"xx", SET_XX, SET_NX, false},
    {"get", SET_GET, 0, false},
    {"keepttl", SET_KEEPTTL, SET_ANY_EXPIRY | SET_PERSIST, false},
    {"persist", SET_PERSIST, SET_ANY_EXPIRY | SET_KEEPTTL, false},
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | SET_PX | SET_EXAT | SET_PXAT, true},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | SET_EX | SET_EXAT | SET_PXAT, true},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | SET_EX | SET_PX | SET_PXAT, true},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | SET_EX | SET_PX | SET_EXAT, true},
};

static const set_option *find_option(kw_slice word, unsigned allowed) {
    for (size_t i = 0; i < sizeof set_options / sizeof *set_options; i++) {
        if ((set_options[i].flag & allowed) && slice_is_nocase(word, set_options[i].word)) {
            return &set_options[i];
        }
    }
    return NULL;
}

/* Reads the options from argv[index] on; *ret_value is the argument of the expiry, 0 if none. */
static bool read_options(node_call *c, size_t index, unsigned allowed, unsigned *ret_flags,
                         size_t *ret_value) {
    unsigned flags = 0;
    size_t value = 0;
    for (size_t i = index; i < c->argc; i++) {
        const set_option *option = find_option(c->argv[i], allowed);
        if (!option || (flags & option->excludes) || (option->takes_value && i + 1 == c->argc)) {
            call_syntax_error(c);
            return false;
        }
        flags |= option->flag;
        if (option->takes_value) {
            value = ++i;
        }
    }
    *ret_flags = flags;
    *ret_value = value;
    return true;
}

/* The absolute time that the expiry at argv[index] means, by its unit. */
static bool read_expiry(node_call *c, size_t index, unsigned unit, uint64_t *ret_ms) {
    int64_t value;
    if (!call_read_integer(c, index, &value)) {
        return false;
    }
    bool seconds = (unit & (SET_EX | SET_EXAT)) != 0;
    bool relative = (unit & (SET_EX | SET_PX)) != 0;
    bool fits = value > 0 && (!seconds || value <= INT64_MAX / 1000);
    if (fits) {
        value *= seconds ? 1000 : 1;
        fits = !relative || value <= INT64_MAX - (int64_t)c->now_ms;
    }
    if (!fits) {
        call_errorf(c, "ERR invalid expire time in '%s' command", c->command->name);
        return false;
    }
    *ret_ms = (uint64_t)value + (relative ? c->now_ms : 0);
    return true;
}

/* --------------------------------------------------------------------- reading and writing */

static void answer_value(node_call *c, const keyspace_entry *e) {
    if (e) {
        call_bulk(c, keyspace_value(e));
    } else {
        call_null(c);
    }
}

/* The string at argv[index], NULL if it is missing; false: it is another kind of value. */
static bool find_string(node_call *c, size_t index, keyspace_entry **ret) {
    return call_find_kind(c, index, NULL, ret);
}

static bool store(node_call *c, kw_slice key, kw_slice value, uint64_t expire_ms) {
    if (keyspace_set(c->node->keys, key, value, expire_ms)) {
        return true;
    }
    call_out_of_memory(c);
    return false;
}

void serve_get(node_call *c) {
    keyspace_entry *e;
    if (find_string(c, 1, &e)) {
        answer_value(c, e);
    }
}

void serve_set(node_call *c) {
    unsigned flags;
    size_t expiry;
    uint64_t expire_ms = 0;
    unsigned allowed = SET_NX | SET_XX | SET_GET | SET_KEEPTTL | SET_ANY_EXPIRY;
    if (!read_options(c, 3, allowed, &flags, &expiry) ||
        (expiry && !read_expiry(c, expiry, flags, &expire_ms))) {
        return;
    }
    const keyspace_entry *e = call_find(c, 1);
    bool refused = (flags & (e ? SET_NX : SET_XX)) != 0;
    if ((flags & SET_GET) && e && e->kind) {
        call_wrong_type(c);
        return;
    }
    if (flags & SET_GET) {
        answer_value(c, e);
    } else if (refused) {
        call_null(c);
    }
    if (refused) {
        return;
    }
    if (e && (flags & SET_KEEPTTL)) {
        expire_ms = e->expire_ms;
    }
    if (!keyspace_set(c->node->keys, c->argv[1], c->argv[2], expire_ms)) {
        if (flags & SET_GET) {
            c->session->flags |= SESSION_FAILED; /* the old value was the reply already */
        } else {
            call_out_of_memory(c);
        }
        return;
    }
    if (!(flags & SET_GET)) {
        call_ok(c);
    }
}

void serve_setnx(node_call *c) {
    bool exists = call_find(c, 1) != NULL;
    if (exists || store(c, c->argv[1], c->argv[2], 0)) {
        call_integer(c, !exists);
    }
}

static void set_with_expiry(node_call *c, unsigned unit) {
    uint64_t expire_ms;
    if (read_expiry(c, 2, unit, &expire_ms) && store(c, c->argv[1], c->argv[3], expire_ms)) {
        call_ok(c);
    }
}

void serve_setex(node_call *c) {
    set_with_expiry(c, SET_EX);
}

void serve_psetex(node_call *c) {
    set_with_expiry(c, SET_PX);
}

void serve_getset(node_call *c) {
    keyspace_entry *e;
    if (!find_string(c, 1, &e)) {
        return;
    }
    answer_value(c, e);
    if (!keyspace_set(c->node->keys, c->argv[1], c->argv[2], 0)) {
        c->session->flags |= SESSION_FAILED;
    }
}

void serve_getdel(node_call *c) {
    keyspace_entry *e;
    if (!find_string(c, 1, &e)) {
        return;
    }
    answer_value(c, e);
    if (e) {
        keyspace_remove(c->node->keys, e);
    }
}

void serve_getex(node_call *c) {
    unsigned flags;
    size_t expiry;
    uint64_t expire_ms = 0;
    if (!read_options(c, 2, SET_PERSIST | SET_ANY_EXPIRY, &flags, &expiry)) {
        return;
    }
    keyspace_entry *e;
    if (!find_string(c, 1, &e)) {
        return;
    }
    if (!e) {
        call_null(c);
        return;
    }
    if (expiry && !read_expiry(c, expiry, flags, &expire_ms)) {
        return;
    }
    answer_value(c, e);
    if (expiry && expire_ms <= c->now_ms) {
        keyspace_remove(c->node->keys, e);
    } else if (expiry || ((flags & SET_PERSIST) && e->expire_ms)) {
        keyspace_set_expiry(c->node->keys, e, expire_ms);
    }
}

void serve_mget(node_call *c) {
    call_array(c, c->argc - 1);
    for (size_t i = 1; i < c->argc; i++) {
        const keyspace_entry *e = call_find(c, i);
        answer_value(c, e && !e->kind ? e : NULL);
    }
}

static bool has_pairs(node_call *c) {
    if (c->argc % 2 == 1) {
        return true;
    }
    call_wrong_arity(c, c->command);
    return false;
}

static bool store_pairs(node_call *c) {
    for (size_t i = 1; i < c->argc; i += 2) {
        if (!store(c, c->argv[i], c->argv[i + 1], 0)) {
            return false;
        }
    }
    return true;
}

void serve_mset(node_call *c) {
    if (has_pairs(c) && store_pairs(c)) {
        call_ok(c);
    }
}

void serve_msetnx(node_call *c) {
    if (!has_pairs(c)) {
        return;
    }
    for (size_t i = 1; i < c->argc; i += 2) {
        if (call_find(c, i)) {
            call_integer(c, 0);
            return;
        }
    }
    if (store_pairs(c)) {
        call_integer(c, 1);
    }
}

/* --------------------------------------------------------------------- parts of a string */

void serve_strlen(node_call *c) {
    keyspace_entry *e;
    if (find_string(c, 1, &e)) {
        call_integer(c, e ? (int64_t)e->value_len : 0);
    }
}

static bool fits_a_string(node_call *c, uint64_t len, uint64_t more) {
    if (len + more <= LIMIT_BULK_BYTES) {
        return true;
    }
    call_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

void serve_append(node_call *c) {
    keyspace_entry *e;
    kw_slice tail = c->argv[2];
    if (!find_string(c, 1, &e)) {
        return;
    }
    if (!e) {
        if (store(c, c->argv[1], tail, 0)) {
            call_integer(c, (int64_t)tail.len);
        }
        return;
    }
    size_t before = e->value_len;
    if (!fits_a_string(c, before, tail.len)) {
        return;
    }
    char *value = keyspace_resize(c->node->keys, e, before + tail.len);
    if (!value) {
        call_out_of_memory(c);
        return;
    }
    if (tail.len > 0) {
        memcpy(value + before, tail.data, tail.len);
    }
    call_integer(c, (int64_t)(before + tail.len));
}

void serve_setrange(node_call *c) {
    int64_t offset;
    if (!call_read_integer(c, 2, &offset)) {
        return;
    }
    if (offset < 0) {
        call_error(c, "ERR offset is out of range");
        return;
    }
    keyspace_entry *e;
    kw_slice part = c->argv[3];
    if (!find_string(c, 1, &e)) {
        return;
    }
    size_t before = e ? e->value_len : 0;
    if (part.len == 0) {
        call_integer(c, (int64_t)before);
        return;
    }
    if (!fits_a_string(c, (uint64_t)offset, part.len)) {
        return;
    }
    if (!e) {
        if (!store(c, c->argv[1], SLICE_LITERAL(""), 0)) {
            return;
        }
        e = call_find(c, 1);
    }
    size_t end = (size_t)offset + part.len;
    char *value = keyspace_resize(c->node->keys, e, end > before ? end : before);
    if (!value) {
        if (before == 0) {
            keyspace_remove(c->node->keys, e);
        }
        call_out_of_memory(c);
        return;
    }
    memcpy(value + offset, part.data, part.len);
    call_integer(c, (int64_t)e->value_len);
}

void serve_getrange(node_call *c) {
    int64_t start;
    int64_t end;
    if (!call_read_integer(c, 2, &start) || !call_read_integer(c, 3, &end)) {
        return;
    }
    keyspace_entry *e;
    if (!find_string(c, 1, &e)) {
        return;
    }
    int64_t len = e ? (int64_t)e->value_len : 0;
    bool reversed = start < 0 && end < 0 && start > end;
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= len ? len - 1 : end;
    if (reversed || start > end || len == 0) {
        call_text(c, "");
        return;
    }
    call_bulk(c, slice_of(e->value + start, (size_t)(end - start + 1)));
}

/* ------------------------------------------------------------------------------ counting */

static void add(node_call *c, int64_t delta) {
    keyspace_entry *e;
    int64_t value = 0;
    if (!find_string(c, 1, &e)) {
        return;
    }
    if (e && !number_read_integer(keyspace_value(e), &value)) {
        call_error(c, "ERR value is not an integer or out of range");
        return;
    }
    if ((delta < 0 && value < INT64_MIN - delta) || (delta > 0 && value > INT64_MAX - delta)) {
        call_error(c, "ERR increment or decrement would overflow");
        return;
    }
    value += delta;
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    if (store(c, c->argv[1], slice_of(text, (size_t)len), e ? e->expire_ms : 0)) {
        call_integer(c, value);
    }
}

void serve_incr(node_call *c) {
    add(c, 1);
}

void serve_decr(node_call *c) {
    add(c, -1);
}

void serve_incrby(node_call *c) {
    int64_t delta;
    if (call_read_integer(c, 2, &delta)) {
        add(c, delta);
    }
}

void serve_decrby(node_call *c) {
    int64_t delta;
    if (!call_read_integer(c, 2, &delta)) {
        return;
    }
    if (delta == INT64_MIN) {
        call_error(c, "ERR decrement would overflow");
        return;
    }
    add(c, -delta);
}

void serve_incrbyfloat(node_call *c) {
    keyspace_entry *e;
    long double value = 0;
    long double delta;
    if (!find_string(c, 1, &e)) {
        return;
    }
    if ((e && !number_read_float(keyspace_value(e), &value)) ||
        !number_read_float(c->argv[2], &delta)) {
        call_error(c, "ERR value is not a valid float");
        return;
    }
    value += delta;
    if (isnan(value) || isinf(value)) {
        call_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[NUMBER_TEXT_SIZE];
    kw_slice sum = slice_of(text, number_write_float(value, text));
    if (store(c, c->argv[1], sum, e ? e->expire_ms : 0)) {
        keyspace_mark_text(call_find(c, 1));
        call_bulk(c, sum);
    }
}
