#include "core/reply_pool.h"

#include "base/buffer.h"
#include "base/prng.h"
#include "core/resp.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <math.h>
#include <stdlib.h>

static failing_mem memory;

/* Builds from a copy that is gone afterwards: a tree that points into the wire's bytes is found. */
static kw_reply *build(const char *wire, size_t len) {
    resp_scanner s;
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, wire, len);
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(resp_scan(&s, copy, len), RESP_DONE);
    assert_int_equal(s.offset, len);
    kw_reply *r = reply_build(&memory.mem, copy, len, s.node_count);
    free(copy);
    return r;
}

#define BUILD(wire) build((wire), sizeof(wire) - 1)

static int set_up(void **state) {
    (void)state;
    failing_mem_init(&memory);
    return 0;
}

static int no_leak(void **state) {
    (void)state;
    return memory.live_count == 0 ? 0 : -1;
}

static void strings_are_terminated_and_binary(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        size_t len;
        kw_type type;
        const char *bytes;
        size_t bytes_len;
    } cases[] = {
        {"+OK\r\n", 5, KW_TYPE_STATUS, "OK", 2},
        {"+\r\n", 3, KW_TYPE_STATUS, "", 0},
        {"-ERR no\r\n", 9, KW_TYPE_ERROR, "ERR no", 6},
        {"$3\r\na\0b\r\n", 9, KW_TYPE_STRING, "a\0b", 3},
        {"$0\r\n\r\n", 6, KW_TYPE_STRING, "", 0},
        {"!5\r\nERR x\r\n", 11, KW_TYPE_ERROR, "ERR x", 5},
        {"=7\r\ntxt:abc\r\n", 13, KW_TYPE_VERBATIM, "abc", 3},
        {",0.10\r\n", 7, KW_TYPE_DOUBLE, "0.10", 4}, /* as the server wrote it */
        {"(-12345678901234567890\r\n", 24, KW_TYPE_BIGNUM, "-12345678901234567890", 21},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_reply *r = build(cases[i].wire, cases[i].len);
        size_t len = 99;
        assert_int_equal(kw_reply_type(r), cases[i].type);
        const char *bytes = kw_reply_string(r, &len);
        assert_int_equal(len, cases[i].bytes_len);
        assert_memory_equal(bytes, cases[i].bytes, len + 1);
        assert_ptr_equal(kw_reply_string(r, NULL), bytes);
        assert_int_equal(reply_slice(r).len, len);
        assert_int_equal(kw_reply_is_error(r), cases[i].type == KW_TYPE_ERROR);
        assert_int_equal(kw_reply_count(r), 0);
        kw_reply_free(r);
    }
}

static void scalars_have_their_values(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        kw_type type;
        int64_t integer;
        double number;
        bool boolean;
    } cases[] = {
        {":7\r\n", KW_TYPE_INTEGER, 7, 7, true},
        {":+7\r\n", KW_TYPE_INTEGER, 7, 7, true},
        {":0\r\n", KW_TYPE_INTEGER, 0, 0, false},
        {":-9223372036854775808\r\n", KW_TYPE_INTEGER, INT64_MIN, -9223372036854775808.0, true},
        {"#t\r\n", KW_TYPE_BOOL, 1, 0, true},
        {"#f\r\n", KW_TYPE_BOOL, 0, 0, false},
        {",2.5\r\n", KW_TYPE_DOUBLE, 0, 2.5, false},
        {",-inf\r\n", KW_TYPE_DOUBLE, 0, -(double)INFINITY, false},
        {"_\r\n", KW_TYPE_NULL, 0, 0, false},
        {"$-1\r\n", KW_TYPE_NULL, 0, 0, false},
        {"*-1\r\n", KW_TYPE_NULL, 0, 0, false},
        {"$2\r\n42\r\n", KW_TYPE_STRING, 42, 42, false},
        {"$4\r\n-1.5\r\n", KW_TYPE_STRING, 0, -1.5, false},
        {"$3\r\n4x2\r\n", KW_TYPE_STRING, 0, 0, false},
        {"(12\r\n", KW_TYPE_BIGNUM, 12, 12, false},
        {"*1\r\n:1\r\n", KW_TYPE_ARRAY, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_reply *r = build(cases[i].wire, strlen(cases[i].wire));
        assert_int_equal(kw_reply_type(r), cases[i].type);
        assert_int_equal(kw_reply_is_null(r), cases[i].type == KW_TYPE_NULL);
        assert_true(kw_reply_integer(r) == cases[i].integer);
        assert_true(kw_reply_double(r) == cases[i].number);
        assert_int_equal(kw_reply_bool(r), cases[i].boolean);
        kw_reply_free(r);
    }
    kw_reply *r = BUILD(",nan\r\n");
    assert_true(isnan(kw_reply_double(r)));
    kw_reply_free(r);
}

static void aggregates_are_nested(void **state) {
    (void)state;
    kw_reply *r = BUILD("*4\r\n*2\r\n:1\r\n:2\r\n~1\r\n+s\r\n*0\r\n%1\r\n+k\r\n*1\r\n$1\r\nv\r\n");
    assert_int_equal(kw_reply_type(r), KW_TYPE_ARRAY);
    assert_int_equal(kw_reply_count(r), 4);
    assert_int_equal(kw_reply_integer(kw_reply_at(kw_reply_at(r, 0), 1)), 2);
    assert_int_equal(kw_reply_type(kw_reply_at(r, 1)), KW_TYPE_SET);
    assert_string_equal(kw_reply_string(kw_reply_at(kw_reply_at(r, 1), 0), NULL), "s");
    assert_int_equal(kw_reply_count(kw_reply_at(r, 2)), 0);
    const kw_reply *m = kw_reply_at(r, 3);
    assert_int_equal(kw_reply_type(m), KW_TYPE_MAP);
    assert_int_equal(kw_reply_count(m), 1);
    assert_string_equal(kw_reply_string(kw_reply_key(m, 0), NULL), "k");
    assert_string_equal(kw_reply_string(kw_reply_at(kw_reply_at(m, 0), 0), NULL), "v");
    assert_null(kw_reply_at(r, 4));
    assert_null(kw_reply_at(m, 1));
    assert_null(kw_reply_key(m, 1));
    assert_null(kw_reply_key(r, 0));
    kw_reply_free(r);
    r = BUILD(">2\r\n+message\r\n+hi\r\n");
    assert_int_equal(kw_reply_type(r), KW_TYPE_PUSH);
    assert_int_equal(kw_reply_count(r), 2);
    kw_reply_free(r);
}

static void get_reads_maps_and_flat_pairs(void **state) {
    (void)state;
    static const char *const wires[] = {
        "%3\r\n+a\r\n:1\r\n:5\r\n:6\r\n$1\r\nb\r\n:2\r\n",
        "*6\r\n+a\r\n:1\r\n:5\r\n:6\r\n$1\r\nb\r\n:2\r\n",
        "*7\r\n+a\r\n:1\r\n:5\r\n:6\r\n$1\r\nb\r\n:2\r\n+c\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        kw_reply *r = build(wires[i], strlen(wires[i]));
        assert_int_equal(kw_reply_integer(kw_reply_get(r, "a")), 1);
        assert_int_equal(kw_reply_integer(kw_reply_get(r, "b")), 2);
        assert_null(kw_reply_get(r, "c"));
        assert_null(kw_reply_get(r, "5"));
        assert_null(kw_reply_get(r, ""));
        assert_null(kw_reply_get(r, NULL));
        kw_reply_free(r);
    }
    kw_reply *r = BUILD("~2\r\n+a\r\n:1\r\n");
    assert_null(kw_reply_get(r, "a"));
    kw_reply_free(r);
}

static void attributes_belong_to_the_value_that_follows(void **state) {
    (void)state;
    kw_reply *r = BUILD("|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+in\r\n*1\r\n:9\r\n$1\r\nx\r\n:2\r\n");
    assert_int_equal(kw_reply_type(r), KW_TYPE_ARRAY);
    assert_int_equal(kw_reply_count(r), 2);
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(r), "ttl")), 3600);
    assert_int_equal(kw_reply_type(kw_reply_attributes(r)), KW_TYPE_MAP);
    const kw_reply *x = kw_reply_at(r, 0);
    assert_string_equal(kw_reply_string(x, NULL), "x");
    assert_int_equal(kw_reply_integer(kw_reply_at(kw_reply_get(kw_reply_attributes(x), "in"), 0)),
                     9);
    assert_null(kw_reply_attributes(kw_reply_at(r, 1)));
    kw_reply_free(r);
}

static void attributes_of_attributes_are_kept(void **state) {
    (void)state;
    kw_reply *r = BUILD("|1\r\n+a\r\n|1\r\n+in\r\n+ner\r\n:1\r\n+OK\r\n");
    const kw_reply *a = kw_reply_get(kw_reply_attributes(r), "a");
    assert_int_equal(kw_reply_integer(a), 1);
    assert_string_equal(kw_reply_string(kw_reply_get(kw_reply_attributes(a), "in"), NULL), "ner");
    kw_reply_free(r);
    /* Two in a row: the first belongs to the second. */
    r = BUILD("|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n+OK\r\n");
    const kw_reply *second = kw_reply_attributes(r);
    assert_int_equal(kw_reply_integer(kw_reply_get(second, "b")), 2);
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(second), "a")), 1);
    kw_reply_free(r);
    r = BUILD("*1\r\n|0\r\n+OK\r\n");
    const kw_reply *empty = kw_reply_attributes(kw_reply_at(r, 0));
    assert_non_null(empty);
    assert_int_equal(kw_reply_count(empty), 0);
    kw_reply_free(r);
}

/* They stand beside the value, not in its place among others. */
static void attributes_do_not_hide_their_value(void **state) {
    (void)state;
    kw_reply *r = BUILD("%2\r\n|1\r\n+x\r\n:1\r\n+a\r\n|1\r\n+y\r\n:2\r\n+b\r\n+c\r\n:3\r\n");
    assert_string_equal(kw_reply_string(kw_reply_key(r, 0), NULL), "a");
    const kw_reply *b = kw_reply_get(r, "a");
    assert_string_equal(kw_reply_string(b, NULL), "b");
    assert_ptr_equal(kw_reply_at(r, 0), b);
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(b), "y")), 2);
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(kw_reply_key(r, 0)), "x")),
                     1);
    assert_int_equal(kw_reply_integer(kw_reply_get(r, "c")), 3);
    kw_reply_free(r);
}

static void verbatim_has_a_format(void **state) {
    (void)state;
    kw_reply *r = BUILD("=4\r\nmkd:\r\n");
    assert_string_equal(kw_reply_format(r), "mkd");
    assert_string_equal(kw_reply_string(r, NULL), "");
    kw_reply_free(r);
    r = BUILD("+OK\r\n");
    assert_null(kw_reply_format(r));
    kw_reply_free(r);
}

static void one_allocation_holds_it_all(void **state) {
    (void)state;
    kw_reply *r = BUILD("*2\r\n|1\r\n+a\r\n+b\r\n$3\r\nfoo\r\n%1\r\n+k\r\n,1.5\r\n");
    assert_int_equal(memory.call_count, 1);
    assert_int_equal(memory.live_count, 1);
    kw_reply_free(r);
    failing_mem_fail_at(&memory, 1);
    assert_null(BUILD("+OK\r\n"));
}

static void kept_reply_outlives_its_allocator_struct(void **state) {
    (void)state;
    mem *gone = malloc(sizeof(*gone));
    assert_non_null(gone);
    *gone = memory.mem;
    kw_reply *r = reply_build(gone, "+OK\r\n", 5, 1);
    free(gone);
    assert_false(reply_is_kept(r));
    assert_ptr_equal(kw_reply_keep(r), r);
    assert_true(reply_is_kept(r));
    kw_reply_free(r);
}

static void held_reply_is_freed_by_release_unless_kept(void **state) {
    (void)state;
    reply_pool pool;
    reply_pool_init(&pool, &memory.mem);
    reply_release(&pool, NULL);

    kw_reply *r = BUILD("+given back\r\n");
    reply_hold(r);
    reply_release(&pool, r);
    assert_int_equal(memory.live_count, 0);

    r = BUILD("+kept\r\n");
    reply_hold(r);
    assert_ptr_equal(kw_reply_keep(r), r);
    reply_release(&pool, r);
    assert_int_equal(memory.live_count, 1);
    kw_reply_free(r);
    assert_int_equal(memory.live_count, 0);

    r = BUILD("+kept and freed in one callback\r\n");
    reply_hold(r);
    kw_reply_free(kw_reply_keep(r));
    assert_int_equal(memory.live_count, 1); /* the callback may still look at it */
    reply_release(&pool, r);
    assert_int_equal(memory.live_count, 0);
}

static void pooled_block_is_used_again(void **state) {
    (void)state;
    reply_pool pool;
    reply_pool_init(&pool, &memory.mem);
    kw_reply *first = reply_pool_single(&pool, '+', slice_of("OK\r\n", 2));
    assert_non_null(first);
    reply_hold(first);
    reply_release(&pool, first);
    assert_int_equal(memory.live_count, 1);

    kw_reply *second = reply_pool_build(&pool, ":-12\r\n", 6, 1, slice_of(NULL, 0));
    assert_ptr_equal(second, first);
    assert_int_equal(kw_reply_integer(second), -12);
    assert_false(reply_is_kept(second));
    kw_reply_free(second); /* who keeps one need not know of the pool */
    assert_int_equal(memory.live_count, 0);
    reply_pool_done(&pool);
}

static void cleared_blocks_go_to_another_pool(void **state) {
    (void)state;
    reply_pool from;
    reply_pool to;
    reply_pool_init(&from, &memory.mem);
    reply_pool_init(&to, &memory.mem);
    reply_pool_free(&from, reply_pool_single(&from, '$', slice_of("a\r\n", 1)));
    reply_pool_hand_over(&to, &from);
    assert_int_equal(from.free_count, 0);
    assert_int_equal(to.free_count, 1);
    reply_pool_done(&to);
    assert_int_equal(memory.live_count, 0);
}

/* A tree over the memory that the buffer grew to, and what of it is too much goes back. */
static void taken_array_keeps_the_memory_it_came_in(void **state) {
    (void)state;
    static const char wire[] =
        "|1\r\n+ttl\r\n:9\r\n*4\r\n$2\r\nhi\r\n|1\r\n+a\r\n:1\r\n$-1\r\n=5\r\ntxt:x\r\n:-7\r\n";
    buffer in;
    buffer_init(&in, &memory.mem, 0);
    assert_non_null(buffer_reserve(&in, 4096));
    assert_true(buffer_append(&in, wire, sizeof wire - 1) && buffer_append_text(&in, "+next\r\n"));
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(resp_scan(&s, in.data, buffer_len(&in)), RESP_DONE);
    assert_int_equal(s.offset, sizeof wire - 1);

    kw_reply *r = reply_take(&memory.mem, &in, sizeof wire - 1, s.node_count, 8);
    assert_non_null(r);
    assert_int_equal(kw_reply_count(r), 4);
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(r), "ttl")), 9);
    assert_string_equal(kw_reply_string(kw_reply_at(r, 0), NULL), "hi");
    assert_true(kw_reply_is_null(kw_reply_at(r, 1)));
    assert_int_equal(kw_reply_integer(kw_reply_get(kw_reply_attributes(kw_reply_at(r, 1)), "a")),
                     1);
    assert_string_equal(kw_reply_format(kw_reply_at(r, 2)), "txt");
    assert_int_equal(kw_reply_integer(kw_reply_at(r, 3)), -7);
    assert_true(slice_is(buffer_slice(&in), "+next\r\n"));
    assert_int_equal(memory.live_count, 3); /* nodes, bytes, and the buffer's new memory */
    kw_reply_free(r);
    buffer_done(&in);
}

static void taken_string_keeps_the_memory_it_came_in(void **state) {
    (void)state;
    static const char wire[] = "+before\r\n$12\r\nhello\r\nworld\r\n+next\r\n";
    buffer in;
    buffer_init(&in, &memory.mem, 0);
    assert_non_null(buffer_reserve_exactly(&in, sizeof wire - 1));
    assert_true(buffer_append(&in, wire, sizeof wire - 1));
    buffer_consume(&in, 9);
    const char *string = buffer_bytes(&in) + 5;

    kw_reply *r = reply_take(&memory.mem, &in, 19, 1, 8);
    assert_non_null(r);
    assert_int_equal(kw_reply_type(r), KW_TYPE_STRING);
    assert_ptr_equal(reply_slice(r).data, string);
    assert_true(slice_is(reply_slice(r), "hello\r\nworld"));
    assert_int_equal(string[12], '\0');
    assert_true(slice_is(buffer_slice(&in), "+next\r\n"));
    kw_reply_free(r);
    buffer_done(&in);
}

static void string_is_not_taken_without_memory(void **state) {
    (void)state;
    for (size_t allowed = 0; allowed < 2; allowed++) {
        buffer in;
        buffer_init(&in, &memory.mem, 0);
        assert_true(buffer_append_text(&in, "$2\r\nhi\r\n"));
        failing_mem_fail_at(&memory, allowed + 1);
        assert_null(reply_take(&memory.mem, &in, 8, 1, 8));
        failing_mem_fail_at(&memory, 0);
        assert_true(slice_is(buffer_slice(&in), "$2\r\nhi\r\n"));
        buffer_done(&in);
        assert_int_equal(memory.live_count, 0);
    }
}

static void nested_reply_is_neither_kept_nor_freed(void **state) {
    (void)state;
    kw_reply *r = BUILD("*1\r\n+a\r\n");
    kw_reply *nested = (kw_reply *)(uintptr_t)kw_reply_at(r, 0);
    assert_null(kw_reply_keep(nested));
    kw_reply_free(nested);
    assert_int_equal(memory.live_count, 1);
    kw_reply_free(r);
}

static void null_reply_is_allowed_everywhere(void **state) {
    (void)state;
    size_t len = 9;
    assert_int_equal(kw_reply_type(NULL), KW_TYPE_NULL);
    assert_true(kw_reply_is_null(NULL));
    assert_false(kw_reply_is_error(NULL));
    assert_null(kw_reply_string(NULL, &len));
    assert_int_equal(len, 0);
    assert_null(kw_reply_format(NULL));
    assert_int_equal(kw_reply_integer(NULL), 0);
    assert_true(kw_reply_double(NULL) == 0);
    assert_false(kw_reply_bool(NULL));
    assert_int_equal(kw_reply_count(NULL), 0);
    assert_null(kw_reply_at(NULL, 0));
    assert_null(kw_reply_key(NULL, 0));
    assert_null(kw_reply_get(NULL, "a"));
    assert_null(kw_reply_attributes(NULL));
    assert_null(kw_reply_keep(NULL));
    kw_reply_free(NULL);
    reply_free(NULL);
}

static void every_type_has_a_name(void **state) {
    (void)state;
    for (int type = KW_TYPE_STATUS; type <= KW_TYPE_PUSH; type++) {
        assert_string_not_equal(kw_type_name((kw_type)type), "unknown");
    }
    assert_string_equal(kw_type_name(KW_TYPE_ARRAY), "array");
    assert_string_equal(kw_type_name((kw_type)99), "unknown");
}

static void deepest_reply_is_built_and_freed(void **state) {
    (void)state;
    char wire[LIMIT_REPLY_DEPTH * 4 + 16];
    size_t len = 0;
    for (int i = 0; i < LIMIT_REPLY_DEPTH; i++) {
        memcpy(wire + len, i % 2 ? "*1\r\n" : "~1\r\n", 4);
        len += 4;
    }
    memcpy(wire + len, "+x\r\n", 4);
    kw_reply *root = build(wire, len + 4);
    const kw_reply *r = root;
    for (int i = 0; i < LIMIT_REPLY_DEPTH; i++) {
        r = kw_reply_at(r, 0);
    }
    assert_string_equal(kw_reply_string(r, NULL), "x");
    kw_reply_free(root);
}

/* ------------------------------------------------------------ random values */

static bool write_random(buffer *b, prng *random, unsigned depth);

static bool write_children(buffer *b, prng *random, size_t count, unsigned depth) {
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        ok = ok && write_random(b, random, depth);
    }
    return ok;
}

static bool write_random(buffer *b, prng *random, unsigned depth) {
    size_t count = prng_below(random, 4);
    switch (prng_below(random, depth > 0 ? 12 : 8)) {
    case 0:
        return resp_write_status(b, "status");
    case 1:
        return resp_write_error(b, "ERR x");
    case 2:
        return resp_write_integer(b, (int64_t)prng_next(random));
    case 3:
        return resp_write_null(b, 3);
    case 4:
        return resp_write_double(b, 3, (double)prng_next(random) / 7);
    case 5:
        return buffer_append_text(b, count > 1 ? "#t\r\n" : "#f\r\n");
    case 6:
        return resp_write_verbatim(b, 3, slice_of("verb", count));
    case 7:
        return resp_write_bulk(b, slice_of("\r\n\0x", count));
    case 8:
        return resp_write_array(b, count) && write_children(b, random, count, depth - 1);
    case 9:
        return resp_write_map(b, 3, count) && write_children(b, random, count * 2, depth - 1);
    case 10:
        return resp_write_set(b, 3, count) && write_children(b, random, count, depth - 1);
    default:
        return buffer_printf(b, "|%zu\r\n", count) &&
               write_children(b, random, count * 2, depth - 1) &&
               write_random(b, random, depth - 1);
    }
}

static bool write_tree(buffer *b, const kw_reply *r);

static bool write_tree_children(buffer *b, const kw_reply *r) {
    bool ok = true;
    for (size_t i = 0; i < kw_reply_count(r); i++) {
        const kw_reply *key = kw_reply_key(r, i);
        ok = ok && (!key || write_tree(b, key)) && write_tree(b, kw_reply_at(r, i));
    }
    return ok;
}

/* With those in front of it first. */
static bool write_attributes(buffer *b, const kw_reply *a) {
    assert_int_equal(a->type, KW_TYPE_MAP);
    const kw_reply *before = kw_reply_attributes(a);
    return (!before || write_attributes(b, before)) &&
           buffer_printf(b, "|%zu\r\n", kw_reply_count(a)) && write_tree_children(b, a);
}

static bool write_tree(buffer *b, const kw_reply *r) {
    const kw_reply *attributes = kw_reply_attributes(r);
    if (attributes && !write_attributes(b, attributes)) {
        return false;
    }
    switch ((kw_type)r->type) {
    case KW_TYPE_STATUS:
        return resp_write_status(b, kw_reply_string(r, NULL));
    case KW_TYPE_ERROR:
        return resp_write_error(b, kw_reply_string(r, NULL));
    case KW_TYPE_INTEGER:
        return resp_write_integer(b, kw_reply_integer(r));
    case KW_TYPE_STRING:
        return resp_write_bulk(b, reply_slice(r));
    case KW_TYPE_DOUBLE:
        return resp_write_double(b, 3, kw_reply_double(r));
    case KW_TYPE_BOOL:
        return buffer_append_text(b, r->value.integer != 0 ? "#t\r\n" : "#f\r\n");
    case KW_TYPE_VERBATIM:
        return resp_write_verbatim(b, 3, reply_slice(r));
    case KW_TYPE_ARRAY:
        return resp_write_array(b, kw_reply_count(r)) && write_tree_children(b, r);
    case KW_TYPE_SET:
        return resp_write_set(b, 3, kw_reply_count(r)) && write_tree_children(b, r);
    case KW_TYPE_MAP:
        return resp_write_map(b, 3, kw_reply_count(r)) && write_tree_children(b, r);
    default:
        return resp_write_null(b, 3);
    }
}

static void random_trees_are_what_was_written(void **state) {
    (void)state;
    prng random;
    prng_init(&random, 23);
    buffer wire;
    buffer again;
    buffer_init(&wire, &mem_default, 0);
    buffer_init(&again, &mem_default, 0);
    for (int round = 0; round < 3000; round++) {
        buffer_clear(&wire, SIZE_MAX);
        buffer_clear(&again, SIZE_MAX);
        assert_true(write_random(&wire, &random, 5));
        kw_slice bytes = buffer_slice(&wire);
        kw_reply *r = build(bytes.data, bytes.len);
        assert_non_null(r);
        assert_true(write_tree(&again, r));
        kw_reply_free(r);
        assert_true(slice_equal(buffer_slice(&again), bytes));
    }
    buffer_done(&wire);
    buffer_done(&again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, no_leak)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(strings_are_terminated_and_binary),
        TEST(scalars_have_their_values),
        TEST(aggregates_are_nested),
        TEST(get_reads_maps_and_flat_pairs),
        TEST(attributes_belong_to_the_value_that_follows),
        TEST(attributes_of_attributes_are_kept),
        TEST(attributes_do_not_hide_their_value),
        TEST(verbatim_has_a_format),
        TEST(one_allocation_holds_it_all),
        TEST(kept_reply_outlives_its_allocator_struct),
        TEST(held_reply_is_freed_by_release_unless_kept),
        TEST(pooled_block_is_used_again),
        TEST(cleared_blocks_go_to_another_pool),
        TEST(taken_array_keeps_the_memory_it_came_in),
        TEST(taken_string_keeps_the_memory_it_came_in),
        TEST(string_is_not_taken_without_memory),
        TEST(nested_reply_is_neither_kept_nor_freed),
        TEST(null_reply_is_allowed_everywhere),
        TEST(every_type_has_a_name),
        TEST(deepest_reply_is_built_and_freed),
        TEST(random_trees_are_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
