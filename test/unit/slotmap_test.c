#include "core/slotmap.h"

#include "unit/support/unit.h"

static slotmap map;
static uint16_t owners[SLOT_COUNT];

static void fill(uint16_t node) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        owners[slot] = node;
    }
}

static uint32_t accept(bool keep_holes, uint32_t requested_at) {
    uint32_t healed = 0;
    return slotmap_accept(&map, owners, keep_holes, requested_at, 77, &healed);
}

static int loaded(void **state) {
    (void)state;
    slotmap_init(&map, &mem_default);
    fill(1);
    assert_int_equal(accept(false, 0), SLOT_COUNT);
    return 0;
}

static int done(void **state) {
    (void)state;
    slotmap_done(&map);
    return 0;
}

static void new_map_knows_nothing(void **state) {
    (void)state;
    slotmap_init(&map, &mem_default);
    assert_false(slotmap_loaded(&map));
    assert_int_equal(map.known_count, 0);
    assert_int_equal(slotmap_owner(&map, 0), SLOTMAP_NONE);
    assert_int_equal(slotmap_owner(&map, SLOT_COUNT - 1), SLOTMAP_NONE);
    assert_false(slotmap_is_suspect(&map, 5));
}

static void first_view_loads_and_heals_nothing(void **state) {
    (void)state;
    uint32_t healed = 99;
    slotmap_init(&map, &mem_default);
    fill(3);
    owners[7] = SLOTMAP_NONE;
    assert_int_equal(slotmap_accept(&map, owners, true, 0, 1234, &healed), SLOT_COUNT - 1);
    assert_true(slotmap_loaded(&map));
    assert_int_equal(healed, 0);
    assert_int_equal(map.created_us, 1234);
    assert_int_equal(map.known_count, SLOT_COUNT - 1);
    assert_int_equal(map.suspect_count, 0); /* a hole that was always one */
}

static void patch_changes_one_slot(void **state) {
    (void)state;
    uint64_t generation = map.generation;
    assert_false(slotmap_patch(&map, 100, 2)); /* it had an owner */
    assert_int_equal(slotmap_owner(&map, 99), 1);
    assert_int_equal(slotmap_owner(&map, 100), 2);
    assert_true(slotmap_in_overlay(&map, 100));
    assert_false(slotmap_in_overlay(&map, 101));
    assert_int_equal(map.overlay_count, 1);
    assert_true(map.generation > generation);
    assert_false(slotmap_patch(&map, 100, 3));
    assert_int_equal(map.overlay_count, 1);
    assert_int_equal(map.known_count, SLOT_COUNT);
}

static void patch_of_a_hole_heals(void **state) {
    (void)state;
    slotmap_forget(&map, 100);
    assert_int_equal(map.known_count, SLOT_COUNT - 1);
    assert_true(slotmap_patch(&map, 100, 2));
    assert_int_equal(map.known_count, SLOT_COUNT);
}

static void view_requested_before_a_patch_leaves_it(void **state) {
    (void)state;
    slotmap_patch(&map, 10, 2);
    uint32_t requested_at = map.patch_count;
    slotmap_patch(&map, 20, 2);
    fill(5);
    assert_int_equal(accept(false, requested_at), SLOT_COUNT - 1);
    assert_int_equal(slotmap_owner(&map, 10), 5);
    assert_int_equal(slotmap_owner(&map, 20), 2);
    assert_int_equal(map.overlay_count, 1);
    assert_int_equal(accept(false, map.patch_count), 1);
    assert_int_equal(slotmap_owner(&map, 20), 5);
    assert_int_equal(map.overlay_count, 0);
}

static void kept_holes_are_suspect(void **state) {
    (void)state;
    owners[30] = SLOTMAP_NONE;
    assert_int_equal(accept(true, map.patch_count), 0);
    assert_int_equal(slotmap_owner(&map, 30), 1);
    assert_true(slotmap_is_suspect(&map, 30));
    assert_false(slotmap_is_suspect(&map, 31));
    assert_int_equal(map.suspect_count, 1);
    owners[30] = 1;
    accept(true, map.patch_count);
    assert_false(slotmap_is_suspect(&map, 30));
    assert_int_equal(map.suspect_count, 0);
}

static void holes_that_are_taken_have_no_owner_until_they_heal(void **state) {
    (void)state;
    uint32_t healed = 0;
    owners[30] = SLOTMAP_NONE;
    assert_int_equal(accept(false, map.patch_count), 1);
    assert_int_equal(slotmap_owner(&map, 30), SLOTMAP_NONE);
    assert_int_equal(map.known_count, SLOT_COUNT - 1);
    owners[30] = 4;
    assert_int_equal(slotmap_accept(&map, owners, false, map.patch_count, 0, &healed), 1);
    assert_int_equal(healed, 1);
}

static void suspicion_is_counted_once(void **state) {
    (void)state;
    slotmap_set_suspect(&map, 8, true);
    slotmap_set_suspect(&map, 8, true);
    slotmap_set_suspect(&map, 16383, true);
    assert_int_equal(map.suspect_count, 2);
    slotmap_set_suspect(&map, 8, false);
    slotmap_set_suspect(&map, 8, false);
    assert_int_equal(map.suspect_count, 1);
    assert_true(slotmap_is_suspect(&map, 16383));
    slotmap_patch(&map, 16383, 2); /* who says MOVED knows */
    assert_int_equal(map.suspect_count, 0);
}

static void forgotten_slot_has_nothing_left(void **state) {
    (void)state;
    slotmap_patch(&map, 50, 2);
    slotmap_set_suspect(&map, 50, true);
    slotmap_forget(&map, 50);
    slotmap_forget(&map, 50);
    assert_int_equal(slotmap_owner(&map, 50), SLOTMAP_NONE);
    assert_int_equal(map.overlay_count, 0);
    assert_int_equal(map.suspect_count, 0);
    assert_int_equal(map.known_count, SLOT_COUNT - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_map_knows_nothing),
        cmocka_unit_test(first_view_loads_and_heals_nothing),
        cmocka_unit_test_setup_teardown(patch_changes_one_slot, loaded, done),
        cmocka_unit_test_setup_teardown(patch_of_a_hole_heals, loaded, done),
        cmocka_unit_test_setup_teardown(view_requested_before_a_patch_leaves_it, loaded, done),
        cmocka_unit_test_setup_teardown(kept_holes_are_suspect, loaded, done),
        cmocka_unit_test_setup_teardown(holes_that_are_taken_have_no_owner_until_they_heal, loaded,
                                        done),
        cmocka_unit_test_setup_teardown(suspicion_is_counted_once, loaded, done),
        cmocka_unit_test_setup_teardown(forgotten_slot_has_nothing_left, loaded, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
