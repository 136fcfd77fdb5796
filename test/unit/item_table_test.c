#include "node/item_table.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#define KEYS 300

static kw_slice numbered(const char *prefix, unsigned number, char dst[32]) {
    int len = snprintf(dst, 32, "%s%u", prefix, number);
    return slice_of(dst, (size_t)len);
}

static void put(item_table *t, const char *key, const char *value, bool expect_added) {
    bool added = !expect_added;
    assert_true(items_put(t, slice_text(key), slice_text(value), &added));
    assert_int_equal(added, expect_added);
}

static void fill(item_table *t, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        char value[32];
        bool added = false;
        assert_true(items_put(t, numbered("k", i, key), numbered("v", i * i, value), &added));
        assert_true(added);
    }
}

static void values_are_replaced_and_removed(void **state) {
    (void)state;
    for (int indexed = 0; indexed < 2; indexed++) {
        item_table t;
        size_t position;
        items_init(&t, &mem_default, 3);
        assert_true(!indexed || items_make_index(&t));
        assert_false(items_find(&t, SLICE_LITERAL(""), &position));
        put(&t, "a", "1", true);
        put(&t, "a", "a longer value", false);
        put(&t, "a", "", false);
        put(&t, "", "of the empty key", true);
        assert_true(items_find(&t, SLICE_LITERAL(""), &position));
        assert_slice_is(items_value(&t, position), "of the empty key");
        assert_true(items_find(&t, SLICE_LITERAL("a"), &position));
        assert_slice_is(items_value(&t, position), "");
        assert_true(items_remove(&t, SLICE_LITERAL("a")));
        assert_false(items_remove(&t, SLICE_LITERAL("a")));
        assert_int_equal(t.count, 1);
        items_done(&t);
    }
}

static void order_is_kept_without_an_index(void **state) {
    (void)state;
    item_table t;
    items_init(&t, &mem_default, 3);
    fill(&t, 5);
    assert_true(items_remove(&t, SLICE_LITERAL("k1")));
    put(&t, "k3", "longer than it was", false);
    put(&t, "k1", "", true);
    static const char *const order[] = {"k0", "k2", "k3", "k4", "k1"};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_slice_is(items_key(&t, i), order[i]);
    }
    assert_true(items_make_index(&t));
    assert_slice_is(items_key(&t, 4), "k1");
    items_done(&t);
}

/* Against a plain array, through growth and shrinking. */
static void an_indexed_table_holds_what_a_model_holds(void **state) {
    (void)state;
    enum { NUMBERS = 2000, STEPS = 40000 };
    static bool held[NUMBERS];
    size_t count = 0;
    prng random;
    prng_init(&random, 11);
    item_table t;
    items_init(&t, &mem_default, 9);
    assert_true(items_make_index(&t));
    for (unsigned step = 0; step < STEPS; step++) {
        char key[32];
        unsigned number = (unsigned)prng_below(&random, NUMBERS);
        bool growing = step / 10000 % 2 == 0;
        if (prng_below(&random, 8) < (growing ? 6 : 1)) {
            bool added = held[number];
            assert_true(items_put(&t, numbered("", number, key), SLICE_LITERAL("v"), &added));
            assert_int_equal(added, !held[number]);
            count += added;
            held[number] = true;
        } else {
            assert_int_equal(items_remove(&t, numbered("", number, key)), held[number]);
            count -= held[number];
            held[number] = false;
        }
        assert_int_equal(t.count, count);
    }
    for (unsigned number = 0; number < NUMBERS; number++) {
        char key[32];
        size_t position;
        assert_int_equal(items_find(&t, numbered("", number, key), &position), held[number]);
    }
    while (t.count > 0) {
        items_remove_at(&t, prng_below(&random, t.count));
    }
    assert_true(t.capacity < 256 && t.index_capacity <= 1024);
    items_done(&t);
}

/* Items are added and removed between the steps of a walk; those that stay are all met. */
static void a_walk_meets_every_item_that_stays(void **state) {
    (void)state;
    prng random;
    prng_init(&random, 5);
    for (unsigned round = 0; round < 50; round++) {
        item_table t;
        bool met[KEYS] = {false};
        items_init(&t, &mem_default, round);
        assert_true(items_make_index(&t));
        fill(&t, KEYS);
        uint64_t cursor = 0;
        unsigned next = KEYS;
        size_t steps = 0;
        do {
            size_t low;
            size_t high;
            cursor = items_scan(&t, cursor, 7, &low, &high);
            assert_true(high - low <= 7);
            for (; low < high; low++) {
                unsigned number;
                char text[16];
                (void)slice_copy(text, sizeof text,
                                 slice_of(t.items[low].bytes, t.items[low].key_len));
                assert_int_equal(sscanf(text, "k%u", &number), 1);
                if (number < KEYS) {
                    met[number] = true;
                }
            }
            for (unsigned i = 0; i < 5; i++) { /* the even ones stay */
                char key[32];
                unsigned number = (unsigned)prng_below(&random, KEYS) | 1;
                (void)items_remove(&t, numbered("k", number, key)); /* may be gone already */
                bool added;
                if (prng_below(&random, 3) == 0) {
                    kw_slice fresh = numbered("k", next++, key);
                    assert_true(items_put(&t, fresh, SLICE_LITERAL("v"), &added));
                }
            }
            assert_true(++steps < KEYS);
        } while (cursor != 0);
        for (unsigned i = 0; i < KEYS; i += 2) {
            assert_true(met[i]);
        }
        items_done(&t);
    }
}

static void a_cursor_of_nobody_is_harmless(void **state) {
    (void)state;
    item_table t;
    size_t low;
    size_t high;
    items_init(&t, &mem_default, 1);
    assert_true(items_make_index(&t));
    assert_int_equal(items_scan(&t, UINT64_MAX, 10, &low, &high), 0);
    assert_int_equal(high, 0);
    fill(&t, 20);
    assert_int_equal(items_scan(&t, UINT64_MAX, 5, &low, &high), 15);
    assert_int_equal(items_scan(&t, 3, UINT64_MAX, &low, &high), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, 3);
    items_done(&t);
}

static void fill_and_copy(failing_mem *f) {
    item_table t;
    items_init(&t, &f->mem, 2);
    bool added;
    bool good = true;
    for (unsigned i = 0; good && i < 40; i++) {
        char key[32];
        good = items_put(&t, numbered("k", i % 30, key), numbered("v", i, key), &added) &&
               (i != 10 || items_make_index(&t));
    }
    item_table copy;
    if (items_clone(&copy, &t, &f->mem)) {
        assert_int_equal(copy.count, t.count);
        for (size_t i = 0; i < t.count; i++) {
            kw_slice key = items_key(&t, i);
            kw_slice value = items_value(&t, i);
            assert_true(slice_equal(items_key(&copy, i), key));
            assert_true(slice_equal(items_value(&copy, i), value));
        }
        items_done(&copy);
    }
    items_done(&t);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    fill_and_copy(&f);
    size_t calls = f.call_count;
    assert_true(calls > 60);
    for (size_t i = 1; i <= calls; i++) {
        failing_mem_fail_at(&f, i);
        fill_and_copy(&f);
        assert_int_equal(f.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_replaced_and_removed),
        cmocka_unit_test(order_is_kept_without_an_index),
        cmocka_unit_test(an_indexed_table_holds_what_a_model_holds),
        cmocka_unit_test(a_walk_meets_every_item_that_stays),
        cmocka_unit_test(a_cursor_of_nobody_is_harmless),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests_name("item_table", tests, NULL, NULL);
}
