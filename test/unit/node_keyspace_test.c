#include "node/node_keyspace.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void set_text(keyspace *ks, const char *key, const char *value, uint64_t expire_ms) {
    assert_true(keyspace_set(ks, slice_text(key), slice_text(value), expire_ms));
}

static keyspace *new_keyspace(void) {
    keyspace *ks = keyspace_new(&mem_default, 7);
    assert_non_null(ks);
    return ks;
}

static void values_replace_each_other(void **state) {
    (void)state;
    keyspace *ks = new_keyspace();
    set_text(ks, "k", "a longer value than the next one, by far, so that memory is given back", 0);
    set_text(ks, "k", "b", 0);
    set_text(ks, "k", "", 0);
    keyspace_entry *e = keyspace_find(ks, SLICE_LITERAL("k"), 0);
    assert_non_null(e);
    assert_int_equal(e->value_len, 0);
    set_text(ks, "k", "again", 0);
    assert_slice_is(keyspace_value(e), "again");
    assert_int_equal(keyspace_count(ks), 1);
    keyspace_free(ks);
}

static void expired_keys_are_hidden_and_then_removed(void **state) {
    (void)state;
    keyspace *ks = new_keyspace();
    kw_slice key = SLICE_LITERAL("k");
    set_text(ks, "k", "v", 100);
    assert_non_null(keyspace_peek(ks, key, 99));
    assert_null(keyspace_peek(ks, key, 100));
    assert_int_equal(keyspace_count(ks), 1);
    assert_int_equal(ks->expiring_count, 1);
    assert_null(keyspace_find(ks, key, 100));
    assert_int_equal(keyspace_count(ks), 0);
    assert_int_equal(ks->expiring_count, 0);
    keyspace_free(ks);
}

static void slots_know_their_keys(void **state) {
    (void)state;
    keyspace *ks = new_keyspace();
    int slot = slot_of_key(SLICE_LITERAL("t"));
    set_text(ks, "{t}1", "", 0);
    set_text(ks, "{t}2", "", 0);
    set_text(ks, "{t}2", "x", 0);
    assert_int_equal(keyspace_slot_count(ks, slot), 2);
    keyspace_entry *first = keyspace_first(ks, slot);
    keyspace_entry *second = keyspace_next(ks, slot, first);
    assert_slice_is(keyspace_key(first), "{t}2"); /* the newest first, as the servers list them */
    assert_slice_is(keyspace_key(second), "{t}1");
    assert_null(keyspace_next(ks, slot, second));
    keyspace_remove(ks, first);
    assert_ptr_equal(keyspace_first(ks, slot), second);
    keyspace_clear(ks);
    assert_null(keyspace_first(ks, slot));
    assert_int_equal(keyspace_slot_count(ks, slot), 0);
    keyspace_free(ks);
}

static void each_change_has_a_new_version(void **state) {
    (void)state;
    keyspace *ks = new_keyspace();
    set_text(ks, "k", "v", 0);
    keyspace_entry *e = keyspace_find(ks, SLICE_LITERAL("k"), 0);
    uint64_t seen = e->version;
    set_text(ks, "k", "v", 0);
    assert_true(e->version > seen);
    seen = e->version;
    keyspace_set_expiry(ks, e, 50);
    assert_true(e->version > seen);
    seen = e->version;
    assert_non_null(keyspace_resize(ks, e, 3));
    assert_true(e->version > seen);
    assert_memory_equal(e->value, "v\0\0", 3);
    keyspace_free(ks);
}

static void a_clone_has_a_life_of_its_own(void **state) {
    (void)state;
    keyspace *ks = new_keyspace();
    set_text(ks, "a", "1", 0);
    set_text(ks, "b", "2", 500);
    keyspace *copy = keyspace_clone(ks, 100);
    assert_non_null(copy);
    set_text(ks, "a", "changed", 0);
    keyspace_free(ks);
    assert_slice_is(keyspace_value(keyspace_find(copy, SLICE_LITERAL("a"), 0)), "1");
    assert_int_equal(keyspace_find(copy, SLICE_LITERAL("b"), 0)->expire_ms, 500);
    keyspace_free(copy);
}

static void some_key_is_found_at_random(void **state) {
    (void)state;
    prng random;
    prng_init(&random, 1);
    keyspace *ks = new_keyspace();
    assert_null(keyspace_random(ks, &random));
    set_text(ks, "{t}a", "", 0);
    set_text(ks, "{t}b", "", 0);
    bool seen[2] = {false, false};
    for (int i = 0; i < 64; i++) {
        seen[keyspace_random(ks, &random)->key[3] == 'b'] = true;
    }
    assert_true(seen[0] && seen[1]);
    keyspace_free(ks);
}

static void failed_allocations_change_nothing(void **state) {
    (void)state;
    failing_mem memory;
    failing_mem_init(&memory);
    for (size_t fail_at = 1; fail_at < 40; fail_at++) {
        failing_mem_fail_at(&memory, 0);
        keyspace *ks = keyspace_new(&memory.mem, 7);
        assert_non_null(ks);
        assert_true(keyspace_set(ks, SLICE_LITERAL("old"), SLICE_LITERAL("v"), 0));
        failing_mem_fail_at(&memory, fail_at);
        size_t stored = 1;
        for (int i = 0; i < 8; i++) {
            char key[16];
            snprintf(key, sizeof key, "key%d", i);
            stored += keyspace_set(ks, slice_text(key), SLICE_LITERAL("value"), 0);
            assert_int_equal(keyspace_count(ks), stored);
        }
        assert_slice_is(keyspace_value(keyspace_find(ks, SLICE_LITERAL("old"), 0)), "v");
        keyspace_free(keyspace_clone(ks, 100));
        keyspace_free(ks);
        assert_int_equal(memory.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_replace_each_other),
        cmocka_unit_test(expired_keys_are_hidden_and_then_removed),
        cmocka_unit_test(slots_know_their_keys),
        cmocka_unit_test(each_change_has_a_new_version),
        cmocka_unit_test(a_clone_has_a_life_of_its_own),
        cmocka_unit_test(some_key_is_found_at_random),
        cmocka_unit_test(failed_allocations_change_nothing),
    };
    return cmocka_run_group_tests_name("node_keyspace", tests, NULL, NULL);
}
