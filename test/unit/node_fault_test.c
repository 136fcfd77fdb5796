#include "node/node_fault.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

/* A command given as words; its keys are those from first_key to the last word. */
typedef struct command {
    kw_slice argv[8];
    fault_subject subject;
} command;

static const fault_subject *make(command *c, uint16_t node, const char *name, const char *line,
                                 size_t first_key) {
    kw_slice rest = slice_text(line);
    size_t argc = 0;
    while (slice_split(&rest, ' ', &c->argv[argc])) {
        argc++;
    }
    c->subject = (fault_subject){
        .node = node,
        .name = slice_text(name),
        .argv = c->argv,
        .has_keys = first_key > 0,
        .keys = {first_key, argc - 1, 1, 0},
    };
    return &c->subject;
}

static fault_rule rule_for(const char *name) {
    fault_rule r;
    fault_rule_init(&r);
    slice_copy(r.command, sizeof r.command, slice_text(name));
    return r;
}

static fault_rule with_key(const char *name, const char *key) {
    fault_rule r = rule_for(name);
    r.key_len = slice_copy(r.key, sizeof r.key, slice_text(key));
    return r;
}

static uint64_t add(fault_rules *f, fault_rule r) {
    uint64_t id = 0;
    assert_int_equal(fault_rules_add(f, &r, &id), KW_OK);
    return id;
}

static uint64_t hit(fault_rules *f, uint16_t node, const char *name, const char *line,
                    size_t first_key) {
    command c;
    const fault_rule *r = fault_rules_match(f, make(&c, node, name, line, first_key));
    return r ? r->id : 0;
}

static void rules_pick_by_node_name_key_and_slot(void **state) {
    (void)state;
    fault_rule at_node = rule_for("get");
    at_node.node = 2;
    fault_rule in_slot = rule_for("");
    in_slot.first_slot = 15495; /* that of {a} */
    in_slot.last_slot = 15495;
    fault_rule in_range = with_key("mget", "*y");
    in_range.first_slot = 3000;
    in_range.last_slot = 3300; /* {b} is 3300 */
    const struct {
        const char *what;
        fault_rule rule;
        uint16_t node;
        const char *name;
        const char *line;
        size_t first_key;
        bool hit;
    } rows[] = {
        {"any", rule_for(""), 0, "ping", "PING", 0, true},
        {"name", rule_for("get"), 0, "get", "GET k", 1, true},
        {"other name", rule_for("get"), 0, "getdel", "GETDEL k", 1, false},
        {"glob", rule_for("get*"), 0, "getdel", "GETDEL k", 1, true},
        {"container", rule_for("cluster"), 0, "cluster|slots", "CLUSTER SLOTS", 0, true},
        {"subcommand", rule_for("cluster|slots"), 0, "cluster|slots", "CLUSTER SLOTS", 0, true},
        {"other sub", rule_for("cluster|info"), 0, "cluster|slots", "CLUSTER SLOTS", 0, false},
        {"no container", rule_for("cluste"), 0, "cluster|slots", "CLUSTER SLOTS", 0, false},
        {"its node", at_node, 2, "get", "GET k", 1, true},
        {"other node", at_node, 1, "get", "GET k", 1, false},
        {"key", with_key("", "user:*"), 0, "get", "GET user:1", 1, true},
        {"other key", with_key("", "user:*"), 0, "get", "GET session:1", 1, false},
        {"second key", with_key("", "b"), 0, "mget", "MGET a b", 1, true},
        {"value is no key", with_key("", "b"), 0, "echo", "ECHO b", 0, false},
        {"slot", in_slot, 0, "get", "GET {a}x", 1, true},
        {"other slot", in_slot, 0, "get", "GET {b}x", 1, false},
        {"no key, no slot", in_slot, 0, "ping", "PING", 0, false},
        {"key in range", in_range, 0, "mget", "MGET {b}x {b}y", 1, true},
        {"fitting key elsewhere", in_range, 0, "mget", "MGET {b}x {a}y", 1, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fault_rules f;
        fault_rules_init(&f, &mem_default, 1);
        uint64_t id = add(&f, rows[i].rule);
        uint64_t got = hit(&f, rows[i].node, rows[i].name, rows[i].line, rows[i].first_key);
        if (got != (rows[i].hit ? id : 0)) {
            fail_msg("%s: hit by %d", rows[i].what, (int)got);
        }
        fault_rules_done(&f);
    }
}

static void skip_and_count_bound_the_hits(void **state) {
    (void)state;
    fault_rules f;
    fault_rules_init(&f, &mem_default, 1);
    fault_rule r = rule_for("get");
    r.skip = 2;
    r.count = 3;
    uint64_t id = add(&f, r);
    const bool expected[] = {false, false, true, true, true, false, false};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(hit(&f, 0, "get", "GET k", 1), expected[i] ? id : 0);
    }
    assert_int_equal(fault_rules_find(&f, id)->hits, 3);
    assert_int_equal(fault_rules_find(&f, id)->seen, 7);
    fault_rules_done(&f);
}

static void chance_comes_from_the_seed(void **state) {
    (void)state;
    int hits[2] = {0, 0};
    for (int run = 0; run < 2; run++) {
        fault_rules f;
        fault_rules_init(&f, &mem_default, 42);
        fault_rule r = rule_for("get");
        r.per_million = 250000;
        (void)add(&f, r);
        uint64_t order = 0;
        for (int i = 0; i < 1000; i++) {
            bool now = hit(&f, 0, "get", "GET k", 1) != 0;
            hits[run] += now;
            order = order * 31 + now;
        }
        static uint64_t first_order;
        first_order = run == 0 ? order : first_order;
        assert_int_equal(order, first_order);
        fault_rules_done(&f);
    }
    assert_int_equal(hits[0], hits[1]);
    assert_in_range(hits[0], 200, 300);
}

static void first_rule_whose_turn_it_is_wins(void **state) {
    (void)state;
    fault_rules f;
    fault_rules_init(&f, &mem_default, 1);
    fault_rule once = rule_for("get");
    once.count = 1;
    uint64_t first = add(&f, once);
    uint64_t second = add(&f, rule_for("*"));
    assert_int_equal(hit(&f, 0, "get", "GET k", 1), first);
    assert_int_equal(hit(&f, 0, "get", "GET k", 1), second);
    assert_true(fault_rules_remove(&f, second));
    assert_false(fault_rules_remove(&f, second));
    assert_int_equal(hit(&f, 0, "get", "GET k", 1), 0);
    fault_rules_clear(&f);
    assert_null(fault_rules_find(&f, first));
    fault_rules_done(&f);
}

static void wrong_rules_are_refused(void **state) {
    (void)state;
    fault_rule bad[8];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        fault_rule_init(&bad[i]);
    }
    bad[0].action = FAULT_ERROR; /* without a text */
    bad[1].action = FAULT_MOVED; /* to nobody */
    bad[2].first_slot = 5;       /* without an end */
    bad[3].first_slot = 5;
    bad[3].last_slot = SLOT_COUNT;
    bad[4].per_million = FAULT_MILLION + 1;
    bad[5].action = FAULT_NEST;
    bad[5].amount = FAULT_NEST_BYTES_MAX + 1;
    bad[6].action = FAULT_ACTION_COUNT;
    bad[7].delay_ms = FAULT_DELAY_MS_MAX + 1;
    fault_rules f;
    fault_rules_init(&f, &mem_default, 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint64_t id = 77;
        assert_int_equal(fault_rules_add(&f, &bad[i], &id), KW_ERR_INVALID);
        assert_int_equal(id, 77);
    }
    fault_rules_done(&f);
}

static void full_rules_give_up_the_used_ones_only(void **state) {
    (void)state;
    fault_rules f;
    fault_rules_init(&f, &mem_default, 1);
    fault_rule once = rule_for("ping");
    once.count = 1;
    uint64_t used = add(&f, once);
    for (int i = 1; i < FAULT_RULES_MAX; i++) {
        (void)add(&f, rule_for("get"));
    }
    uint64_t id = 0;
    assert_int_equal(fault_rules_add(&f, &once, &id), KW_ERR_LIMIT);
    assert_int_equal(hit(&f, 0, "ping", "PING", 0), used);
    assert_int_equal(fault_rules_add(&f, &once, &id), KW_OK);
    assert_null(fault_rules_find(&f, used));
    assert_non_null(fault_rules_find(&f, id));
    fault_rules_done(&f);
}

static void rule_that_finds_no_memory_is_not_added(void **state) {
    (void)state;
    failing_mem m;
    failing_mem_init(&m);
    fault_rules f;
    fault_rules_init(&f, &m.mem, 1);
    failing_mem_fail_at(&m, 1);
    fault_rule r = rule_for("get");
    uint64_t id = 0;
    assert_int_equal(fault_rules_add(&f, &r, &id), KW_ERR_NOMEM);
    assert_int_equal(hit(&f, 0, "get", "GET k", 1), 0);
    assert_int_equal(fault_rules_add(&f, &r, &id), KW_OK);
    fault_rules_done(&f);
    assert_int_equal(m.live_count, 0);
}

static void actions_have_names(void **state) {
    (void)state;
    for (int action = FAULT_NONE; action < FAULT_ACTION_COUNT; action++) {
        const char *name = fault_action_name((fault_action)action);
        assert_int_equal(fault_action_by_name(slice_text(name)), action);
    }
    assert_int_equal(fault_action_by_name(SLICE_LITERAL("DROP-before")), FAULT_DROP_BEFORE);
    assert_int_equal(fault_action_by_name(SLICE_LITERAL("drop")), FAULT_ACTION_COUNT);
    assert_false(fault_action_executes(FAULT_MOVED));
    assert_true(fault_action_executes(FAULT_CUT));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_pick_by_node_name_key_and_slot),
        cmocka_unit_test(skip_and_count_bound_the_hits),
        cmocka_unit_test(chance_comes_from_the_seed),
        cmocka_unit_test(first_rule_whose_turn_it_is_wins),
        cmocka_unit_test(wrong_rules_are_refused),
        cmocka_unit_test(full_rules_give_up_the_used_ones_only),
        cmocka_unit_test(rule_that_finds_no_memory_is_not_added),
        cmocka_unit_test(actions_have_names),
    };
    return cmocka_run_group_tests_name("node_fault", tests, NULL, NULL);
}
