#include "node/value_zset.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <math.h>
#include <stdlib.h>

static zset_node *add(value_zset *z, const char *member, double score) {
    zset_node *node = value_zset_add(z, slice_text(member), score);
    assert_non_null(node);
    return node;
}

/* Members a, b, c ... of one score, or of scores 1, 2, 3 ... */
static value_zset *letters(size_t count, bool same_score) {
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    for (size_t i = 0; i < count; i++) {
        char member[] = {(char)('a' + i), '\0'};
        (void)add(z, member, same_score ? 0 : (double)i + 1);
    }
    return z;
}

/* The members from first to last and back again, a space between: "abc cba". */
static const char *content(const value_zset *z, char dst[64]) {
    size_t at = 0;
    for (const zset_node *node = value_zset_at(z, 0); node; node = zset_node_next(node)) {
        dst[at++] = zset_node_member(node).data[0];
    }
    dst[at++] = ' ';
    const zset_node *last =
        value_zset_count(z) > 0 ? value_zset_at(z, value_zset_count(z) - 1) : NULL;
    for (const zset_node *node = last; node; node = zset_node_prev(node)) {
        dst[at++] = zset_node_member(node).data[0];
    }
    dst[at] = '\0';
    return dst;
}

#define assert_content(zset, text)                                                                 \
    do {                                                                                           \
        char buffer_[64];                                                                          \
        assert_string_equal(content(zset, buffer_), text);                                         \
    } while (0)

static void members_stand_in_the_order_of_score_then_bytes(void **state) {
    (void)state;
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    assert_content(z, " ");
    (void)add(z, "d", 2);
    (void)add(z, "b", 2);
    (void)add(z, "z", -INFINITY);
    (void)add(z, "a", INFINITY);
    (void)add(z, "c", 2);
    (void)add(z, "e", 1.5);
    assert_content(z, "zebcda adcbez");
    zset_node *c = value_zset_find(z, SLICE_LITERAL("c"));
    assert_int_equal(value_zset_rank(z, c), 3);
    value_zset_rescore(z, c, -1);
    assert_content(z, "zcebda adbecz");
    assert_int_equal(value_zset_rank(z, c), 1);
    value_zset_remove(z, c);
    assert_null(value_zset_find(z, SLICE_LITERAL("c")));
    assert_content(z, "zebda adbez");
    value_zset_remove_ranks(z, 1, 3);
    assert_content(z, "zda adz");
    value_zset_remove_ranks(z, 2, 99);
    assert_content(z, "zd dz");
    assert_null(value_zset_at(z, 2));
    value_zset_free(z);
    value_zset_free(NULL);
}

static void shorter_members_come_before_longer_ones(void **state) {
    (void)state;
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    const zset_node *longer = add(z, "aa", 0);
    const zset_node *middle = value_zset_add(z, slice_of("a\0", 2), 0);
    const zset_node *shorter = add(z, "a", 0);
    const zset_node *empty = add(z, "", 0);
    assert_ptr_equal(value_zset_at(z, 0), empty);
    assert_ptr_equal(zset_node_next(empty), shorter);
    assert_ptr_equal(zset_node_next(shorter), middle);
    assert_ptr_equal(zset_node_next(middle), longer);
    value_zset_free(z);
}

typedef struct score_row {
    zset_scores range;
    size_t first;
    size_t end;
} score_row;

static void scores_are_found_between_bounds(void **state) {
    (void)state;
    static const score_row rows[] = {
        {{1, 3, false, false}, 0, 3},
        {{1, 3, true, false}, 1, 3},
        {{1, 3, false, true}, 0, 2},
        {{1, 3, true, true}, 1, 2},
        {{-INFINITY, INFINITY, false, false}, 0, 5},
        {{-INFINITY, INFINITY, true, true}, 0, 5},
        {{2, 2, false, false}, 1, 2},
        {{2, 2, true, false}, 2, 2},
        {{2, 2, false, true}, 1, 1},
        {{3, 2, false, false}, 2, 2},
        {{2.5, 2.6, false, false}, 2, 2},
        {{6, 7, false, false}, 5, 5},
        {{-7, 0, false, false}, 0, 0},
    };
    value_zset *z = letters(5, false);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t first;
        size_t end;
        value_zset_score_ranks(z, &rows[i].range, &first, &end);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(end, rows[i].end);
    }
    value_zset_free(z);
}

typedef struct lex_row {
    zset_bound min_bound;
    const char *min;
    zset_bound max_bound;
    const char *max;
    size_t first;
    size_t end;
} lex_row;

static void members_are_found_between_bounds(void **state) {
    (void)state;
    static const lex_row rows[] = {
        {ZSET_LOWEST, "", ZSET_HIGHEST, "", 0, 5},  {ZSET_HIGHEST, "", ZSET_LOWEST, "", 0, 0},
        {ZSET_LOWEST, "", ZSET_LOWEST, "", 0, 0},   {ZSET_HIGHEST, "", ZSET_HIGHEST, "", 0, 0},
        {ZSET_CLOSED, "b", ZSET_HIGHEST, "", 1, 5}, {ZSET_OPEN, "b", ZSET_HIGHEST, "", 2, 5},
        {ZSET_LOWEST, "", ZSET_CLOSED, "d", 0, 4},  {ZSET_LOWEST, "", ZSET_OPEN, "d", 0, 3},
        {ZSET_CLOSED, "b", ZSET_CLOSED, "b", 1, 2}, {ZSET_OPEN, "b", ZSET_CLOSED, "b", 0, 0},
        {ZSET_CLOSED, "b", ZSET_OPEN, "b", 0, 0},   {ZSET_CLOSED, "d", ZSET_CLOSED, "b", 0, 0},
        {ZSET_CLOSED, "f", ZSET_HIGHEST, "", 0, 0}, {ZSET_LOWEST, "", ZSET_OPEN, "a", 0, 0},
    };
    for (int packed = 0; packed < 2; packed++) {
        value_zset *z = letters(5, true);
        if (!packed) {
            value_zset_unpack(z);
        }
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            zset_lex range = {slice_text(rows[i].min), slice_text(rows[i].max), rows[i].min_bound,
                              rows[i].max_bound};
            for (int from_tail = 0; from_tail < 2; from_tail++) {
                size_t first;
                size_t end;
                value_zset_lex_ranks(z, &range, from_tail, &first, &end);
                assert_int_equal(end - first, rows[i].end - rows[i].first);
                assert_true(first == end || first == rows[i].first);
            }
        }
        value_zset_free(z);
    }
}

static void small_sets_are_packed_until_they_grow(void **state) {
    (void)state;
    char name[ZSET_PACKED_BYTES_MAX + 2];
    memset(name, 'x', sizeof name);
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    assert_non_null(value_zset_add(z, slice_of(name, ZSET_PACKED_BYTES_MAX), 1));
    assert_string_equal(value_zset_kind.encoding(z), "listpack");
    zset_node *longer = value_zset_add(z, slice_of(name, ZSET_PACKED_BYTES_MAX + 1), 1);
    assert_non_null(longer);
    assert_string_equal(value_zset_kind.encoding(z), "skiplist");
    value_zset_pack(z);
    assert_false(value_zset_is_packed(z));
    value_zset_remove(z, longer);
    assert_false(value_zset_is_packed(z));
    value_zset_pack(z);
    assert_true(value_zset_is_packed(z));
    for (int i = 1; i < ZSET_PACKED_COUNT_MAX; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        (void)add(z, name, i);
    }
    assert_true(value_zset_is_packed(z));
    (void)add(z, "one more", 0);
    assert_false(value_zset_is_packed(z));
    value_zset_pack(z);
    assert_false(value_zset_is_packed(z));
    value_zset_free(z);
}

static void a_packed_set_holds_no_negative_zero(void **state) {
    (void)state;
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    zset_node *node = add(z, "a", -0.0);
    assert_false(signbit(zset_node_score(node)));
    value_zset_unpack(z);
    value_zset_rescore(z, node, -0.0);
    assert_true(signbit(zset_node_score(node)));
    value_zset_pack(z);
    assert_false(signbit(zset_node_score(node)));
    value_zset_free(z);
}

#define MODEL_MAX 300

typedef struct model {
    bool there[MODEL_MAX];
    double score[MODEL_MAX];
} model;

static kw_slice member_of(size_t number, char dst[16]) {
    int len = snprintf(dst, 16, "%03zu", number);
    return slice_of(dst, (size_t)len);
}

static size_t model_rank(const model *m, size_t number) {
    size_t rank = 0;
    for (size_t i = 0; i < MODEL_MAX; i++) {
        rank += m->there[i] &&
                (m->score[i] < m->score[number] || (m->score[i] == m->score[number] && i < number));
    }
    return rank;
}

static void many_changes_agree_with_a_plain_table(void **state) {
    (void)state;
    static model m;
    prng random;
    prng_init(&random, 3);
    failing_mem f;
    failing_mem_init(&f);
    value_zset *z = value_zset_new(&f.mem, 5);
    assert_non_null(z);
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        char text[16];
        size_t number = (size_t)prng_below(&random, MODEL_MAX);
        kw_slice member = member_of(number, text);
        double score = (double)prng_below(&random, 20) - 10;
        zset_node *node = value_zset_find(z, member);
        assert_int_equal(node != NULL, m.there[number]);
        bool growing = step % 4000 < 2000;
        if (!node) {
            node = value_zset_add(z, member, score);
            assert_non_null(node);
            count++;
        } else if (prng_below(&random, 4) < (growing ? 1 : 3)) {
            value_zset_remove(z, node);
            node = NULL;
            count--;
        } else {
            value_zset_rescore(z, node, score);
        }
        m.there[number] = node != NULL;
        m.score[number] = score;
        assert_int_equal(value_zset_count(z), count);
        if (node) {
            size_t rank = model_rank(&m, number);
            assert_int_equal(value_zset_rank(z, node), rank);
            assert_ptr_equal(value_zset_at(z, rank), node);
            const zset_node *prev = zset_node_prev(node);
            assert_true(prev ? zset_node_next(prev) == node : rank == 0);
        }
    }
    value_zset_free(z);
    assert_int_equal(f.live_count, 0);
}

static void short_memory_changes_nothing(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    failing_mem_fail_at(&f, 1);
    assert_null(value_zset_new(&f.mem, 1));
    failing_mem_fail_at(&f, 0);
    value_zset *z = value_zset_new(&f.mem, 1);
    assert_non_null(z);
    for (size_t call = 1; call <= 2; call++) {
        failing_mem_fail_at(&f, call);
        assert_null(value_zset_add(z, SLICE_LITERAL("a"), 1));
        assert_int_equal(value_zset_count(z), 0);
        assert_null(value_zset_find(z, SLICE_LITERAL("a")));
    }
    failing_mem_fail_at(&f, 0);
    for (int i = 0; i < 8; i++) {
        char member[] = {(char)('a' + i), '\0'};
        (void)add(z, member, 0);
    }
    failing_mem_fail_at(&f, 1); /* the larger table */
    (void)add(z, "z", 0);
    assert_non_null(value_zset_find(z, SLICE_LITERAL("a")));
    assert_non_null(value_zset_find(z, SLICE_LITERAL("z")));
    failing_mem_fail_at(&f, 0);
    size_t held = f.live_count;
    for (size_t call = 1;; call++) {
        failing_mem_fail_at(&f, call);
        value_zset *copy = value_zset_kind.clone(&f.mem, z);
        if (copy && f.call_count < call) {
            value_zset_kind.free(&f.mem, copy);
            break;
        }
        value_zset_kind.free(&f.mem, copy);
        assert_int_equal(f.live_count, held);
    }
    value_zset_free(z);
    assert_int_equal(f.live_count, 0);
}

static void a_clone_is_equal_and_apart(void **state) {
    (void)state;
    value_zset *z = letters(5, false);
    value_zset_unpack(z);
    value_zset_rescore(z, value_zset_find(z, SLICE_LITERAL("c")), -0.0);
    value_zset *copy = value_zset_kind.clone(&mem_default, z);
    assert_non_null(copy);
    value_zset_remove_ranks(z, 0, 5);
    assert_content(copy, "cabde edbac");
    assert_false(value_zset_is_packed(copy));
    assert_true(signbit(zset_node_score(value_zset_at(copy, 0))));
    value_zset_kind.free(&mem_default, z);
    value_zset_kind.free(&mem_default, copy);
}

typedef struct scan_seen {
    size_t count;
    bool members[2000];
} scan_seen;

static void see(void *arg, const zset_node *node) {
    scan_seen *seen = arg;
    seen->count++;
    char text[16];
    slice_copy(text, sizeof text, zset_node_member(node));
    seen->members[strtol(text, NULL, 10)] = true;
}

static void add_number(value_zset *z, size_t number) {
    char text[16];
    assert_non_null(value_zset_add(z, member_of(number, text), 0));
}

/* Members 0..149 are there all the time. Others, up to `most`, come or go between the calls, so
 * that the table grows or shrinks under the cursor. */
static void scan_while_changing(size_t most, bool growing) {
    static scan_seen seen;
    memset(&seen, 0, sizeof seen);
    value_zset *z = value_zset_new(&mem_default, most);
    assert_non_null(z);
    size_t count = growing ? 150 : most;
    for (size_t i = 0; i < count; i++) {
        add_number(z, i);
    }
    uint64_t cursor = 0;
    size_t calls = 0;
    do {
        cursor = value_zset_scan(z, cursor, 10, see, &seen);
        for (size_t i = 0; i < 60; i++) {
            if (growing && count < most) {
                add_number(z, count++);
            } else if (!growing && count > 150) {
                char text[16];
                value_zset_remove(z, value_zset_find(z, member_of(--count, text)));
            }
        }
        assert_true(++calls < 5000);
    } while (cursor != 0);
    for (size_t i = 0; i < 150; i++) {
        assert_true(seen.members[i]);
    }
    assert_true(calls > 5);
    value_zset_free(z);
}

static void a_scan_gives_every_member_that_stays(void **state) {
    (void)state;
    scan_while_changing(150, true);
    scan_while_changing(2000, true);
    scan_while_changing(2000, false);
}

static void a_packed_set_is_scanned_at_once(void **state) {
    (void)state;
    static scan_seen seen;
    value_zset *z = value_zset_new(&mem_default, 1);
    assert_non_null(z);
    assert_int_equal(value_zset_scan(z, 0, 10, see, &seen), 0);
    for (size_t i = 0; i < 100; i++) {
        add_number(z, i);
    }
    assert_int_equal(value_zset_scan(z, 77, 1, see, &seen), 0);
    assert_int_equal(seen.count, 100);
    value_zset_free(z);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_score_then_bytes),
        cmocka_unit_test(shorter_members_come_before_longer_ones),
        cmocka_unit_test(scores_are_found_between_bounds),
        cmocka_unit_test(members_are_found_between_bounds),
        cmocka_unit_test(small_sets_are_packed_until_they_grow),
        cmocka_unit_test(a_packed_set_holds_no_negative_zero),
        cmocka_unit_test(many_changes_agree_with_a_plain_table),
        cmocka_unit_test(short_memory_changes_nothing),
        cmocka_unit_test(a_clone_is_equal_and_apart),
        cmocka_unit_test(a_scan_gives_every_member_that_stays),
        cmocka_unit_test(a_packed_set_is_scanned_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
