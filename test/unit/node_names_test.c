#include "node/node_names.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void a_text_is_kept_once(void **state) {
    (void)state;
    node_names n;
    names_init(&n, &mem_default, 1);
    const char *a = names_keep(&n, SLICE_LITERAL("10.0.0.1"));
    const char *b = names_keep(&n, SLICE_LITERAL("node.example"));
    assert_string_equal(a, "10.0.0.1");
    assert_string_equal(b, "node.example");
    assert_ptr_equal(names_keep(&n, SLICE_LITERAL("10.0.0.1")), a);
    assert_string_equal(names_keep(&n, SLICE_LITERAL("")), "");
    assert_int_equal(map_count(&n.texts), 2);
    names_done(&n);
}

static void what_nobody_holds_is_swept_away(void **state) {
    (void)state;
    node_names n;
    failing_mem t;
    failing_mem_init(&t);
    names_init(&n, &t.mem, 1);
    const char *held = names_keep(&n, SLICE_LITERAL("held"));
    const char *other = names_keep(&n, SLICE_LITERAL("other"));
    assert_non_null(other);
    names_hold(held);
    names_hold("");
    names_sweep(&n);
    assert_int_equal(map_count(&n.texts), 1);
    assert_string_equal(held, "held");
    assert_ptr_equal(names_keep(&n, SLICE_LITERAL("held")), held);
    names_sweep(&n); /* it was not held again */
    assert_int_equal(map_count(&n.texts), 0);
    names_done(&n);
    assert_int_equal(t.live_count, 0);
}

static void names_that_change_for_ever_stay_few(void **state) {
    (void)state;
    node_names n;
    size_t most = 0;
    size_t sweeps = 0;
    names_init(&n, &mem_default, 1);
    for (int i = 0; i < 10000; i++) {
        char text[32];
        snprintf(text, sizeof text, "name-%d", i);
        const char *kept = names_keep(&n, slice_text(text));
        assert_non_null(kept);
        if (names_are_many(&n)) {
            names_hold(kept);
            names_sweep(&n);
            assert_string_equal(kept, text);
            sweeps++;
        }
        most = map_count(&n.texts) > most ? map_count(&n.texts) : most;
    }
    assert_in_range(most, 2, 64);
    assert_in_range(sweeps, 100, 200);
    names_done(&n);
}

static void failing_memory_keeps_nothing(void **state) {
    (void)state;
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        node_names n;
        failing_mem t;
        failing_mem_init(&t);
        names_init(&n, &t.mem, 1);
        failing_mem_fail_at(&t, fail_at);
        assert_null(names_keep(&n, SLICE_LITERAL("text")));
        assert_int_equal(map_count(&n.texts), 0);
        assert_non_null(names_keep(&n, SLICE_LITERAL("text")));
        names_done(&n);
        assert_int_equal(t.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_kept_once),
        cmocka_unit_test(what_nobody_holds_is_swept_away),
        cmocka_unit_test(names_that_change_for_ever_stay_few),
        cmocka_unit_test(failing_memory_keeps_nothing),
    };
    return cmocka_run_group_tests_name("node_names", tests, NULL, NULL);
}
