#include "node/node_clock.h"

#include "unit/support/unit.h"

static void clock_goes_with_the_real_time(void **state) {
    (void)state;
    node_clock c;
    node_clock_init(&c, 1000);
    assert_int_equal(node_clock_read(&c, 1000), 1000);
    assert_int_equal(node_clock_read(&c, 1500), 1500);
    assert_int_equal(node_clock_until(&c, 1500), 0);
    assert_int_equal(node_clock_until(&c, 1700), 200);
}

static void frozen_clock_moves_only_when_advanced(void **state) {
    (void)state;
    node_clock c;
    node_clock_init(&c, 1000);
    (void)node_clock_read(&c, 1100);
    node_clock_freeze(&c);
    assert_int_equal(node_clock_read(&c, 9000), 1100);
    assert_int_equal(node_clock_until(&c, 1101), UINT64_MAX);
    assert_int_equal(node_clock_until(&c, 1100), 0);
    assert_int_equal(node_clock_advance(&c, 50), 1150);
    assert_int_equal(node_clock_read(&c, 9500), 1150);
}

static void resumed_clock_goes_on_from_where_it_stood(void **state) {
    (void)state;
    node_clock c;
    node_clock_init(&c, 1000);
    node_clock_freeze(&c);
    assert_int_equal(node_clock_read(&c, 9000), 1000);
    node_clock_resume(&c);
    assert_int_equal(node_clock_read(&c, 9000), 1000);
    assert_int_equal(node_clock_read(&c, 9010), 1010);
    assert_int_equal(node_clock_advance(&c, 500), 1510);
    assert_int_equal(node_clock_read(&c, 9011), 1511);
}

static void clock_never_goes_back(void **state) {
    (void)state;
    node_clock c;
    node_clock_init(&c, 1000);
    (void)node_clock_read(&c, 2000);
    assert_int_equal(node_clock_read(&c, 1500), 2000);
    assert_int_equal(node_clock_read(&c, 2001), 2001);
    uint64_t far = node_clock_advance(&c, UINT64_MAX);
    assert_true(far > 2001);
    assert_true(node_clock_advance(&c, UINT64_MAX) >= far);
    assert_true(node_clock_read(&c, 3000) >= far);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_goes_with_the_real_time),
        cmocka_unit_test(frozen_clock_moves_only_when_advanced),
        cmocka_unit_test(resumed_clock_goes_on_from_where_it_stood),
        cmocka_unit_test(clock_never_goes_back),
    };
    return cmocka_run_group_tests_name("node_clock", tests, NULL, NULL);
}
