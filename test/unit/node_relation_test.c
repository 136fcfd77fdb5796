#include "node/node_relation.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void add(relation *r, relation_member *member, const char *name) {
    assert_int_equal(relation_add(r, member, slice_text(name)), RELATION_ADDED);
}

static void both_sides_keep_the_order_of_adding(void **state) {
    (void)state;
    relation r;
    relation_member a;
    relation_member b;
    relation_init(&r, &mem_default, 1, 100, 1000);
    relation_member_init(&a, &mem_default, 2, "a");
    relation_member_init(&b, &mem_default, 2, "b");
    add(&r, &b, "z");
    add(&r, &a, "z");
    add(&r, &a, "m");
    assert_int_equal(relation_add(&r, &a, SLICE_LITERAL("z")), RELATION_THERE);

    relation_topic *z = relation_next(&r, NULL);
    relation_topic *m = relation_next(&r, z);
    assert_slice_is(relation_name(z), "z");
    assert_slice_is(relation_name(m), "m");
    assert_null(relation_next(&r, m));
    assert_int_equal(z->member_count, 2);

    list *position = NULL;
    assert_string_equal(relation_next_member(z, &position)->owner, "b");
    assert_string_equal(relation_next_member(z, &position)->owner, "a");
    assert_null(relation_next_member(z, &position));

    position = NULL;
    assert_ptr_equal(relation_next_topic(&a, &position), z);
    assert_ptr_equal(relation_next_topic(&a, &position), m);
    assert_null(relation_next_topic(&a, &position));
    relation_member_done(&r, &a);
    relation_member_done(&r, &b);
    relation_done(&r);
}

static void a_topic_goes_with_its_last_member(void **state) {
    (void)state;
    relation r;
    relation_member a;
    relation_member b;
    relation_init(&r, &mem_default, 1, 100, 1000);
    relation_member_init(&a, &mem_default, 2, NULL);
    relation_member_init(&b, &mem_default, 2, NULL);
    add(&r, &a, "x");
    add(&r, &b, "x");
    assert_true(relation_remove(&r, &a, SLICE_LITERAL("x")));
    assert_false(relation_remove(&r, &a, SLICE_LITERAL("x")));
    assert_non_null(relation_find(&r, SLICE_LITERAL("x")));
    assert_true(relation_remove(&r, &b, SLICE_LITERAL("x")));
    assert_null(relation_find(&r, SLICE_LITERAL("x")));
    assert_int_equal(r.link_count, 0);
    assert_int_equal(r.bytes, 0);

    add(&r, &a, "y");
    add(&r, &b, "y");
    relation_remove_topic(&r, relation_find(&r, SLICE_LITERAL("y")));
    assert_int_equal(relation_member_count(&a), 0);
    assert_int_equal(relation_topic_count(&r), 0);
    relation_member_done(&r, &a);
    relation_member_done(&r, &b);
    relation_done(&r);
}

static void caps_hold(void **state) {
    (void)state;
    relation r;
    relation_member a;
    relation_init(&r, &mem_default, 1, 2, 10);
    relation_member_init(&a, &mem_default, 2, NULL);
    assert_int_equal(relation_add(&r, &a, SLICE_LITERAL("eleven long")), RELATION_FULL);
    add(&r, &a, "1");
    add(&r, &a, "2");
    assert_int_equal(relation_add(&r, &a, SLICE_LITERAL("3")), RELATION_FULL);
    assert_int_equal(relation_add(&r, &a, SLICE_LITERAL("2")), RELATION_THERE);
    assert_true(relation_remove(&r, &a, SLICE_LITERAL("1")));
    add(&r, &a, "3");
    relation_member_done(&r, &a);
    relation_done(&r);
}

static void failing_memory_changes_nothing(void **state) {
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        failing_mem memory;
        failing_mem_init(&memory);
        relation r;
        relation_member a;
        relation_init(&r, &memory.mem, 1, 100, 1000);
        relation_member_init(&a, &memory.mem, 2, NULL);
        failing_mem_fail_at(&memory, fail_at);
        relation_result first = relation_add(&r, &a, SLICE_LITERAL("x"));
        bool was_hit = memory.call_count >= fail_at;
        assert_int_equal(first, was_hit ? RELATION_FULL : RELATION_ADDED);
        assert_int_equal(relation_topic_count(&r), was_hit ? 0 : 1);
        assert_int_equal(relation_member_count(&a), was_hit ? 0 : 1);
        relation_member_done(&r, &a);
        relation_done(&r);
        assert_int_equal(memory.live_count, 0);
        if (!was_hit) {
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_keep_the_order_of_adding),
        cmocka_unit_test(a_topic_goes_with_its_last_member),
        cmocka_unit_test(caps_hold),
        cmocka_unit_test(failing_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
