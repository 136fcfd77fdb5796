/* Templates of commands. */
#include "tool/bench_command.h"

#include "unit/support/unit.h"

#include <stdio.h>
#include <string.h>

static void templates_become_commands(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *made; /* arguments, each ended by | */
        const char *name;
        int key_argument;
        bool key_is_whole;
    } cases[] = {
        {"GET {key}", "GET|k1|", "GET", 1, true},
        {"set {key} {value} EX {number}", "set|k1|vv|EX|42|", "SET", 1, true},
        {"hset {key} f{number} {value}", "hset|k1|f42|vv|", "HSET", 1, true},
        {"MGET {{key}}:a {{key}}:b", "MGET|{k1}:a|{k1}:b|", "MGET", 1, false},
        {"EVAL 'return 1' 1 {key}", "EVAL|return 1|1|k1|", "EVAL", 3, true},
        {"LPUSH {key} \"\" \"a b\"", "LPUSH|k1||a b|", "LPUSH", 1, true},
        {"PING", "PING|", "PING", -1, false},
        {"XADD {key} * {number}{value} {keys}", "XADD|k1|*|42vv|{keys}|", "XADD", 1, true},
    };
    const bench_values values = {
        .key = SLICE_LITERAL("k1"), .value = SLICE_LITERAL("vv"), .number = 42};
    bench_scratch scratch = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench_template t;
        const char *why = NULL;
        char made[256];
        int len = 0;
        assert_true(bench_template_parse(&t, cases[i].line, &why));
        size_t argc = bench_template_fill(&t, &values, &scratch);
        for (size_t a = 0; a < argc; a++) {
            kw_slice s = scratch.argv[a];
            len += snprintf(made + len, sizeof made - (size_t)len, "%.*s|", (int)s.len, s.data);
        }
        assert_string_equal(made, cases[i].made);
        assert_string_equal(t.name, cases[i].name);
        assert_int_equal(t.key_argument, cases[i].key_argument);
        assert_int_equal(t.key_is_whole, cases[i].key_is_whole);
    }
    bench_scratch_done(&scratch);
}

static void what_is_no_command_is_refused(void **state) {
    (void)state;
    char many[256] = "MSET";
    char longer[3000] = "SET {key} ";
    for (int i = 0; i < BENCH_ARGUMENTS_MAX; i++) {
        strcat(many, " a");
    }
    memset(longer + strlen(longer), 'x', 2000);
    const char *const lines[] = {"", "  ", "{key} 1", "a{key} 1", "GET \"a", many, longer};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        bench_template t;
        const char *why = NULL;
        assert_false(bench_template_parse(&t, lines[i], &why));
        assert_non_null(why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_become_commands),
        cmocka_unit_test(what_is_no_command_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
