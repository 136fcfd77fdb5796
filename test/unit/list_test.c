#include "base/list.h"

#include "unit/support/unit.h"

typedef struct item {
    int value;
    list node;
} item;

static void fill(list *head, item *items, int count) {
    list_init(head);
    for (int i = 0; i < count; i++) {
        items[i].value = i;
        list_push_back(head, &items[i].node);
    }
}

static int pop(list *head) {
    list *node = list_pop_front(head);
    return node ? LIST_ENTRY(node, item, node)->value : -1;
}

static void nodes_come_out_in_the_order_put_in(void **state) {
    (void)state;
    list head;
    item items[3];
    fill(&head, items, 3);
    assert_int_equal(pop(&head), 0);
    assert_int_equal(pop(&head), 1);
    assert_int_equal(pop(&head), 2);
    assert_int_equal(pop(&head), -1);
    assert_true(list_empty(&head));
}

static void node_goes_to_the_front_or_before_another(void **state) {
    (void)state;
    list head;
    item items[2];
    item first = {.value = 8};
    item middle = {.value = 9};
    fill(&head, items, 2);
    list_push_front(&head, &first.node);
    list_insert_before(&items[1].node, &middle.node);
    assert_int_equal(pop(&head), 8);
    assert_int_equal(pop(&head), 0);
    assert_int_equal(pop(&head), 9);
    assert_int_equal(pop(&head), 1);
}

static void removed_node_is_unlinked_and_may_be_removed_again(void **state) {
    (void)state;
    list head;
    item items[3];
    fill(&head, items, 3);
    assert_true(list_linked(&items[1].node));
    list_remove(&items[1].node);
    assert_false(list_linked(&items[1].node));
    list_remove(&items[1].node);
    assert_int_equal(pop(&head), 0);
    assert_int_equal(pop(&head), 2);
    list zeroed = {NULL, NULL};
    assert_false(list_linked(&zeroed));
}

static void walk_may_remove_the_node_it_is_at(void **state) {
    (void)state;
    list head;
    item items[5];
    int sum = 0;
    fill(&head, items, 5);
    LIST_FOR_EACH(at, after, &head) {
        sum += LIST_ENTRY(at, item, node)->value;
        if (LIST_ENTRY(at, item, node)->value % 2 == 0) {
            list_remove(at);
        }
    }
    assert_int_equal(sum, 10);
    assert_int_equal(pop(&head), 1);
    assert_int_equal(pop(&head), 3);
    assert_true(list_empty(&head));
}

static void run_of_nodes_moves_to_the_end_of_another_list(void **state) {
    (void)state;
    list from;
    list to;
    item items[4];
    item first = {.value = 9};
    fill(&from, items, 4);
    list_init(&to);
    list_push_back(&to, &first.node);
    list_move_run(&to, &items[0].node, &items[2].node);
    list_move_run(&to, &items[3].node, &from);
    const int moved[] = {9, 0, 1, 3, -1};
    for (size_t i = 0; i < COUNT_OF(moved); i++) {
        assert_int_equal(pop(&to), moved[i]);
    }
    assert_int_equal(pop(&from), 2);
    assert_int_equal(pop(&from), -1);
}

static void appending_empties_the_source(void **state) {
    (void)state;
    list to;
    list from;
    list empty;
    item some[2];
    item more[2];
    list_init(&empty);
    fill(&to, some, 2);
    fill(&from, more, 2);
    list_append_all(&to, &empty);
    list_append_all(&to, &from);
    assert_true(list_empty(&from));
    list_append_all(&empty, &to);
    assert_true(list_empty(&to));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pop(&empty), i % 2);
    }
    assert_int_equal(pop(&empty), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_out_in_the_order_put_in),
        cmocka_unit_test(node_goes_to_the_front_or_before_another),
        cmocka_unit_test(removed_node_is_unlinked_and_may_be_removed_again),
        cmocka_unit_test(walk_may_remove_the_node_it_is_at),
        cmocka_unit_test(run_of_nodes_moves_to_the_end_of_another_list),
        cmocka_unit_test(appending_empties_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
