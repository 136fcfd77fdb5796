#include "tool/print.h"

#include "core/reply.h"
#include "core/resp.h"
#include "unit/support/unit.h"

static kw_reply *reply_of(const char *wire, size_t len) {
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(resp_scan(&s, wire, len), RESP_DONE);
    kw_reply *reply = reply_build(&mem_default, wire, len, s.node_count);
    assert_non_null(reply);
    return reply;
}

static void assert_printed(print_mode mode, const char *wire, size_t len, const char *expected) {
    kw_reply *reply = reply_of(wire, len);
    out o;
    out_init(&o, -1);
    print_reply(&o, mode, reply, false);
    assert_slice_is(out_slice(&o), expected);
    out_done(&o);
    reply_free(reply);
}

#define CASE(wire, typed, raw, json)                                                               \
    { wire, sizeof(wire) - 1, typed, raw, json }

/* Typed and raw are what redis-cli 7.0.15 prints. */
static void reply_is_printed_as_redis_cli_does(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        size_t len;
        const char *typed;
        const char *raw;
        const char *json;
    } cases[] = {
        CASE("+OK\r\n", "OK\n", "OK\n", "\"OK\"\n"),
        CASE("-ERR no\r\n", "(error) ERR no\n", "ERR no\n\n", "{\"error\":\"ERR no\"}\n"),
        CASE(":-7\r\n", "(integer) -7\n", "-7\n", "-7\n"),
        CASE("$3\r\na\"b\r\n", "\"a\\\"b\"\n", "a\"b\n", "\"a\\\"b\"\n"),
        CASE("$2\r\n\xff\n\r\n", "\"\\xff\\n\"\n", "\xff\n\n", "{\"base64\":\"/wo=\"}\n"),
        CASE("$-1\r\n", "(nil)\n", "\n", "null\n"),
        CASE("_\r\n", "(nil)\n", "\n", "null\n"),
        CASE("*-1\r\n", "(nil)\n", "\n", "null\n"),
        CASE(",1.5\r\n", "(double) 1.5\n", "1.5\n", "1.5\n"),
        CASE(",inf\r\n", "(double) inf\n", "inf\n", "\"inf\"\n"),
        CASE("#t\r\n", "(true)\n", "(true)\n", "true\n"),
        CASE("#f\r\n", "(false)\n", "(false)\n", "false\n"),
        CASE("=7\r\ntxt:a\nb\r\n", "a\nb\n", "a\nb\n", "\"a\\nb\"\n"),
        CASE("(123456789012345678901\r\n", "(bignum) 123456789012345678901\n",
             "123456789012345678901\n", "\"123456789012345678901\"\n"),
        CASE("*0\r\n", "(empty array)\n", "\n", "[]\n"),
        CASE("%0\r\n", "(empty hash)\n", "\n", "{}\n"),
        CASE("~0\r\n", "(empty set)\n", "\n", "[]\n"),
        CASE("*3\r\n:1\r\n*2\r\n:2\r\n*2\r\n:3\r\n:4\r\n*0\r\n",
             "1) (integer) 1\n2) 1) (integer) 2\n   2) 1) (integer) 3\n      2) (integer) 4\n"
             "3) (empty array)\n",
             "1\n2\n3\n4\n\n", "[1,[2,[3,4]],[]]\n"),
        CASE("%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n:2\r\n:3\r\n",
             "1# \"a\" => (integer) 1\n2# \"b\" => \n   1) (integer) 2\n   2) (integer) 3\n",
             "a 1\nb 2\n3\n", "{\"a\":1,\"b\":[2,3]}\n"),
        CASE("%1\r\n$1\r\na\r\n*1\r\n*1\r\n:5\r\n", "1# \"a\" => 1) 1) (integer) 5\n", "a 5\n",
             "{\"a\":[[5]]}\n"),
        CASE("%1\r\n$1\r\na\r\n*1\r\n*2\r\n:5\r\n:6\r\n",
             "1# \"a\" => \n   1) 1) (integer) 5\n      2) (integer) 6\n", "a 5\n6\n",
             "{\"a\":[[5,6]]}\n"),
        CASE("%1\r\n:1\r\n#t\r\n", "1# (integer) 1 => (true)\n", "1 (true)\n", "{\"1\":true}\n"),
        CASE("%1\r\n*1\r\n:1\r\n:2\r\n", "1# 1) (integer) 1 => (integer) 2\n", "1 2\n",
             "[[[1],2]]\n"),
        CASE("~2\r\n$1\r\na\r\n$1\r\nb\r\n", "1~ \"a\"\n2~ \"b\"\n", "a\nb\n", "[\"a\",\"b\"]\n"),
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_printed(PRINT_TYPED, cases[i].wire, cases[i].len, cases[i].typed);
        assert_printed(PRINT_RAW, cases[i].wire, cases[i].len, cases[i].raw);
        assert_printed(PRINT_JSON, cases[i].wire, cases[i].len, cases[i].json);
    }
}

static void numbers_of_elements_are_aligned(void **state) {
    (void)state;
    static const char wire[] = "*10\r\n:1\r\n*1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n"
                               "*2\r\n:10\r\n:11\r\n";
    assert_printed(PRINT_TYPED, wire, sizeof wire - 1,
                   " 1) (integer) 1\n 2) 1) (integer) 2\n 3) (integer) 3\n 4) (integer) 4\n"
                   " 5) (integer) 5\n 6) (integer) 6\n 7) (integer) 7\n 8) (integer) 8\n"
                   " 9) (integer) 9\n10) 1) (integer) 10\n    2) (integer) 11\n");
}

static void page_of_text_gets_no_line_end(void **state) {
    (void)state;
    kw_reply *reply = reply_of("=10\r\ntxt:a:1\r\nb\r\n", 17);
    out o;
    out_init(&o, -1);
    print_reply(&o, PRINT_TYPED, reply, true);
    assert_slice_is(out_slice(&o), "a:1\r\nb");
    out_done(&o);
    reply_free(reply);
}

static void pages_of_text_are_known_by_their_command(void **state) {
    (void)state;
    static const struct {
        const char *words[3];
        size_t count;
        bool expected;
    } cases[] = {
        {{"info"}, 1, true},
        {{"INFO", "server"}, 2, true},
        {{"CLUSTER", "nodes"}, 2, true},
        {{"CLUSTER", "SLOTS"}, 2, false},
        {{"CLUSTER"}, 1, false},
        {{"CLIENT", "LIST", "x"}, 3, true},
        {{"GET", "info"}, 2, false},
        {{"LATENCY", "DOCTOR", "x"}, 3, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_slice argv[3];
        for (size_t w = 0; w < cases[i].count; w++) {
            argv[w] = slice_text(cases[i].words[w]);
        }
        assert_int_equal(print_is_text(argv, cases[i].count), cases[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_is_printed_as_redis_cli_does),
        cmocka_unit_test(numbers_of_elements_are_aligned),
        cmocka_unit_test(page_of_text_gets_no_line_end),
        cmocka_unit_test(pages_of_text_are_known_by_their_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
