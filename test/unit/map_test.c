#include "base/map.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#define KEYS 500

/* The paper's key 00..0f and messages of 0, 1, 2 ... bytes; the values come from a second
 * implementation, which for 2 and 4 rounds gives the paper's own vector. */
static void hash_is_siphash_1_3(void **state) {
    (void)state;
    static const uint64_t expected[] = {
        UINT64_C(0xabac0158050fc4dc), UINT64_C(0xc9f49bf37d57ca93), UINT64_C(0x82cb9b024dc7d44d),
        UINT64_C(0x8bf80ab8e7ddf7fb), UINT64_C(0xcf75576088d38328), UINT64_C(0xdef9d52f49533b67),
        UINT64_C(0xc50d2b50c59f22a7), UINT64_C(0xd3927d989bb11140), UINT64_C(0x369095118d299a8e),
        UINT64_C(0x25a48eb36c063de4), UINT64_C(0x79de85ee92ff097f), UINT64_C(0x70c118c1f94dc352),
        UINT64_C(0x78a384b157b4d9a2), UINT64_C(0x306f760c1229ffa7), UINT64_C(0x605aa111c0f95d34),
        UINT64_C(0xd320d86d2a519956), UINT64_C(0xcc4fdd1a7d908b66), UINT64_C(0x9cf2689063dbd80c),
        UINT64_C(0x8ffc389cb473e63e), UINT64_C(0xf21f9de58d297d1c),
    };
    const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    char message[COUNT_OF(expected)];
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        message[i] = (char)i;
        assert_true(map_hash(seed, slice_of(message, i)) == expected[i]);
    }
}

static kw_slice key_of(size_t i, char dst[32]) {
    int len = snprintf(dst, 32, "key:%zu", i);
    return slice_of(dst, (size_t)len);
}

static void values_are_set_replaced_and_removed(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    map m;
    int one;
    int two;
    void *old = &m;
    map_init(&m, &f.mem, 1);
    assert_null(map_get(&m, SLICE_LITERAL("a")));
    assert_null(map_remove(&m, SLICE_LITERAL("a")));
    assert_true(map_set(&m, SLICE_LITERAL("a"), &one, &old));
    assert_null(old);
    assert_true(map_set(&m, SLICE_LITERAL("a"), &two, &old));
    assert_ptr_equal(old, &one);
    assert_true(map_set(&m, SLICE_LITERAL("a"), &one, NULL));
    assert_int_equal(map_count(&m), 1);
    assert_ptr_equal(map_get(&m, SLICE_LITERAL("a")), &one);
    assert_ptr_equal(map_remove(&m, SLICE_LITERAL("a")), &one);
    assert_null(map_get(&m, SLICE_LITERAL("a")));
    assert_int_equal(map_count(&m), 0);
    map_done(&m);
    assert_int_equal(f.live_count, 0);
    map_done(NULL);
}

static void keys_are_copied_and_binary(void **state) {
    (void)state;
    map m;
    int values[3];
    char key[] = "a\0b";
    map_init(&m, &mem_default, 1);
    assert_true(map_set(&m, slice_of(key, 3), &values[0], NULL));
    key[2] = 'c';
    assert_true(map_set(&m, slice_of(key, 3), &values[1], NULL));
    assert_true(map_set(&m, slice_of(NULL, 0), &values[2], NULL));
    assert_int_equal(map_count(&m), 3);
    assert_ptr_equal(map_get(&m, SLICE_LITERAL("a\0b")), &values[0]);
    assert_ptr_equal(map_get(&m, SLICE_LITERAL("a\0c")), &values[1]);
    assert_ptr_equal(map_get(&m, SLICE_LITERAL("")), &values[2]);
    assert_null(map_get(&m, SLICE_LITERAL("a")));
    map_done(&m);
}

typedef struct model {
    map map;
    char values[KEYS];
    bool present[KEYS];
    size_t count;
} model;

static void compare(model *m) {
    bool seen[KEYS] = {false};
    size_t count = 0;
    size_t position = 0;
    kw_slice key;
    void *value;
    while (map_next(&m->map, &position, &key, &value)) {
        size_t i = (size_t)((char *)value - m->values);
        char text[32];
        assert_true(slice_equal(key, key_of(i, text)));
        assert_true(m->present[i]);
        assert_false(seen[i]);
        seen[i] = true;
        count++;
    }
    assert_int_equal(count, m->count);
    assert_int_equal(map_count(&m->map), m->count);
    for (size_t i = 0; i < KEYS; i++) {
        char text[32];
        assert_ptr_equal(map_get(&m->map, key_of(i, text)), m->present[i] ? &m->values[i] : NULL);
    }
}

static void random_changes_agree_with_a_naive_model(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    model m = {.count = 0};
    prng random;
    prng_init(&random, 11);
    map_init(&m.map, &f.mem, 99);
    for (int step = 0; step < 40000; step++) {
        /* Times of growth and times of decay. */
        bool add = prng_below(&random, 100) < (step / 4000 % 2 == 0 ? 80u : 20u);
        size_t i = prng_below(&random, KEYS);
        char text[32];
        kw_slice key = key_of(i, text);
        if (add) {
            void *old = NULL;
            assert_true(map_set(&m.map, key, &m.values[i], &old));
            assert_ptr_equal(old, m.present[i] ? &m.values[i] : NULL);
            m.count += m.present[i] ? 0 : 1;
        } else {
            assert_ptr_equal(map_remove(&m.map, key), m.present[i] ? &m.values[i] : NULL);
            m.count -= m.present[i] ? 1 : 0;
        }
        m.present[i] = add;
        if (step % 500 == 0) {
            compare(&m);
        }
    }
    compare(&m);
    assert_true(m.map.capacity <= 2048);
    map_done(&m.map);
    assert_int_equal(f.live_count, 0);
}

static void entries_are_removed_while_walking(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    map m;
    char values[KEYS];
    map_init(&m, &f.mem, 4);
    for (size_t i = 0; i < KEYS; i++) {
        char text[32];
        assert_true(map_set(&m, key_of(i, text), &values[i], NULL));
    }
    size_t position = 0;
    size_t count = 0;
    kw_slice key;
    void *value;
    while (map_next(&m, &position, &key, &value)) {
        assert_ptr_equal(map_remove(&m, key), value);
        count++;
    }
    assert_int_equal(count, KEYS);
    assert_int_equal(map_count(&m), 0);
    assert_int_equal(f.live_count, 0); /* emptied: the table is gone too */
    map_done(&m);
}

static void map_that_comes_and_goes_does_not_grow(void **state) {
    (void)state;
    map m;
    int value;
    map_init(&m, &mem_default, 4);
    assert_true(map_set(&m, SLICE_LITERAL("stays"), &value, NULL));
    for (size_t i = 0; i < 10000; i++) {
        char text[32];
        assert_true(map_set(&m, key_of(i, text), &value, NULL));
        assert_ptr_equal(map_remove(&m, key_of(i, text)), &value);
    }
    assert_true(m.capacity <= 32);
    assert_ptr_equal(map_get(&m, SLICE_LITERAL("stays")), &value);
    map_done(&m);
}

static void every_failed_allocation_leaves_the_map_as_it_was(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    map m;
    char values[100];
    map_init(&m, &f.mem, 8);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[32];
        kw_slice key = key_of(i, text);
        size_t call = 1;
        bool ok = false;
        for (; !ok; call++) {
            failing_mem_fail_at(&f, call);
            ok = map_set(&m, key, &values[i], NULL);
            assert_int_equal(map_count(&m), ok ? i + 1 : i);
            assert_ptr_equal(map_get(&m, key), ok ? &values[i] : NULL);
        }
        assert_true(call > 2);
        for (size_t j = 0; j <= i; j++) {
            assert_ptr_equal(map_get(&m, key_of(j, text)), &values[j]);
        }
    }
    map_done(&m);
    assert_int_equal(f.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_1_3),
        cmocka_unit_test(values_are_set_replaced_and_removed),
        cmocka_unit_test(keys_are_copied_and_binary),
        cmocka_unit_test(random_changes_agree_with_a_naive_model),
        cmocka_unit_test(entries_are_removed_while_walking),
        cmocka_unit_test(map_that_comes_and_goes_does_not_grow),
        cmocka_unit_test(every_failed_allocation_leaves_the_map_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
