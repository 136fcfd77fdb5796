#include "node/node_reader.h"

#include "core/limits.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static const reader_limits OPEN = {.bulk_bytes = LIMIT_BULK_BYTES};

#define TEXT(literal)                                                                              \
    { (literal), sizeof(literal) - 1 }

/* All arguments, each in brackets. */
static void show(const node_reader *r, char *dst, size_t size) {
    size_t at = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < r->argc; i++) {
        at += (size_t)snprintf(dst + at, size - at, "[%.*s]", (int)r->argv[i].len, r->argv[i].data);
        assert_true(at < size);
    }
}

/* Reads all of `wire`, which arrives `step` bytes at a time, each time at another address. `ret`
 * gets the commands, one a line, and what is wrong in the end. */
static void read_all(const reader_limits *limits, kw_slice wire, size_t step, char *ret,
                     size_t size) {
    node_reader r;
    size_t begin = 0;
    size_t there = 0;
    size_t at = 0;
    reader_result result = READER_MORE;
    ret[0] = '\0';
    node_reader_init(&r, &mem_default);
    char *now = NULL;
    while (result == READER_COMMAND || (result == READER_MORE && there < wire.len)) {
        if (result == READER_MORE) {
            size_t more = step < wire.len - there ? step : wire.len - there;
            char *moved = malloc(there - begin + more);
            assert_non_null(moved);
            memcpy(moved, now ? now : "", there - begin); /* words are unfolded in place */
            memcpy(moved + there - begin, wire.data + there, more);
            free(now);
            now = moved;
            there += more;
        }
        size_t used = 0;
        result = node_reader_next(&r, limits, now, there - begin, &used);
        if (result == READER_COMMAND) {
            show(&r, ret + at, size - at);
            strcat(ret, "\n");
            at = strlen(ret);
            memmove(now, now + used, there - begin - used);
            begin += used;
        }
    }
    if (result == READER_REFUSED) {
        snprintf(ret + at, size - at, "%s", r.error);
    }
    assert_int_not_equal(result, READER_NO_MEMORY);
    node_reader_done(&r);
    free(now);
}

/* Asked of redis-server 7.0.15. */
static void commands_are_cut_as_the_servers_do(void **state) {
    (void)state;
    static const struct {
        kw_slice wire;
        const char *read;
    } cases[] = {
        {TEXT("*1\r\n$4\r\nPING\r\n"), "[PING]\n"},
        {TEXT("*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n"), "[GET][]\n[PING]\n"},
        {TEXT("*-5\r\nPING\r\n"), "\n[PING]\n"},
        {TEXT("*0\r\nPING\r\n"), "\n[PING]\n"},
        {TEXT("*2147483647\r\n"), ""},
        {TEXT("*1\r\n$4\r\nPINGxxPING\r\n"), "[PING]\n[PING]\n"},
        {TEXT("*1\rx$4\rxPINGxx"), "[PING]\n"},
        {TEXT("*1\r\nxxx"), ""},
        {TEXT("*1\0\r\n$4\r\nPING\r\n"), ""},
        {TEXT("*1\r\n\0\r\n"), ""},
        {TEXT("PI\0NG\r\nPING\r\n"), ""},
        {TEXT("PING \"\\x41\\n\\q\"\r\n"), "[PING][A\nq]\n"},
        {TEXT("ECHO 'a\\'b\\n'\r\n"), "[ECHO][a'b\\n]\n"},
        {TEXT("ECHO a\"b c\"\r\n"), "[ECHO][ab c]\n"},
        {TEXT("ECHO \"\"\r\n"), "[ECHO][]\n"},
        {TEXT("ECHO \"\\x4\" \"\\xg1\" \"\\t\\a\\b\\r\\\\\\\"\"\n"),
         "[ECHO][x4][xg1][\t\a\b\r\\\"]\n"},
        {TEXT("   \r\n\r\nPING\n"), "\n\n[PING]\n"},
        {TEXT("PING\tx\r\n"), "[PING][x]\n"},
        {TEXT("PING\vx\r\n"), "[PING\vx]\n"},
        {TEXT("\vPING x\r\n"), "[PING][x]\n"},
        {TEXT("ECHO a\rb\r\n"), "[ECHO][a][b]\n"},
        {TEXT("ECHO a\r\r\n"), "[ECHO][a]\n"},
        {TEXT("$4\r\nPING\r\n"), "[$4]\n[PING]\n"},
        {TEXT("\"\" a\r\n"), "[][a]\n"},
        {TEXT("ECHO \"a\\"), ""},
        {TEXT("*abc\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("*2147483648\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("*01\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("*+1\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("* 1\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("*\r\n"), "Protocol error: invalid multibulk length"},
        {TEXT("*1\r\n!4\r\nPING\r\n"), "Protocol error: expected '$', got '!'"},
        {TEXT("*1\r\n\r\nPING\r\n"), "Protocol error: expected '$', got '\r'"},
        {TEXT("*1\r\n\1\r\n"), "Protocol error: expected '$', got '\1'"},
        {TEXT("*1\r\n$\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$abc\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$-1\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$-0\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$04\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("*1\r\n$536870912\r\n"), ""},
        {TEXT("*1\r\n$99999999999999999999\r\n"), "Protocol error: invalid bulk length"},
        {TEXT("PING\r\n*abc\r\n"), "[PING]\nProtocol error: invalid multibulk length"},
        {TEXT("\"unbalanced\r\n"), "Protocol error: unbalanced quotes in request"},
        {TEXT("'unb\r\n"), "Protocol error: unbalanced quotes in request"},
        {TEXT("PING \"a\"b\r\n"), "Protocol error: unbalanced quotes in request"},
        {TEXT("PING 'a'b\r\n"), "Protocol error: unbalanced quotes in request"},
        {TEXT("ECHO a\"b\r\n"), "Protocol error: unbalanced quotes in request"},
        {TEXT("ECHO \"a\\\r\n"), "Protocol error: unbalanced quotes in request"},
    };
    static const size_t steps[] = {1, 2, 3, 7, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t j = 0; j < COUNT_OF(steps); j++) {
            char read[128];
            read_all(&OPEN, cases[i].wire, steps[j], read, sizeof read);
            assert_string_equal(read, cases[i].read);
        }
    }
}

static void strangers_may_send_short_commands_only(void **state) {
    (void)state;
    static const reader_limits limits = {.bulk_bytes = LIMIT_BULK_BYTES, .short_only = true};
    static const struct {
        kw_slice wire;
        const char *read;
    } cases[] = {
        {TEXT("*10\r\n"), ""},
        {TEXT("*11\r\n"), "Protocol error: unauthenticated multibulk length"},
        {TEXT("*1\r\n$16384\r\n"), ""},
        {TEXT("*1\r\n$16385\r\n"), "Protocol error: unauthenticated bulk length"},
        {TEXT("1 2 3 4 5 6 7 8 9 10 11\r\n"), "[1][2][3][4][5][6][7][8][9][10][11]\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char read[128];
        read_all(&limits, cases[i].wire, SIZE_MAX, read, sizeof read);
        assert_string_equal(read, cases[i].read);
    }
}

static void longest_argument_is_as_configured(void **state) {
    (void)state;
    static const reader_limits limits = {.bulk_bytes = 5};
    char read[128];
    read_all(&limits, slice_text("*2\r\n$4\r\nECHO\r\n$5\r\nabcde\r\n"), 1, read, sizeof read);
    assert_string_equal(read, "[ECHO][abcde]\n");
    read_all(&limits, slice_text("*1\r\n$6\r\n"), 1, read, sizeof read);
    assert_string_equal(read, "Protocol error: invalid bulk length");
}

static void endless_lines_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *begin;
        const char *error;
    } cases[] = {
        {"", "Protocol error: too big inline request"},
        {"*", "Protocol error: too big mbulk count string"},
        {"*1\r\n$", "Protocol error: too big bulk count string"},
        {"*1\r\n", "Protocol error: too big bulk count string"},
    };
    static char wire[LIMIT_LINE_BYTES + 16];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        node_reader r;
        size_t used;
        bool is_argument = strlen(cases[i].begin) > 1;
        size_t len = LIMIT_LINE_BYTES + (is_argument ? 4 : 0); /* what is before the line */
        memset(wire, '1', sizeof wire);
        memcpy(wire, cases[i].begin, strlen(cases[i].begin));
        node_reader_init(&r, &mem_default);
        assert_int_equal(node_reader_next(&r, &OPEN, wire, len, &used), READER_MORE);
        assert_int_equal(node_reader_next(&r, &OPEN, wire, len + 1, &used), READER_REFUSED);
        assert_string_equal(r.error, cases[i].error);
        node_reader_done(&r);
    }
}

static void announced_arguments_cost_nothing(void **state) {
    (void)state;
    failing_mem t;
    node_reader r;
    size_t used;
    char wire[] = "*1000000\r\n$1\r\na\r\n$1000000\r\n";
    failing_mem_init(&t);
    node_reader_init(&r, &t.mem);
    assert_int_equal(node_reader_next(&r, &OPEN, wire, sizeof wire - 1, &used), READER_MORE);
    assert_true(t.live_bytes <= 16 * sizeof(kw_slice));
    node_reader_done(&r);
    assert_int_equal(t.live_count, 0);
}

static void a_long_list_is_given_back(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    failing_mem t;
    node_reader r;
    size_t used = 0;
    static char wire[COUNT * 7 + 16];
    size_t len = (size_t)snprintf(wire, sizeof wire, "*%d\r\n", COUNT);
    for (int i = 0; i < COUNT; i++) {
        memcpy(wire + len, "$1\r\nx\r\n", 7);
        len += 7;
    }
    failing_mem_init(&t);
    node_reader_init(&r, &t.mem);
    assert_int_equal(node_reader_next(&r, &OPEN, wire, len, &used), READER_COMMAND);
    assert_int_equal(r.argc, COUNT);
    assert_int_equal(used, len);
    char ping[] = "PING\r\n";
    assert_int_equal(node_reader_next(&r, &OPEN, ping, 6, &used), READER_COMMAND);
    assert_int_equal(r.argc, 1);
    assert_true(t.live_bytes <= 16 * sizeof(kw_slice));
    node_reader_done(&r);
    assert_int_equal(t.live_count, 0);
}

static void arguments_have_a_cap(void **state) {
    (void)state;
    size_t size = (size_t)(LIMIT_ARGUMENTS + 1) * 6 + 16;
    char *wire = malloc(size);
    assert_non_null(wire);
    size_t len = (size_t)snprintf(wire, size, "*%d\r\n", LIMIT_ARGUMENTS + 1);
    for (int i = 0; i <= LIMIT_ARGUMENTS; i++) {
        memcpy(wire + len, "$0\r\n\r\n", 6);
        len += 6;
    }
    node_reader r;
    size_t used;
    node_reader_init(&r, &mem_default);
    assert_int_equal(node_reader_next(&r, &OPEN, wire, len - 6, &used), READER_MORE);
    assert_int_equal(r.argc, LIMIT_ARGUMENTS);
    assert_int_equal(node_reader_next(&r, &OPEN, wire, len, &used), READER_REFUSED);
    node_reader_done(&r);
    free(wire);
}

static void failing_allocator_is_reported(void **state) {
    (void)state;
    for (size_t budget = 0; budget < 2; budget++) {
        failing_mem t;
        node_reader r;
        size_t used;
        char wire[] = "1 2 3 4 5 6 7 8 9\r\n";
        failing_mem_init(&t);
        failing_mem_fail_after(&t, budget);
        node_reader_init(&r, &t.mem);
        assert_int_equal(node_reader_next(&r, &OPEN, wire, sizeof wire - 1, &used),
                         READER_NO_MEMORY);
        node_reader_done(&r);
        assert_int_equal(t.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_cut_as_the_servers_do),
        cmocka_unit_test(strangers_may_send_short_commands_only),
        cmocka_unit_test(longest_argument_is_as_configured),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(announced_arguments_cost_nothing),
        cmocka_unit_test(a_long_list_is_given_back),
        cmocka_unit_test(arguments_have_a_cap),
        cmocka_unit_test(failing_allocator_is_reported),
    };
    return cmocka_run_group_tests_name("node reader", tests, NULL, NULL);
}
