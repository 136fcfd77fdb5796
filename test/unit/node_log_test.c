#include "node/node_log.h"

#include "node/node_view.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static const node_log_filter everything = {.node = NODE_NOBODY};

/* A command given as words, whose keys begin at first_key (0: none), with its outcome. */
static void note(node_log *l, uint16_t node, uint64_t client, const char *name, const char *line,
                 size_t first_key, const char *outcome) {
    kw_slice argv[64];
    size_t argc = 0;
    kw_slice rest = slice_text(line);
    while (slice_split(&rest, ' ', &argv[argc])) {
        argc++;
    }
    const node_log_command command = {
        .time_us = 5,
        .client = client,
        .node = node,
        .name = slice_text(name),
        .argv = argv,
        .argc = argc,
        .has_keys = first_key > 0,
        .keys = {first_key, argc - 1, 1, 0},
    };
    node_log_end(l, node_log_begin(l, &command), slice_text(outcome), 0);
}

static void start(node_log *l, size_t capacity) {
    node_log_init(l, &mem_default);
    assert_int_equal(node_log_set_capacity(l, capacity), KW_OK);
}

static void commands_are_kept_with_what_became_of_them(void **state) {
    (void)state;
    node_log l;
    start(&l, 8);
    note(&l, 1, 7, "set", "SET {a}x hello", 1, "MOVED");
    const node_log_entry *e = node_log_next(&l, &everything, 0);
    assert_int_equal(e->number, 1);
    assert_int_equal(e->time_us, 5);
    assert_int_equal(e->node, 1);
    assert_int_equal(e->client, 7);
    assert_string_equal(e->name, "set");
    assert_string_equal(e->outcome, "MOVED");
    assert_int_equal(e->argc, 3);
    assert_int_equal(e->kept_count, 3);
    assert_slice_is(node_log_argument(e, 0), "SET");
    assert_slice_is(node_log_argument(e, 1), "{a}x");
    assert_slice_is(node_log_argument(e, 2), "hello");
    assert_null(node_log_next(&l, &everything, 1));
    node_log_done(&l);
}

static void oldest_entries_make_room_and_numbers_go_on(void **state) {
    (void)state;
    node_log l;
    start(&l, 4);
    for (int i = 1; i <= 6; i++) {
        char line[16];
        (void)snprintf(line, sizeof line, "GET k%d", i);
        note(&l, 0, 1, "get", line, 1, "served");
    }
    assert_int_equal(node_log_count(&l, &everything), 4);
    const node_log_entry *e = node_log_next(&l, &everything, 0);
    assert_int_equal(e->number, 3);
    assert_slice_is(node_log_argument(e, 1), "k3");
    assert_int_equal(l.last, 6);
    node_log_done(&l);
}

static void filters_pick_entries(void **state) {
    (void)state;
    node_log l;
    start(&l, 16);
    note(&l, 0, 1, "get", "GET user:1", 1, "served");
    note(&l, 1, 2, "get", "GET user:2", 1, "MOVED");
    note(&l, 1, 2, "mget", "MGET a user:3", 1, "TRYAGAIN");
    note(&l, 2, 3, "cluster|slots", "CLUSTER SLOTS", 0, "served");
    note(&l, 2, 3, "echo", "ECHO user:9", 0, "served");
    const struct {
        const char *what;
        node_log_filter filter;
        size_t count;
    } rows[] = {
        {"all", {.node = NODE_NOBODY}, 5},
        {"node", {.node = 1}, 2},
        {"client", {.node = NODE_NOBODY, .client = 3}, 2},
        {"command", {.node = NODE_NOBODY, .command = SLICE_LITERAL("get")}, 2},
        {"command glob", {.node = NODE_NOBODY, .command = SLICE_LITERAL("*get")}, 3},
        {"container", {.node = NODE_NOBODY, .command = SLICE_LITERAL("cluster")}, 1},
        {"key", {.node = NODE_NOBODY, .key = SLICE_LITERAL("user:*")}, 3},
        {"outcome", {.node = NODE_NOBODY, .outcome = SLICE_LITERAL("MOVED")}, 1},
        {"after", {.node = NODE_NOBODY, .after = 3}, 2},
        {"after the end", {.node = NODE_NOBODY, .after = 5}, 0},
        {"far after the end", {.node = NODE_NOBODY, .after = UINT64_MAX}, 0},
        {"rule", {.node = NODE_NOBODY, .rule = 1}, 0},
        {"two", {.node = 1, .command = SLICE_LITERAL("get")}, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (node_log_count(&l, &rows[i].filter) != rows[i].count) {
            fail_msg("%s: %d entries", rows[i].what, (int)node_log_count(&l, &rows[i].filter));
        }
    }
    node_log_done(&l);
}

static void long_commands_are_kept_in_part(void **state) {
    (void)state;
    char big[NODE_LOG_ARGUMENT_BYTES_MAX + 100];
    memset(big, 'x', sizeof big);
    kw_slice argv[NODE_LOG_ARGUMENTS_MAX + 5];
    for (size_t i = 0; i < COUNT_OF(argv); i++) {
        argv[i] = slice_of(big, sizeof big);
    }
    node_log l;
    start(&l, 2);
    const node_log_command command = {
        .name = SLICE_LITERAL("del"), .argv = argv, .argc = COUNT_OF(argv)};
    (void)node_log_begin(&l, &command);
    const node_log_entry *e = node_log_next(&l, &everything, 0);
    assert_int_equal(e->argc, COUNT_OF(argv));
    assert_int_equal(e->kept_count, NODE_LOG_ARGUMENTS_MAX);
    assert_int_equal(e->arguments[3].len, sizeof big);
    assert_int_equal(node_log_argument(e, NODE_LOG_ARGUMENTS_MAX - 1).len,
                     NODE_LOG_ARGUMENT_BYTES_MAX);
    node_log_done(&l);
}

static void outcome_of_an_entry_that_is_gone_is_dropped(void **state) {
    (void)state;
    node_log l;
    start(&l, 2);
    const node_log_command command = {.name = SLICE_LITERAL("migrate")};
    uint64_t number = node_log_begin(&l, &command);
    note(&l, 0, 1, "restore-asking", "RESTORE-ASKING", 0, "served");
    note(&l, 0, 1, "restore-asking", "RESTORE-ASKING", 0, "served");
    node_log_end(&l, number, SLICE_LITERAL("IOERR"), 3);
    const node_log_filter by_rule = {.node = NODE_NOBODY, .rule = 3};
    assert_int_equal(node_log_count(&l, &by_rule), 0);
    node_log_clear(&l);
    node_log_end(&l, 3, SLICE_LITERAL("late"), 3);
    assert_int_equal(node_log_count(&l, &everything), 0);
    node_log_done(&l);
}

static void log_may_be_turned_off_and_on(void **state) {
    (void)state;
    node_log l;
    start(&l, 4);
    note(&l, 0, 1, "get", "GET a", 1, "served");
    assert_int_equal(node_log_set_capacity(&l, 0), KW_OK);
    note(&l, 0, 1, "get", "GET b", 1, "served");
    assert_int_equal(node_log_count(&l, &everything), 0);
    assert_int_equal(node_log_set_capacity(&l, 4), KW_OK);
    note(&l, 0, 1, "get", "GET c", 1, "served");
    assert_int_equal(node_log_next(&l, &everything, 0)->number, 3);
    assert_int_equal(node_log_set_capacity(&l, NODE_LOG_CAPACITY_MAX + 1), KW_ERR_INVALID);
    assert_int_equal(node_log_count(&l, &everything), 1);
    node_log_done(&l);
}

static void short_memory_loses_arguments_only(void **state) {
    (void)state;
    failing_mem m;
    failing_mem_init(&m);
    node_log l;
    node_log_init(&l, &m.mem);
    assert_int_equal(node_log_set_capacity(&l, 4), KW_OK);
    failing_mem_fail_at(&m, 1);
    note(&l, 0, 1, "get", "GET a", 1, "served");
    const node_log_entry *e = node_log_next(&l, &everything, 0);
    assert_int_equal(e->argc, 2);
    assert_int_equal(e->kept_count, 0);
    assert_string_equal(e->outcome, "served");
    const node_log_filter by_key = {.node = NODE_NOBODY, .key = SLICE_LITERAL("a")};
    assert_int_equal(node_log_count(&l, &by_key), 0);
    failing_mem_fail_at(&m, 1);
    assert_int_equal(node_log_set_capacity(&l, 8), KW_ERR_NOMEM);
    assert_int_equal(node_log_count(&l, &everything), 1);
    node_log_done(&l);
    assert_int_equal(m.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_kept_with_what_became_of_them),
        cmocka_unit_test(oldest_entries_make_room_and_numbers_go_on),
        cmocka_unit_test(filters_pick_entries),
        cmocka_unit_test(long_commands_are_kept_in_part),
        cmocka_unit_test(outcome_of_an_entry_that_is_gone_is_dropped),
        cmocka_unit_test(log_may_be_turned_off_and_on),
        cmocka_unit_test(short_memory_loses_arguments_only),
    };
    return cmocka_run_group_tests_name("node_log", tests, NULL, NULL);
}
