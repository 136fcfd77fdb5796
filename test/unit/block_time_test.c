#include "core/block_time.h"

#include "unit/support/unit.h"

#define WORDS_MAX 12

static size_t split(char *text, kw_slice *argv) {
    size_t argc = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = slice_text(word);
    }
    return argc;
}

static block_time read_line(const char *line) {
    char text[128];
    kw_slice argv[WORDS_MAX];
    block_time t;
    snprintf(text, sizeof text, "%s", line);
    size_t argc = split(text, argv);
    memset(&t, 0xee, sizeof t);
    block_time_read(text, argv, argc, &t); /* the first word, ended by split */
    return t;
}

static void each_command_has_its_place(void **state) {
    (void)state;
    static const struct {
        const char *line;
        size_t argument;
        uint64_t us;
        bool in_ms;
    } rows[] = {
        {"BLPOP k 10", 2, 10000000, false},
        {"BRPOP k l m 1", 4, 1000000, false},
        {"BRPOPLPUSH k l 2", 3, 2000000, false},
        {"BLMOVE k l LEFT RIGHT 0.1", 5, 100000, false},
        {"BLMPOP 1.5 1 k LEFT", 1, 1500000, false},
        {"BZPOPMIN k 3", 2, 3000000, false},
        {"BZPOPMAX k 3", 2, 3000000, false},
        {"BZMPOP 7 1 k MIN COUNT 9", 1, 7000000, false},
        {"XREAD BLOCK 250 STREAMS k 0", 2, 250000, true},
        {"XREAD COUNT 9 block 250 STREAMS k 0", 4, 250000, true},
        {"XREADGROUP GROUP g c BLOCK 1 STREAMS k >", 5, 1000, true},
        {"XREADGROUP GROUP BLOCK 5 COUNT 3 BLOCK 7 STREAMS k >", 7, 7000, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        block_time t = read_line(rows[i].line);
        if (t.argument != rows[i].argument || t.us != rows[i].us || t.in_ms != rows[i].in_ms ||
            t.forever) {
            fail_msg("%s: argument %zu, %llu us", rows[i].line, t.argument,
                     (unsigned long long)t.us);
        }
    }
}

static void zero_is_for_ever(void **state) {
    (void)state;
    static const char *const lines[] = {"BLPOP k 0", "BLPOP k 0.0", "BLPOP k .0",
                                        "BLMPOP 0. 1 k LEFT", "XREAD BLOCK 0 STREAMS k 0"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        block_time t = read_line(lines[i]);
        assert_true(t.forever);
        assert_int_equal(t.us, 0);
        assert_int_not_equal(t.argument, 0);
    }
}

static void seconds_may_have_fractions(void **state) {
    (void)state;
    static const struct {
        const char *line;
        uint64_t us;
    } rows[] = {
        {"BLPOP k 2.", 2000000},
        {"BLPOP k .25", 250000},
        {"BLPOP k 0.000001", 1},
        {"BLPOP k 0.0000001", 1}, /* a server rounds up */
        {"BLPOP k 1.1234567", 1123457},
        {"BLPOP k 007.5", 7500000},
        {"BLPOP k 99999999999999999999999", BLOCK_US_MAX},
        {"XREAD BLOCK 99999999999999999999999 STREAMS k 0", BLOCK_US_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(read_line(rows[i].line).us, rows[i].us);
    }
}

static void nothing_is_said_of_the_rest(void **state) {
    (void)state;
    static const char *const lines[] = {
        "BLPOP k",
        "BLPOP k soon",
        "BLPOP k -1",
        "BLPOP k .",
        "BLPOP k 1e3",
        "BLPOP k 1.5.2",
        "GET k",
        "MOD.POP k 10",
        "XREAD COUNT 1 STREAMS k 0",
        "XREAD BLOCK",
        "XREAD BLOCK 1.5 STREAMS k 0",
        "XREAD STREAMS BLOCK 5",
        "XREADGROUP GROUP BLOCK 5 STREAMS k >",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        block_time t = read_line(lines[i]);
        if (t.argument != 0 || t.us != 0 || t.forever) {
            fail_msg("%s: argument %zu", lines[i], t.argument);
        }
    }
}

static void time_left_is_rounded_up_and_never_zero(void **state) {
    (void)state;
    static const struct {
        uint64_t left_us;
        const char *seconds;
        const char *ms;
    } rows[] = {
        {0, "0.001", "1"},          {1, "0.001", "1"},
        {1000, "0.001", "1"},       {1001, "0.002", "2"},
        {6000000, "6.000", "6000"}, {BLOCK_US_MAX, "1000000000.000", "1000000000000"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[BLOCK_TEXT_BYTES];
        size_t len = block_time_format(&(block_time){.argument = 2}, rows[i].left_us, text);
        assert_slice_is(slice_of(text, len), rows[i].seconds);
        len = block_time_format(&(block_time){.argument = 2, .in_ms = true}, rows[i].left_us, text);
        assert_slice_is(slice_of(text, len), rows[i].ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_has_its_place),
        cmocka_unit_test(zero_is_for_ever),
        cmocka_unit_test(seconds_may_have_fractions),
        cmocka_unit_test(nothing_is_said_of_the_rest),
        cmocka_unit_test(time_left_is_rounded_up_and_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
