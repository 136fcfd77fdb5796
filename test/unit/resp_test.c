#include "core/resp_short.h"

#include "base/prng.h"
#include "unit/support/unit.h"

#include <math.h>
#include <stdlib.h>

/* Feeds the first `len` bytes from a piece of memory of just that size: reading beyond is found by
 * the address sanitizer. */
static resp_progress scan_copy(resp_scanner *s, const char *data, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    resp_progress progress = resp_scan(s, copy, len);
    free(copy);
    return progress;
}

static void assert_value(kw_slice wire, uint64_t node_count) {
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(scan_copy(&s, wire.data, wire.len), RESP_DONE);
    assert_int_equal(s.offset, wire.len);
    assert_int_equal(s.node_count, node_count);
    for (size_t cut = 0; cut < wire.len; cut++) {
        resp_scanner_init(&s, &resp_limits_default);
        assert_int_equal(scan_copy(&s, wire.data, cut), RESP_MORE);
        assert_int_equal(scan_copy(&s, wire.data, wire.len), RESP_DONE);
        assert_int_equal(s.offset, wire.len);
        assert_int_equal(s.node_count, node_count);
    }
    resp_scanner_init(&s, &resp_limits_default);
    for (size_t len = 0; len < wire.len; len++) {
        assert_int_equal(scan_copy(&s, wire.data, len), RESP_MORE);
    }
    assert_int_equal(scan_copy(&s, wire.data, wire.len), RESP_DONE);
    assert_int_equal(s.offset, wire.len);
    assert_int_equal(s.node_count, node_count);
}

#define VALUE(text, count)                                                                         \
    { text, sizeof(text) - 1, count }

static const struct value_case {
    const char *wire;
    size_t len;
    uint64_t node_count;
} values[] = {
    VALUE("+OK\r\n", 1),
    VALUE("+\r\n", 1),
    VALUE("-ERR no\r\n", 1),
    VALUE(":0\r\n", 1),
    VALUE(":-9223372036854775808\r\n", 1),
    VALUE(":9223372036854775807\r\n", 1),
    VALUE(":+5\r\n", 1),
    VALUE("$-1\r\n", 1),
    VALUE("$0\r\n\r\n", 1),
    VALUE("$3\r\nfoo\r\n", 1),
    VALUE("$6\r\n\r\n\0\r\n\r\r\n", 1),
    VALUE("*-1\r\n", 1),
    VALUE("*0\r\n", 1),
    VALUE("*2\r\n$1\r\na\r\n:1\r\n", 3),
    VALUE("*2\r\n*1\r\n*0\r\n*2\r\n_\r\n$-1\r\n", 6),
    VALUE("_\r\n", 1),
    VALUE("#t\r\n", 1),
    VALUE("#f\r\n", 1),
    VALUE(",3.25\r\n", 1),
    VALUE(",-1\r\n", 1),
    VALUE(",1e-7\r\n", 1),
    VALUE(",1.5E+300\r\n", 1),
    VALUE(",inf\r\n", 1),
    VALUE(",-inf\r\n", 1),
    VALUE(",nan\r\n", 1),
    VALUE(",-nan\r\n", 1),
    VALUE("(3492890328409238509324850943850943825024385\r\n", 1),
    VALUE("(-1\r\n", 1),
    VALUE("!9\r\nERR a\r\nb!\r\n", 1),
    VALUE("=7\r\ntxt:abc\r\n", 1),
    VALUE("=4\r\nmkd:\r\n", 1),
    VALUE("%0\r\n", 1),
    VALUE("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n", 6),
    VALUE("~2\r\n:1\r\n:2\r\n", 3),
    VALUE(">2\r\n+message\r\n$2\r\nhi\r\n", 3),
    VALUE("|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n", 6),
    VALUE("|0\r\n+OK\r\n", 4),
    VALUE("|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n:3\r\n", 11),
    VALUE("*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:2\r\n|0\r\n:3\r\n", 12),
    VALUE("|1\r\n+a\r\n|1\r\n+in\r\n+ner\r\n:1\r\n*1\r\n|1\r\n+k\r\n+v\r\n*0\r\n", 17),
    VALUE("|1\r\n+a\r\n:1\r\n>1\r\n+p\r\n", 7),
};

static void values_end_where_they_end_however_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_value(slice_of(values[i].wire, values[i].len), values[i].node_count);
    }
}

static void bytes_after_the_value_are_left_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char wire[256];
        resp_scanner s;
        memcpy(wire, values[i].wire, values[i].len);
        memcpy(wire + values[i].len, "\r\n?garbage", 10);
        resp_scanner_init(&s, &resp_limits_default);
        assert_int_equal(scan_copy(&s, wire, values[i].len + 10), RESP_DONE);
        assert_int_equal(s.offset, values[i].len);
    }
}

static void broken_values_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "\x16\x03\x01",
        "+a\rb\r\n",
        "+a\nb\r\n",
        ":\r\n",
        ":1a\r\n",
        ": 1\r\n",
        ":1 \r\n",
        ":--1\r\n",
        ":+-1\r\n",
        ":+\r\n",
        ":9223372036854775808\r\n",
        ":-9223372036854775809\r\n",
        "$\r\n",
        "$-2\r\n",
        "$-0\r\n",
        "$+1\r\n",
        "$1a\r\n",
        "$?\r\n",
        "$18446744073709551616\r\n",
        "$3\r\nfooX\r\n",
        "$3\r\nfoobar\r\n",
        "!-1\r\n",
        "=-1\r\n",
        "=3\r\ntxt\r\n",
        "=5\r\ntext:\r\n",
        "*\r\n",
        "*-2\r\n",
        "*?\r\n",
        "*1\r\nx",
        "*1\r\n>1\r\n+a\r\n",
        "~-1\r\n",
        "%-1\r\n",
        ">-1\r\n",
        "|-1\r\n",
        "_x\r\n",
        "#\r\n",
        "#true\r\n",
        "#T\r\n",
        ",\r\n",
        ",1.2.3\r\n",
        ",0x10\r\n",
        ", 1\r\n",
        ",1e\r\n",
        ",.\r\n",
        ",infinit\r\n",
        "(\r\n",
        "(-\r\n",
        "(12a\r\n",
        ";4\r\n",
        ".\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = strlen(cases[i]);
        resp_scanner s;
        resp_scanner_init(&s, &resp_limits_default);
        assert_int_equal(scan_copy(&s, cases[i], len), RESP_BROKEN);
        assert_non_null(s.error);
        assert_false(s.over_limit);
        assert_int_equal(scan_copy(&s, cases[i], len), RESP_BROKEN);
        resp_scanner_init(&s, &resp_limits_default);
        resp_progress progress = RESP_MORE;
        for (size_t cut = 0; cut <= len && progress == RESP_MORE; cut++) {
            progress = scan_copy(&s, cases[i], cut);
        }
        assert_int_equal(progress, RESP_BROKEN);
    }
}

static void first_byte_is_judged_at_once(void **state) {
    (void)state;
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(scan_copy(&s, "H", 1), RESP_BROKEN);
}

static void caps_are_enforced_and_named(void **state) {
    (void)state;
    static const resp_limits limits = {
        .value_bytes = 64, .bulk_bytes = 16, .elements = 8, .values = 12, .depth = 3};
    static const struct {
        const char *wire;
        const char *word; /* NULL: within the caps */
    } cases[] = {
        {"$16\r\n0123456789abcdef\r\n", NULL},
        {"$17\r\n", "string"},
        {"!17\r\n", "string"},
        {"*8\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n", NULL},
        {"*9\r\n", "elements"},
        {"%4\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n", NULL},
        {"%5\r\n", "elements"},
        {"*2\r\n*5\r\n_\r\n_\r\n_\r\n_\r\n_\r\n*4\r\n_\r\n_\r\n_\r\n_\r\n", NULL},
        {"*2\r\n*5\r\n_\r\n_\r\n_\r\n_\r\n_\r\n*5\r\n_\r\n_\r\n_\r\n_\r\n_\r\n", "values"},
        {"|5\r\n", "elements"},
        {"*9223372036854775807\r\n", "elements"},
        {"%18446744073709551615\r\n", "elements"},
        {"$18446744073709551615\r\n", "string"},
        {"*1\r\n*1\r\n*1\r\n:1\r\n", NULL},
        {"*1\r\n*1\r\n*1\r\n*0\r\n", NULL},
        {"*1\r\n*1\r\n*1\r\n*1\r\n", "nesting"},
        {"*1\r\n|1\r\n+a\r\n*1\r\n*1\r\n", "nesting"},
        {"*4\r\n$16\r\n0123456789abcdef\r\n$16\r\n0123456789abcdef\r\n$16\r\n", "reply's bytes"},
        {"+012345678901234567890123456789012345678901234567890123456789x\r\n", NULL},
        {"+012345678901234567890123456789012345678901234567890123456789xy\r\n", "reply's bytes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        resp_scanner s;
        resp_scanner_init(&s, &limits);
        resp_progress progress = scan_copy(&s, cases[i].wire, strlen(cases[i].wire));
        if (!cases[i].word) {
            assert_int_equal(progress, RESP_DONE);
            continue;
        }
        assert_int_equal(progress, RESP_BROKEN);
        assert_true(s.over_limit);
        assert_non_null(strstr(s.error, cases[i].word));
    }
}

static void endless_line_is_over_a_limit(void **state) {
    (void)state;
    size_t size = LIMIT_LINE_BYTES + 2;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'a', size);
    line[0] = '+';
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_equal(resp_scan(&s, line, LIMIT_LINE_BYTES), RESP_MORE);
    assert_int_equal(resp_scan(&s, line, size), RESP_BROKEN);
    assert_true(s.over_limit);
    assert_non_null(strstr(s.error, "line"));
    free(line);
}

static void deepest_nesting_allowed_is_read(void **state) {
    (void)state;
    buffer b;
    buffer_init(&b, &mem_default, 0);
    for (int i = 0; i < LIMIT_REPLY_DEPTH; i++) {
        assert_true(resp_write_array(&b, 1));
    }
    assert_true(resp_write_integer(&b, 1));
    assert_value(buffer_slice(&b), LIMIT_REPLY_DEPTH + 1);
    buffer_done(&b);
}

static void random_bytes_are_survived(void **state) {
    (void)state;
    static const char alphabet[] = "+-:$*_#,(!=%~>|0123456789\r\n\r\n\r\n012ateinf.?x";
    prng random;
    prng_init(&random, 42);
    for (int round = 0; round < 20000; round++) {
        char wire[64];
        size_t len = prng_range(&random, 1, sizeof(wire));
        for (size_t i = 0; i < len; i++) {
            wire[i] = alphabet[prng_below(&random, sizeof(alphabet) - 1)];
        }
        resp_scanner whole;
        resp_scanner cut;
        resp_scanner_init(&whole, &resp_limits_default);
        resp_scanner_init(&cut, &resp_limits_default);
        resp_progress expected = scan_copy(&whole, wire, len);
        resp_progress progress = RESP_MORE;
        for (size_t i = 1; i <= len && progress == RESP_MORE; i++) {
            progress = scan_copy(&cut, wire, i);
        }
        assert_int_equal(progress, expected);
        if (expected == RESP_DONE) {
            assert_int_equal(whole.offset, cut.offset);
            assert_int_equal(whole.node_count, cut.node_count);
        }
    }
}

/* ------------------------------------------------------------------ writers */

static void assert_wrote(buffer *b, bool ok, const char *wire) {
    assert_true(ok);
    assert_slice_is(buffer_slice(b), wire);
    buffer_clear(b, SIZE_MAX);
}

static void writers_write_both_protocols(void **state) {
    (void)state;
    buffer b;
    buffer_init(&b, &mem_default, 0);
    assert_wrote(&b, resp_write_status(&b, "OK"), "+OK\r\n");
    assert_wrote(&b, resp_write_error(&b, "ERR no"), "-ERR no\r\n");
    assert_wrote(&b, resp_write_error(&b, "ERR a\r\nb"), "-ERR a  b\r\n");
    assert_wrote(&b, resp_write_integer(&b, 0), ":0\r\n");
    assert_wrote(&b, resp_write_integer(&b, -7), ":-7\r\n");
    assert_wrote(&b, resp_write_integer(&b, INT64_MIN), ":-9223372036854775808\r\n");
    assert_wrote(&b, resp_write_bulk(&b, SLICE_LITERAL("foo")), "$3\r\nfoo\r\n");
    assert_wrote(&b, resp_write_bulk(&b, slice_of(NULL, 0)), "$0\r\n\r\n");
    assert_wrote(&b, resp_write_bulk_text(&b, "0123456789"), "$10\r\n0123456789\r\n");
    assert_wrote(&b, resp_write_null(&b, 2), "$-1\r\n");
    assert_wrote(&b, resp_write_null(&b, 3), "_\r\n");
    assert_wrote(&b, resp_write_null_array(&b, 2), "*-1\r\n");
    assert_wrote(&b, resp_write_null_array(&b, 3), "_\r\n");
    assert_wrote(&b, resp_write_array(&b, 12), "*12\r\n");
    assert_wrote(&b, resp_write_map(&b, 2, 3), "*6\r\n");
    assert_wrote(&b, resp_write_map(&b, 3, 3), "%3\r\n");
    assert_wrote(&b, resp_write_set(&b, 2, 3), "*3\r\n");
    assert_wrote(&b, resp_write_set(&b, 3, 3), "~3\r\n");
    assert_wrote(&b, resp_write_double(&b, 2, 0.25), "$4\r\n0.25\r\n");
    assert_wrote(&b, resp_write_double(&b, 3, 0.25), ",0.25\r\n");
    assert_wrote(&b, resp_write_double(&b, 3, (double)-INFINITY), ",-inf\r\n");
    assert_wrote(&b, resp_write_double(&b, 3, (double)NAN), ",nan\r\n");
    assert_wrote(&b, resp_write_verbatim(&b, 2, SLICE_LITERAL("hi")), "$2\r\nhi\r\n");
    assert_wrote(&b, resp_write_verbatim(&b, 3, SLICE_LITERAL("hi")), "=6\r\ntxt:hi\r\n");
    buffer_done(&b);
}

static void writers_write_all_or_nothing(void **state) {
    (void)state;
    buffer b;
    buffer_init(&b, &mem_default, 8);
    assert_true(resp_write_status(&b, "OK"));
    assert_false(resp_write_status(&b, "OK"));
    assert_false(resp_write_bulk(&b, SLICE_LITERAL("foo")));
    assert_false(resp_write_verbatim(&b, 3, SLICE_LITERAL("foo")));
    assert_false(resp_write_integer(&b, 100));
    assert_false(resp_write_double(&b, 3, 1.5));
    assert_slice_is(buffer_slice(&b), "+OK\r\n");
    buffer_done(&b);
}

/* ----------------------------------------------------------------- commands */

static void command_size_is_what_is_encoded(void **state) {
    (void)state;
    char big[1001];
    memset(big, 'v', sizeof(big));
    const kw_slice argv[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k\r\n\0y"),
                             slice_of(big, sizeof(big)), slice_of(NULL, 0)};
    for (size_t argc = 0; argc <= COUNT_OF(argv); argc++) {
        size_t size = (size_t)resp_command_size(argv, argc);
        char *wire = malloc(size);
        assert_non_null(wire);
        assert_ptr_equal(resp_command_encode(wire, argv, argc), wire + size);
        kw_slice read[COUNT_OF(argv)];
        size_t read_argc = 99;
        size_t len = 0;
        const char *error = NULL;
        assert_int_equal(
            resp_read_command(wire, size, read, COUNT_OF(read), &read_argc, &len, &error),
            RESP_DONE);
        assert_int_equal(read_argc, argc);
        assert_int_equal(len, size);
        for (size_t i = 0; i < argc; i++) {
            assert_true(slice_equal(read[i], argv[i]));
        }
        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(
                resp_read_command(wire, cut, read, COUNT_OF(read), &read_argc, &len, &error),
                RESP_MORE);
        }
        free(wire);
    }
}

static void command_is_encoded_around_an_argument(void **state) {
    (void)state;
    const kw_slice argv[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("key"),
                             SLICE_LITERAL("a value of some length"), SLICE_LITERAL("")};
    char whole[128];
    char around[128];
    for (size_t apart = 0; apart < COUNT_OF(argv); apart++) {
        size_t size = (size_t)(resp_command_encode(whole, argv, COUNT_OF(argv)) - whole);
        char *gap = NULL;
        char *end = resp_command_encode_around(around, argv, COUNT_OF(argv), apart, &gap);
        size_t before = (size_t)(gap - around);
        size_t behind = (size_t)(end - gap);
        assert_int_equal(before + argv[apart].len + behind, size);
        assert_memory_equal(around, whole, before);
        assert_memory_equal(whole + before, argv[apart].data, argv[apart].len);
        assert_memory_equal(gap, whole + size - behind, behind);
    }
}

static void commands_are_read_from_lines_and_arrays(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        size_t len;
        size_t argc;
        const char *last;
    } cases[] = {
        {"PING\r\n", 6, 1, "PING"},
        {"PING\n", 5, 1, "PING"},
        {"  SET  a   b \r\nGET a\r\n", 15, 3, "b"},
        {"\r\n", 2, 0, NULL},
        {"\n", 1, 0, NULL},
        {"   \r\n", 5, 0, NULL},
        {"*0\r\n", 4, 0, NULL},
        {"*-1\r\n", 5, 0, NULL},
        {"*1\r\n$4\r\nPING\r\n*1\r\n", 14, 1, "PING"},
        {"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n", 21, 2, "\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_slice argv[4];
        size_t argc = 99;
        size_t len = 0;
        const char *error = NULL;
        assert_int_equal(resp_read_command(cases[i].wire, strlen(cases[i].wire), argv,
                                           COUNT_OF(argv), &argc, &len, &error),
                         RESP_DONE);
        assert_int_equal(argc, cases[i].argc);
        assert_int_equal(len, cases[i].len);
        if (cases[i].last) {
            assert_slice_is(argv[argc - 1], cases[i].last);
        }
    }
}

static void broken_commands_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "*5\r\n",           "*x\r\n",        "*\r\n",        "*1\rx",
        "*1\r\n+",          "*1\r\n$-1\r\n", "*1\r\n$x\r\n", "*1\r\n$9999999999\r\n",
        "*1\r\n$1\r\nabcd", "a b c d e\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_slice argv[4];
        size_t argc = 0;
        size_t len = 0;
        const char *error = NULL;
        assert_int_equal(resp_read_command(cases[i], strlen(cases[i]), argv, COUNT_OF(argv), &argc,
                                           &len, &error),
                         RESP_BROKEN);
        assert_non_null(error);
        assert_int_equal(strncmp(error, "Protocol error: ", 16), 0);
    }
}

static void endless_command_lines_are_refused(void **state) {
    (void)state;
    static const char starts[] = {'a', '*'};
    size_t size = LIMIT_LINE_BYTES + 1;
    char *line = malloc(size);
    assert_non_null(line);
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        kw_slice argv[4];
        size_t argc = 0;
        size_t len = 0;
        const char *error = NULL;
        memset(line, '1', size);
        line[0] = starts[i];
        assert_int_equal(
            resp_read_command(line, LIMIT_LINE_BYTES, argv, COUNT_OF(argv), &argc, &len, &error),
            RESP_MORE);
        assert_int_equal(resp_read_command(line, size, argv, COUNT_OF(argv), &argc, &len, &error),
                         RESP_BROKEN);
        assert_non_null(error);
    }
    free(line);
}

static void short_commands_are_encoded_as_others_are(void **state) {
    (void)state;
    char text[RESP_SHORT_BYTES + 1];
    char expected[2048];
    char wire[2048];
    kw_slice argv[RESP_SHORT_ARGUMENTS + 1];
    memset(text, 'v', sizeof text);
    for (size_t argc = 1; argc <= COUNT_OF(argv); argc++) {
        for (size_t len = 0; len <= sizeof text; len++) {
            for (size_t i = 0; i < argc; i++) {
                argv[i] = slice_of(text, i % 2 ? len : len / 3);
            }
            bool fits = argc <= RESP_SHORT_ARGUMENTS && (len <= RESP_SHORT_BYTES || argc == 1);
            char *end = resp_short_encode(wire, argv, argc, NULL);
            assert_true(fits == (end != NULL));
            if (fits) {
                size_t size = (size_t)(resp_command_encode(expected, argv, argc) - expected);
                assert_int_equal(end - wire, size);
                assert_memory_equal(wire, expected, size);
                assert_true(size <= resp_short_room(argc));
            }
        }
    }
}

/* Short values are read twice, by resp_peek and by resp_scan; each cut in memory of its own size.
 */
static void short_values_are_peeked_as_they_are_scanned(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        const char *text; /* NULL: left to the scanner */
    } cases[] = {
        {"+OK\r\n", "OK"},      {"+OKAY\r\n", "OKAY"},    {"+QUEUED\r\n", "QUEUED"},
        {"+o\r\n", "o"},        {":1\r\n", "1"},          {":12345\r\n", "12345"},
        {"$0\r\n\r\n", ""},     {"$3\r\nabc\r\n", "abc"}, {"+OK\rx", NULL},
        {"+OK\nx", NULL},       {"+\r\n", NULL},          {"$-1\r\n", NULL},
        {"$3\r\nabcd\r", NULL}, {"-ERR\r\n", NULL},       {"*0\r\n", NULL},
        {":-1\r\n", NULL},      {"_\r\n", NULL},
    };
    resp_limits limits = resp_limits_default;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t whole = strlen(cases[i].wire);
        for (size_t len = 0; len <= whole; len++) {
            kw_slice text = SLICE_LITERAL("untouched");
            char *wire = malloc(len + 1);
            assert_non_null(wire);
            char *at = wire + 1; /* not aligned */
            memcpy(at, cases[i].wire, len);
            size_t size = resp_peek(at, len, &limits, &text);
            bool found = len == whole && cases[i].text;
            assert_int_equal(size, found ? whole : 0);
            if (found) {
                assert_slice_is(text, cases[i].text);
            }
            free(wire);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_end_where_they_end_however_cut),
        cmocka_unit_test(bytes_after_the_value_are_left_alone),
        cmocka_unit_test(short_values_are_peeked_as_they_are_scanned),
        cmocka_unit_test(broken_values_are_refused),
        cmocka_unit_test(first_byte_is_judged_at_once),
        cmocka_unit_test(caps_are_enforced_and_named),
        cmocka_unit_test(endless_line_is_over_a_limit),
        cmocka_unit_test(deepest_nesting_allowed_is_read),
        cmocka_unit_test(random_bytes_are_survived),
        cmocka_unit_test(writers_write_both_protocols),
        cmocka_unit_test(writers_write_all_or_nothing),
        cmocka_unit_test(command_size_is_what_is_encoded),
        cmocka_unit_test(command_is_encoded_around_an_argument),
        cmocka_unit_test(short_commands_are_encoded_as_others_are),
        cmocka_unit_test(commands_are_read_from_lines_and_arrays),
        cmocka_unit_test(broken_commands_are_refused),
        cmocka_unit_test(endless_command_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
