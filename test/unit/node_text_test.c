/* Patterns, numbers and the payloads of DUMP. */
#include "node/node_dump.h"
#include "node/node_glob.h"
#include "node/node_number.h"

#include "unit/support/unit.h"

static void patterns_match(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},           {"", "a", false},
        {"*", "", true},          {"*", "abc", true},
        {"a*", "abc", true},      {"a*", "bac", false},
        {"*c", "abc", true},      {"*c", "abcd", false},
        {"a*c*e", "abcde", true}, {"a*c*e", "abcd", false},
        {"**a**", "bab", true},   {"a?c", "abc", true},
        {"a?c", "ac", false},     {"?", "", false},
        {"[ab]c", "bc", true},    {"[ab]c", "cc", false},
        {"[^ab]c", "cc", true},   {"[^ab]c", "ac", false},
        {"[a-c]x", "bx", true},   {"[c-a]x", "bx", true},
        {"[a-c]x", "dx", false},  {"[a", "a", true},
        {"[a", "b", false},       {"\\*", "*", true},
        {"\\*", "a", false},      {"[\\]]", "]", true},
        {"a\\", "a\\", true},     {"*[0-9]", "key7", true},
        {"*[0-9]", "key", false}, {"*a*a*a*a*a*b", "aaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (glob_match(slice_text(rows[i].pattern), slice_text(rows[i].text)) != rows[i].matches) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
        }
    }
}

static void integers_are_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 0;
        bool valid = number_read_integer(slice_text(rows[i].text), &value);
        if (valid != rows[i].valid || value != rows[i].value) {
            fail_msg("'%s' was read as %d, %lld", rows[i].text, valid, (long long)value);
        }
    }
}

static void floats_lose_their_trailing_zeros(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"3.0e3", "3000"}, {"0.1", "0.1"}, {"-0", "0"}, {"1e-17", "0.00000000000000001"},
        {"100", "100"},    {"0x10", "16"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        long double value;
        char text[NUMBER_TEXT_SIZE];
        assert_true(number_read_float(slice_text(rows[i].from), &value));
        size_t len = number_write_float(value, text);
        assert_slice_is(slice_of(text, len), rows[i].to);
    }
    static const char *const wrong[] = {"", "a", " 1", "1 ", "1e99999", "nan", "1,5"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        long double value;
        assert_false(number_read_float(slice_text(wrong[i]), &value));
    }
}

/* ------------------------------------------------------------------------------------ dump */

static void crc64_of_the_servers(void **state) {
    (void)state;
    assert_true(dump_crc64(0, SLICE_LITERAL("123456789")) == 0xe9c6d914c4b8d9caull);
}

/* Payloads that a redis-server 7.0.15 gave. */
static const struct {
    kw_slice value, payload;
} dumps[] = {
    {{"1", 1}, {"\000\300\001\n\000&x\347\266\321\001\021\374", 13}},
    {{"300", 3}, {"\000\301,\001\n\000\225Ba\362e\202\\\020", 14}},
    {{"-70000", 6}, {"\000\302\220\356\376\377\n\000(u\336{\023\353(\000", 16}},
    {{"hello", 5}, {"\000\005hello\n\000cr\337ve4 \n", 17}},
    {{"2147483648", 10}, {"\000\n2147483648\n\000\347\261)\243L\035v\356", 22}},
};

static void strings_are_dumped_as_the_servers_do(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(dumps); i++) {
        buffer b;
        buffer_init(&b, &mem_default, 0);
        assert_true(dump_write(&b, dumps[i].value));
        assert_int_equal(buffer_len(&b), dumps[i].payload.len);
        assert_memory_equal(buffer_slice(&b).data, dumps[i].payload.data, dumps[i].payload.len);
        buffer_done(&b);
    }
}

static void dumps_of_any_length_come_back(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 63, 64, 16383, 16384, 70000};
    static char value[70000];
    memset(value, 'x', sizeof value);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        buffer payload;
        buffer back;
        buffer_init(&payload, &mem_default, 0);
        buffer_init(&back, &mem_default, 0);
        assert_true(dump_write(&payload, slice_of(value, lengths[i])));
        assert_int_equal(dump_read(buffer_slice(&payload), &back), DUMP_OK);
        assert_true(slice_equal(buffer_slice(&back), slice_of(value, lengths[i])));
        buffer_done(&payload);
        buffer_done(&back);
    }
    for (size_t i = 0; i < COUNT_OF(dumps); i++) {
        buffer back;
        buffer_init(&back, &mem_default, 0);
        assert_int_equal(dump_read(dumps[i].payload, &back), DUMP_OK);
        assert_true(slice_equal(buffer_slice(&back), dumps[i].value));
        buffer_done(&back);
    }
}

/* A body with the version and checksum that belong to it. */
static dump_result read_body(const char *body, size_t len, buffer *ret_value) {
    char payload[256];
    assert_true(len + 10 <= sizeof payload);
    memcpy(payload, body, len);
    memcpy(payload + len, "\n\0", 2);
    uint64_t crc = dump_crc64(0, slice_of(payload, len + 2));
    for (size_t i = 0; i < 8; i++) {
        payload[len + 2 + i] = (char)(crc >> (8 * i) & 255);
    }
    return dump_read(slice_of(payload, len + 10), ret_value);
}

static void compressed_strings_are_read(void **state) {
    (void)state;
    buffer value;
    buffer_init(&value, &mem_default, 0);
    /* "a", then a reference one byte back, nine bytes long: `a` ten times */
    assert_int_equal(read_body("\0\303\005\012\000a\340\000\000", 9, &value), DUMP_OK);
    assert_slice_is(buffer_slice(&value), "aaaaaaaaaa");
    buffer_done(&value);
}

static void payloads_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const kw_slice bodies[] = {
        {"", 0},                               /* no type */
        {"\001\001a", 3},                      /* a list */
        {"\0", 1},                             /* no length */
        {"\0\005hell", 6},                     /* cut short */
        {"\0\001ab", 4},                       /* bytes left over */
        {"\0\200\377\377\377\377a", 7},        /* four gigabytes announced */
        {"\0\202\0", 3},                       /* no such length */
        {"\0\304\0", 3},                       /* no such encoding */
        {"\0\300", 2},                         /* integer without its byte */
        {"\0\303\003\012\040\000a", 7},        /* a reference before the beginning */
        {"\0\303\002\001\001a", 6},            /* literals cut short */
        {"\0\303\005\005\000a\340\000\000", 9} /* longer than it says */
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        buffer value;
        buffer_init(&value, &mem_default, 1024);
        assert_int_equal(read_body(bodies[i].data, bodies[i].len, &value), DUMP_BAD_FORMAT);
        buffer_done(&value);
    }
    buffer value;
    buffer_init(&value, &mem_default, 0);
    assert_int_equal(dump_read(SLICE_LITERAL("short"), &value), DUMP_WRONG_CHECKSUM);
    assert_int_equal(dump_read(SLICE_LITERAL("\0\001a\012\0abcdefgh"), &value),
                     DUMP_WRONG_CHECKSUM);
    buffer_done(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(integers_are_read_strictly),
        cmocka_unit_test(floats_lose_their_trailing_zeros),
        cmocka_unit_test(crc64_of_the_servers),
        cmocka_unit_test(strings_are_dumped_as_the_servers_do),
        cmocka_unit_test(dumps_of_any_length_come_back),
        cmocka_unit_test(compressed_strings_are_read),
        cmocka_unit_test(payloads_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests_name("node_text", tests, NULL, NULL);
}
