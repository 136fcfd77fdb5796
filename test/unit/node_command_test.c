#include "node/node_command.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

#include "core/command.h"

static const node_command *find(const char *first, const char *second) {
    kw_slice argv[2] = {slice_text(first), slice_text(second)};
    const node_command *container;
    return node_command_find(argv, *second ? 2 : 1, &container);
}

static void expect_found(const node_command *command) {
    char name[64];
    slice_copy(name, sizeof name, slice_text(command->name));
    char *bar = strchr(name, '|');
    if (bar) {
        *bar = '\0';
    }
    assert_ptr_equal(find(name, bar ? bar + 1 : ""), command);
}

static void every_command_is_found_by_its_name(void **state) {
    (void)state;
    for (size_t i = 0; i < node_command_count(); i++) {
        const node_command *command = node_command_at(i);
        expect_found(command);
        for (size_t j = 0; j < command->subcommand_count; j++) {
            expect_found(&command->subcommands[j]);
        }
    }
    assert_null(node_command_at(node_command_count()));
}

static void names_are_found_in_any_case(void **state) {
    (void)state;
    assert_ptr_equal(find("GeT", ""), find("get", ""));
    assert_ptr_equal(find("CLUSTER", "SLOTS"), find("cluster", "slots"));
    assert_null(find("ge", ""));
    assert_null(find("getx", ""));
    assert_null(find("cluster", "nonsense"));
    assert_null(find("cluster|slots", ""));
    assert_null(find(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""));
    kw_slice with_zero = {"get\0", 4};
    const node_command *container;
    assert_null(node_command_find(&with_zero, 1, &container));
}

/* The client's table is made from the servers' own: what both say must agree. */
static void arity_and_flags_are_the_servers(void **state) {
    (void)state;
    for (size_t i = 0; i < node_command_count(); i++) {
        const node_command *command = node_command_at(i);
        kw_slice name = slice_text(command->name);
        const command_info *known = command_find(&name, 1);
        if (!known) {
            fail_msg("%s is not in the client's table", command->name);
            return;
        }
        if (known->arity != command->arity ||
            ((known->flags & COMMAND_WRITE) != 0) != ((command->flags & NODE_WRITES) != 0)) {
            fail_msg("%s: arity %d (%d), flags %x", command->name, command->arity, known->arity,
                     known->flags);
        }
        bool has_keys = command->first_key != 0;
        if ((known->spec_count != 0) != has_keys) {
            fail_msg("%s: does it have keys?", command->name);
        }
    }
}

static void keys_are_found(void **state) {
    (void)state;
    static const struct {
        const char *words[10];
        size_t argc, first, last, step;
    } rows[] = {
        {{"get", "k"}, 2, 1, 1, 1},
        {{"mset", "a", "1", "b", "2"}, 5, 1, 3, 2},
        {{"mset", "a", "1", "b"}, 4, 1, 3, 2},
        {{"del", "a", "b", "c"}, 4, 1, 3, 1},
        {{"copy", "a", "b", "replace"}, 4, 1, 2, 1},
        {{"migrate", "h", "1", "k", "0", "5"}, 6, 3, 3, 1},
        {{"migrate", "h", "1", "", "0", "5", "copy", "KEYS", "a", "b"}, 10, 8, 9, 1},
        {{"migrate", "h", "1", "", "0", "5"}, 6, 3, 3, 1},
        {{"ping"}, 1, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kw_slice argv[10];
        for (size_t j = 0; j < rows[i].argc; j++) {
            argv[j] = slice_text(rows[i].words[j]);
        }
        node_key_range range = {0, 0, 0, 0};
        bool found = node_command_keys(find(rows[i].words[0], ""), argv, rows[i].argc, &range);
        assert_int_equal(found, rows[i].first != 0);
        assert_int_equal(range.first, rows[i].first);
        assert_int_equal(range.last, rows[i].last);
        assert_int_equal(range.step, rows[i].step);
    }
}

static void counted_keys_are_found(void **state) {
    (void)state;
    static const node_command plain = {.first_key = 2, .key_step = 1, .flags = NODE_COUNTED_KEYS};
    static const node_command storing = {
        .first_key = 3, .last_key = 1, .key_step = 1, .flags = NODE_COUNTED_KEYS};
    static const struct {
        const node_command *command;
        const char *words[6];
        size_t argc, count, at[4];
    } rows[] = {
        {&plain, {"zunion", "2", "a", "b"}, 4, 2, {2, 3}},
        {&plain, {"zunion", "1", "a", "b"}, 4, 1, {2}},
        {&plain, {"zunion", "1st", "a", "b"}, 4, 1, {2}},
        {&plain, {"zunion", "3", "a", "b"}, 4, 0, {0}},
        {&plain, {"zunion", "0", "a", "b"}, 4, 0, {0}},
        {&plain, {"zunion", "-1", "a", "b"}, 4, 0, {0}},
        {&plain, {"zunion", "99999999999999999999", "a"}, 3, 0, {0}},
        {&storing, {"zunionstore", "d", "2", "a", "b", "weights"}, 6, 3, {3, 4, 1}},
        {&storing, {"zunionstore", "d", "1", "a"}, 4, 2, {3, 1}},
        {&storing, {"zunionstore", "d", "2", "a"}, 4, 0, {0}},
        {&storing, {"zunionstore", "d", "2"}, 3, 0, {0}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kw_slice argv[6];
        for (size_t j = 0; j < rows[i].argc; j++) {
            argv[j] = slice_text(rows[i].words[j]);
        }
        node_key_range range;
        bool found = node_command_keys(rows[i].command, argv, rows[i].argc, &range);
        assert_int_equal(found ? node_key_count(&range) : 0, rows[i].count);
        for (size_t k = 0; k < rows[i].count; k++) {
            assert_int_equal(node_key_at(&range, k), rows[i].at[k]);
        }
    }
}

static void command_info_has_the_servers_form(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"COMMAND INFO get nonsense",
         "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
         "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n"
         "+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n"
         "$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
         "*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n$-1\r\n"},
        {"COMMAND GETKEYS mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"COMMAND GETKEYS zunion 2 a b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"COMMAND GETKEYS ping a", "-ERR The command has no key arguments\r\n"},
        {"COMMAND GETKEYS nonsense a", "-ERR Invalid command specified\r\n"},
        {"COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command\r\n"},
        {"COMMAND LIST FILTERBY PATTERN rename*", "*2\r\n$6\r\nrename\r\n$8\r\nrenamenx\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    char count[32];
    snprintf(count, sizeof count, ":%zu\r\n", node_command_count());
    driver_expect(&d, 0, "COMMAND COUNT", count);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_name),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(arity_and_flags_are_the_servers),
        cmocka_unit_test(keys_are_found),
        cmocka_unit_test(counted_keys_are_found),
        cmocka_unit_test(command_info_has_the_servers_form),
    };
    return cmocka_run_group_tests_name("node_command", tests, NULL, NULL);
}
