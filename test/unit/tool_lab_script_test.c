#include "tool/lab_script.h"

#include "unit/support/unit.h"

#include <stdlib.h>

/* All steps as "at_us line:word word ...;", or the error as "line:column message". */
static void play(const char *text, char *ret, size_t size) {
    script_error error;
    size_t at = 0;
    ret[0] = '\0';
    lab_script *s = script_parse(slice_text(text), &error);
    if (!s) {
        snprintf(ret, size, "%u:%u %s", error.line, error.column, error.message);
        return;
    }
    script_step step;
    uint64_t count = 0;
    uint64_t last_us = 0;
    while (script_next(s, &step)) {
        at += (size_t)snprintf(ret + at, size - at, "%llu %u:", (unsigned long long)step.at_us,
                               step.line);
        for (size_t i = 0; i < step.argc; i++) {
            at += (size_t)snprintf(ret + at, size - at, "%s%.*s", i ? " " : "",
                                   (int)step.argv[i].len, step.argv[i].data);
        }
        at += (size_t)snprintf(ret + at, size - at, ";");
        assert_true(step.at_us >= last_us);
        last_us = step.at_us;
        count++;
    }
    assert_int_equal(count, script_step_count(s));
    assert_true(last_us <= script_end_us(s));
    script_free(s);
}

typedef struct row {
    const char *text;
    const char *expected;
} row;

static void check(const row *rows, size_t count) {
    char got[4096];
    for (size_t i = 0; i < count; i++) {
        play(rows[i].text, got, sizeof got);
        if (strcmp(got, rows[i].expected) != 0) {
            print_error("%s\n", rows[i].text);
        }
        assert_string_equal(got, rows[i].expected);
    }
}

static void steps_come_at_their_times(void **state) {
    (void)state;
    static const row rows[] = {
        {"", ""},
        {"\n  \r\n# nothing\n   # nothing\n", ""},
        {"LAB HELP", "0 1:LAB HELP;"},
        {"at 2.5s LAB KILL 1", "2500000 1:LAB KILL 1;"},
        {"at 1s LAB A\nafter 500ms LAB B\nafter 0.25s LAB C\nLAB D\nat 2s LAB E",
         "1000000 1:LAB A;1500000 2:LAB B;1750000 3:LAB C;1750000 4:LAB D;2000000 5:LAB E;"},
        {"at 1min LAB A\nafter 250us LAB B\n", "60000000 1:LAB A;60000250 2:LAB B;"},
        {"at 1s\nLAB A\nafter 1s # a pause\nLAB B", "1000000 2:LAB A;2000000 4:LAB B;"},
        {"AT 1s lab kill 1", "1000000 1:lab kill 1;"},
        {"at 1s LAB A\nat 1s LAB B", "1000000 1:LAB A;1000000 2:LAB B;"},
    };
    check(rows, sizeof rows / sizeof rows[0]);
}

static void words_are_quoted_and_comments_cut_off(void **state) {
    (void)state;
    static const row rows[] = {
        {"LAB A \"b c\" 'd \\'e'   # f", "0 1:LAB A b c d 'e;"},
        {"LAB A \"# b\" '#' c#d # e", "0 1:LAB A # b # c#d;"},
        {"LAB A \"\\\"# b\" # c", "0 1:LAB A \"# b;"},
        {"\tLAB\tA\r\nLAB B\r\n", "0 1:LAB A;0 2:LAB B;"},
        {"LAB A \"\"", "0 1:LAB A ;"},
    };
    check(rows, sizeof rows / sizeof rows[0]);
}

static void blocks_are_repeated_with_their_turn(void **state) {
    (void)state;
    static const row rows[] = {
        {"repeat 2\nLAB A\nend\nLAB B", "0 2:LAB A;0 2:LAB A;0 4:LAB B;"},
        {"at 1s\nrepeat 3\nat 100ms LAB A $turn\nafter 100ms LAB B x$turn-$turn\nend\n"
         "after 1s LAB C",
         "1100000 3:LAB A 0;1200000 4:LAB B x0-0;1300000 3:LAB A 1;1400000 4:LAB B x1-1;"
         "1500000 3:LAB A 2;1600000 4:LAB B x2-2;2600000 6:LAB C;"},
        {"repeat 2\nafter 1s LAB A $turn\nrepeat 2\nafter 10s LAB B $turn\nend\nLAB C $turn\nend",
         "1000000 2:LAB A 0;11000000 4:LAB B 0;21000000 4:LAB B 1;21000000 6:LAB C 0;"
         "22000000 2:LAB A 1;32000000 4:LAB B 0;42000000 4:LAB B 1;42000000 6:LAB C 1;"},
        {"repeat 2\nLAB A\nafter 1s\nend", "0 2:LAB A;1000000 2:LAB A;"},
        {"repeat 3\nend", ""},
        {"repeat 2\nLAB A '$turn and $turn' $tur n$\nend",
         "0 2:LAB A 0 and 0 $tur n$;0 2:LAB A 1 and 1 $tur n$;"},
    };
    check(rows, sizeof rows / sizeof rows[0]);
}

static void errors_name_line_and_column(void **state) {
    (void)state;
    static const row rows[] = {
        {"LAB A\n  at", "2:5 at needs a time, such as 2.5s, 500ms or 1min"},
        {"at x LAB A", "1:4 `x` is no time; one looks like 2.5s, 500ms or 1min"},
        {"at -1s LAB A", "1:4 `-1s` is no time; one looks like 2.5s, 500ms or 1min"},
        {"at 1.2.3s LAB A", "1:4 `1.2.3s` is no time; one looks like 2.5s, 500ms or 1min"},
        {"at 2 LAB A", "1:5 a time needs its unit: us, ms, s or min"},
        {"at 2h LAB A", "1:5 a time needs its unit: us, ms, s or min"},
        {"at 99999999min LAB A", "1:4 longer than 365 days"},
        {"at 2s LAB A\nat 1s LAB B", "2:4 the step before is later already, at 2s of this script"},
        {"at 9s\nrepeat 2\nat 2s LAB A\nat 1s LAB B\nend",
         "4:4 the step before is later already, at 2s of this turn"},
        {"at 1s KILL 1", "1:7 after the time comes LAB ..., not `KILL`"},
        {"SET a 1", "1:1 unknown word `SET`; a line is [at TIME | after TIME] LAB ..., repeat N, "
                    "or end"},
        {" reapet 3", "1:2 unknown word `reapet`; did you mean `repeat`?"},
        {"LAB", "1:4 LAB what? LAB HELP lists what there is"},
        {"at 1s LAB # KILL", "1:11 LAB what? LAB HELP lists what there is"},
        {"LAB A \"b", "1:1 a quote is not closed"},
        {"repeat", "1:7 repeat needs a number of turns from 1 to 1000000"},
        {"repeat 0", "1:8 repeat needs a number of turns from 1 to 1000000"},
        {"repeat 2x", "1:8 repeat needs a number of turns from 1 to 1000000"},
        {"repeat 2 LAB A", "1:10 `LAB` after repeat's number makes no sense here"},
        {"repeat 2\nLAB A\nend 3", "3:5 `3` after end makes no sense here"},
        {"LAB A\n end", "2:2 end without repeat"},
        {"LAB A\nrepeat 3\nLAB B", "2:1 this repeat has no end"},
        {"LAB A $turn", "1:7 $turn is the number of a repeat's turn; this is in none"},
    };
    check(rows, sizeof rows / sizeof rows[0]);
}

static void growth_is_bounded(void **state) {
    (void)state;
    static const row rows[] = {
        {"repeat 1000\nrepeat 1001\nLAB A\nend\nend",
         "5:1 the turns since line 1 make more than 1000000 steps"},
        {"repeat 1000000\nLAB A\nLAB B\nend",
         "4:1 the turns since line 1 make more than 1000000 steps"},
        {"repeat 1000000\nrepeat 1000000\nend\nend",
         "4:1 the turns since line 1 make more than 1000000 steps"},
        {"repeat 400\nat 1min\nafter 1439min\nend",
         "4:1 the turns since line 1 take longer than 365 days"},
        {"repeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\n"
         "repeat 1\n",
         "9:1 more than 8 repeats in each other"},
    };
    check(rows, sizeof rows / sizeof rows[0]);
    script_error error;
    lab_script *longest = script_parse(SLICE_LITERAL("repeat 1000000\nLAB A\nend"), &error);
    assert_non_null(longest);
    assert_int_equal(script_step_count(longest), 1000000);
    script_free(longest);
    char *large = malloc(SCRIPT_BYTES_MAX + 1);
    assert_non_null(large);
    memset(large, '\n', SCRIPT_BYTES_MAX + 1);
    assert_null(script_parse(slice_of(large, SCRIPT_BYTES_MAX + 1), &error));
    assert_string_equal(error.message, "larger than 1048576 bytes");
    assert_null(script_parse(slice_of(large, SCRIPT_BYTES_MAX), &error));
    assert_string_equal(error.message, "more than 100000 lines");
    free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_come_at_their_times),
        cmocka_unit_test(words_are_quoted_and_comments_cut_off),
        cmocka_unit_test(blocks_are_repeated_with_their_turn),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(growth_is_bounded),
    };
    return cmocka_run_group_tests_name("tool_lab_script", tests, NULL, NULL);
}
