#include "tool/quote.h"

#include "unit/support/unit.h"

/* The words of a line, each in <>. */
static const char *split_text(words *w, const char *line, size_t len, char *ret, size_t size) {
    const char *why = NULL;
    if (!words_split(w, line, len, &why)) {
        return why;
    }
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < w->count; i++) {
        at +=
            (size_t)snprintf(ret + at, size - at, "<%.*s>", (int)w->items[i].len, w->items[i].data);
    }
    return ret;
}

/* Each expectation is what redis-cli 7.0.15 made of the line. */
static void line_is_split_as_redis_cli_does(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *expected;
    } cases[] = {
        {"", ""},
        {" \t ", ""},
        {"GET a", "<GET><a>"},
        {"  GET\ta \r", "<GET><a>"},
        {"SET k \"a b\"", "<SET><k><a b>"},
        {"\"\"", "<>"},
        {"'' x", "<><x>"},
        {"\"\\x41\\n\\r\\t\\b\\a\\q\\\"\\\\\"", "<A\n\r\t\b\aq\"\\>"},
        {"\"\\xZZ\\x4\"", "<xZZx4>"},
        {"'it\\'s' '\\n'", "<it's><\\n>"},
        {"a\"b c\"", "<ab c>"},
        {"a'b c'", "<ab c>"},
        {"a\\n", "<a\\n>"},
        {"\"a\"b", "a closing quote must be followed by a space"},
        {"'a'b", "a closing quote must be followed by a space"},
        {"\"a", "a quote is not closed"},
        {"'a", "a quote is not closed"},
        {"\"a\\", "a quote is not closed"},
        {"\"a\\\"", "a quote is not closed"},
    };
    words w;
    words_init(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];
        assert_string_equal(split_text(&w, cases[i].line, strlen(cases[i].line), text, sizeof text),
                            cases[i].expected);
    }
    words_done(&w);
}

static void line_may_hold_any_byte(void **state) {
    (void)state;
    words w;
    words_init(&w);
    const char *why = NULL;
    assert_true(words_split(&w, "SET \xff\0z \"\\x00\"", 14, &why));
    assert_int_equal(w.count, 3);
    assert_int_equal(w.items[1].len, 3);
    assert_memory_equal(w.items[1].data, "\xff\0z", 3);
    assert_int_equal(w.items[2].len, 1);
    assert_memory_equal(w.items[2].data, "\0", 1);
    words_done(&w);
}

static void words_are_reused_for_longer_lines(void **state) {
    (void)state;
    words w;
    words_init(&w);
    const char *why = NULL;
    char line[4000];
    memset(line, ' ', sizeof line);
    for (size_t i = 0; i < sizeof line; i += 2) {
        line[i] = 'x';
    }
    assert_true(words_split(&w, "a b", 3, &why));
    assert_true(words_split(&w, line, sizeof line, &why));
    assert_int_equal(w.count, 2000);
    assert_slice_is(w.items[1999], "x");
    words_done(&w);
}

static void number_before_a_command_repeats_it(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool good;
        uint64_t times;
        size_t words;
    } cases[] = {
        {"INCR n", true, 1, 2},    {"3 INCR n", true, 3, 2},   {"5", true, 1, 1},
        {"0 INCR n", false, 0, 0}, {"-2 INCR n", false, 0, 0}, {"3x INCR n", true, 1, 3},
    };
    words w;
    words_init(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *why = NULL;
        uint64_t times = 0;
        assert_true(words_split(&w, cases[i].line, strlen(cases[i].line), &why));
        assert_int_equal(words_take_repeat(&w, &times), cases[i].good);
        assert_int_equal(times, cases[i].times);
        if (cases[i].good) {
            assert_int_equal(w.count, cases[i].words);
        }
    }
    words_done(&w);
}

static void lines_with_passwords_are_secret(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool secret;
    } cases[] = {
        {"AUTH pw", true},
        {"auth user pw", true},
        {"HELLO 3 AUTH user pw", true},
        {"HELLO 3", false},
        {"ACL SETUSER bob on >pw", true},
        {"ACL LIST", false},
        {"CONFIG SET requirepass pw", true},
        {"CONFIG SET maxmemory 1 masterauth pw", true},
        {"CONFIG SET maxmemory 1", false},
        {"CONFIG GET requirepass", false},
        {"MIGRATE host 6379 key 0 1000 AUTH pw", true},
        {"MIGRATE host 6379 key 0 1000", false},
        {"SET auth x", false},
        {"", false},
    };
    words w;
    words_init(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *why = NULL;
        assert_true(words_split(&w, cases[i].line, strlen(cases[i].line), &why));
        assert_int_equal(words_are_secret(&w), cases[i].secret);
    }
    words_done(&w);
}

static void bytes_are_quoted_with_escapes(void **state) {
    (void)state;
    out o;
    out_init(&o, -1);
    quote_write(&o, slice_of("a\"\\\n\r\t\a\b\0\x7f\xff z", 13));
    assert_slice_is(out_slice(&o), "\"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff z\"");
    out_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_split_as_redis_cli_does),
        cmocka_unit_test(line_may_hold_any_byte),
        cmocka_unit_test(words_are_reused_for_longer_lines),
        cmocka_unit_test(number_before_a_command_repeats_it),
        cmocka_unit_test(lines_with_passwords_are_secret),
        cmocka_unit_test(bytes_are_quoted_with_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
