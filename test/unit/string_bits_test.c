#include "node/string_bits.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in these tables are those of a redis-server 7.0.15. */

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define BAD_TYPE                                                                                   \
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "   \
    "i64 is.\r\n"

static const driver_row bit_rows[] = {
    {"SETBIT {t}b 7 1", ":0\r\n"},
    {"SETBIT {t}b 7 0", ":1\r\n"},
    {"SETBIT {t}b 9 1", ":0\r\n"},
    {"GET {t}b", "$2\r\n\000@\r\n"},
    {"GETBIT {t}b 9", ":1\r\n"},
    {"GETBIT {t}b 8", ":0\r\n"},
    {"GETBIT {t}b 1000", ":0\r\n"},
    {"GETBIT {t}none 0", ":0\r\n"},
    {"OBJECT ENCODING {t}b", "$3\r\nraw\r\n"},
    {"SETBIT {t}b -1 1", "-ERR bit offset is not an integer or out of range\r\n"},
    {"SETBIT {t}b a 1", "-ERR bit offset is not an integer or out of range\r\n"},
    {"SETBIT {t}b 4294967296 1", "-ERR bit offset is not an integer or out of range\r\n"},
    {"SETBIT {t}b 0 2", "-ERR bit is not an integer or out of range\r\n"},
    {"SETBIT {t}b 0 a", "-ERR bit is not an integer or out of range\r\n"},
    {"SETBIT {t}b a a", "-ERR bit offset is not an integer or out of range\r\n"},
    {"GETBIT {t}b 4294967296", "-ERR bit offset is not an integer or out of range\r\n"},
    {"GETBIT {t}b #1", "-ERR bit offset is not an integer or out of range\r\n"},
    {"SET {t}f foobar", "+OK\r\n"},
    {"BITCOUNT {t}f", ":26\r\n"},
    {"BITCOUNT {t}none", ":0\r\n"},
    {"BITCOUNT {t}none a", ":0\r\n"},
    {"BITCOUNT {t}f 0 0", ":4\r\n"},
    {"BITCOUNT {t}f 1 1", ":6\r\n"},
    {"BITCOUNT {t}f -2 -1", ":7\r\n"},
    {"BITCOUNT {t}f 0 -100", ":4\r\n"},
    {"BITCOUNT {t}f 5 30 BIT", ":17\r\n"},
    {"BITCOUNT {t}f 5 -5 BYTE", ":0\r\n"},
    {"BITCOUNT {t}f -3 -2 BIT", ":1\r\n"},
    {"BITCOUNT {t}f -1 -2 FOO", ":0\r\n"},
    {"BITCOUNT {t}f 1 2 FOO", "-ERR syntax error\r\n"},
    {"BITCOUNT {t}f 1", "-ERR syntax error\r\n"},
    {"BITCOUNT {t}f a 1", "-ERR value is not an integer or out of range\r\n"},
    {"BITCOUNT {t}f 1 2 BIT x", "-ERR syntax error\r\n"},
    {"SET {t}p \"\\xff\\xf0\\x00\"", "+OK\r\n"},
    {"BITPOS {t}p 0", ":12\r\n"},
    {"BITPOS {t}p 1", ":0\r\n"},
    {"BITPOS {t}p 1 2", ":-1\r\n"},
    {"BITPOS {t}p 0 1", ":12\r\n"},
    {"BITPOS {t}p 0 -1", ":16\r\n"},
    {"BITPOS {t}p 0 13 BIT", "-ERR value is not an integer or out of range\r\n"},
    {"BITPOS {t}p 0 0 11 BIT", ":-1\r\n"},
    {"BITPOS {t}p 0 13 -1 BIT", ":13\r\n"},
    {"BITPOS {t}p 1 3 20 BIT", ":3\r\n"},
    {"BITPOS {t}p 1 -12 -1 BIT", ":-1\r\n"},
    {"BITPOS {t}p 1 2 1", ":-1\r\n"},
    {"BITPOS {t}p 2", "-ERR The bit argument must be 1 or 0.\r\n"},
    {"BITPOS {t}p a", "-ERR value is not an integer or out of range\r\n"},
    {"BITPOS {t}p 1 a", "-ERR value is not an integer or out of range\r\n"},
    {"BITPOS {t}p 1 0 a", "-ERR value is not an integer or out of range\r\n"},
    {"BITPOS {t}p 1 0 1 FOO", "-ERR syntax error\r\n"},
    {"BITPOS {t}p 1 0 1 BIT x", "-ERR syntax error\r\n"},
    {"BITPOS {t}none 0", ":0\r\n"},
    {"BITPOS {t}none 1", ":-1\r\n"},
    {"SET {t}o \"\\xff\\xff\\xff\"", "+OK\r\n"},
    {"BITPOS {t}o 0", ":24\r\n"},
    {"BITPOS {t}o 0 0", ":24\r\n"},
    {"BITPOS {t}o 0 1 2", ":-1\r\n"},
    {"BITPOS {t}o 0 5", ":-1\r\n"},
    {"BITOP AND {t}d {t}f {t}o", ":6\r\n"},
    {"GET {t}d", "$6\r\nfoo\000\000\000\r\n"},
    {"BITOP OR {t}d {t}f {t}o {t}none", ":6\r\n"},
    {"GET {t}d", "$6\r\n\377\377\377bar\r\n"},
    {"BITOP XOR {t}d {t}f {t}f", ":6\r\n"},
    {"GET {t}d", "$6\r\n\000\000\000\000\000\000\r\n"},
    {"BITOP NOT {t}d {t}p", ":3\r\n"},
    {"GET {t}d", "$3\r\n\000\017\377\r\n"},
    {"OBJECT ENCODING {t}d", "$3\r\nraw\r\n"},
    {"EXPIRE {t}d 100", ":1\r\n"},
    {"BITOP not {t}d {t}d", ":3\r\n"},
    {"TTL {t}d", ":-1\r\n"},
    {"BITOP NOT {t}d {t}p {t}f", "-ERR BITOP NOT must be called with a single source key.\r\n"},
    {"BITOP FOO {t}d {t}p", "-ERR syntax error\r\n"},
    {"BITOP AND {t}d {t}none", ":0\r\n"},
    {"EXISTS {t}d", ":0\r\n"},
    {"SADD {t}s a", ":1\r\n"},
    {"SETBIT {t}s 0 1", WRONGTYPE},
    {"GETBIT {t}s 0", WRONGTYPE},
    {"BITCOUNT {t}s", WRONGTYPE},
    {"BITPOS {t}s 1", WRONGTYPE},
    {"BITOP AND {t}d {t}f {t}s", WRONGTYPE},
    {"BITFIELD {t}s GET u8 0", WRONGTYPE},
    {"BITFIELD {t}s SET u8 0 1", WRONGTYPE},
    {"BITOP AND {t}s {t}f {t}o", ":6\r\n"},
    {"TYPE {t}s", "+string\r\n"},
};

static const driver_row field_rows[] = {
    {"BITFIELD {t}k", "*0\r\n"},
    {"BITFIELD {t}k GET u4 0 GET i64 3", "*2\r\n:0\r\n:0\r\n"},
    {"EXISTS {t}k", ":0\r\n"},
    {"BITFIELD {t}k SET u8 0 255 GET i8 0 GET u4 2", "*3\r\n:0\r\n:-1\r\n:15\r\n"},
    {"BITFIELD {t}k INCRBY u8 0 10", "*1\r\n:9\r\n"},
    {"BITFIELD {t}k SET u8 0 250 OVERFLOW SAT INCRBY u8 0 10 OVERFLOW FAIL INCRBY u8 0 1 OVERFLOW "
     "WRAP INCRBY u8 0 1",
     "*4\r\n:9\r\n:255\r\n$-1\r\n:0\r\n"},
    {"BITFIELD {t}k OVERFLOW SAT SET i8 8 200 GET i8 8", "*2\r\n:0\r\n:127\r\n"},
    {"BITFIELD {t}k OVERFLOW SAT INCRBY i8 8 -300", "*1\r\n:-128\r\n"},
    {"BITFIELD {t}k OVERFLOW FAIL INCRBY i8 8 -1", "*1\r\n$-1\r\n"},
    {"BITFIELD {t}k OVERFLOW FAIL SET i8 8 128", "*1\r\n$-1\r\n"},
    {"BITFIELD {t}k INCRBY i8 8 -1", "*1\r\n:127\r\n"},
    {"BITFIELD {t}k SET u5 #3 21 GET u5 15", "*2\r\n:16\r\n:21\r\n"},
    {"BITFIELD {t}k SET i64 100 -9223372036854775808 INCRBY i64 100 -1",
     "*2\r\n:0\r\n:9223372036854775807\r\n"},
    {"BITFIELD {t}k OVERFLOW SAT INCRBY i64 100 1 OVERFLOW FAIL INCRBY i64 100 1",
     "*2\r\n:9223372036854775807\r\n$-1\r\n"},
    {"BITFIELD {t}k SET u63 3 -1 OVERFLOW SAT SET u63 3 -1",
     "*2\r\n:143341131889901568\r\n:9223372036854775807\r\n"},
    {"BITFIELD {t}k OVERFLOW SAT INCRBY u4 4 -20", "*1\r\n:0\r\n"},
    {"BITFIELD {t}k GET u64 0", BAD_TYPE},
    {"BITFIELD {t}k GET i65 0", BAD_TYPE},
    {"BITFIELD {t}k GET x8 0", BAD_TYPE},
    {"BITFIELD {t}k GET u 0", BAD_TYPE},
    {"BITFIELD {t}k GET u0 0", BAD_TYPE},
    {"BITFIELD {t}k GET u8 -1", "-ERR bit offset is not an integer or out of range\r\n"},
    {"BITFIELD {t}k GET u8 a", "-ERR bit offset is not an integer or out of range\r\n"},
    {"BITFIELD {t}k GET u8 #536870912", "-ERR bit offset is not an integer or out of range\r\n"},
    {"BITFIELD {t}k GET u8", "-ERR syntax error\r\n"},
    {"BITFIELD {t}k SET u8 0", "-ERR syntax error\r\n"},
    {"BITFIELD {t}k SET u8 0 a", "-ERR value is not an integer or out of range\r\n"},
    {"BITFIELD {t}k OVERFLOW", "-ERR syntax error\r\n"},
    {"BITFIELD {t}k OVERFLOW FOO", "-ERR Invalid OVERFLOW type specified\r\n"},
    {"BITFIELD {t}k FOO u8 0", "-ERR syntax error\r\n"},
    {"BITFIELD_RO {t}k GET u8 0", "*1\r\n:16\r\n"},
    {"BITFIELD_RO {t}k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"},
    {"BITFIELD_RO {t}none GET u8 0", "*1\r\n:0\r\n"},
    {"BITFIELD_RO {t}k OVERFLOW SAT GET u8 0", "*1\r\n:16\r\n"},
};

static void expect_table(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void bits_are_set_counted_and_combined(void **state) {
    (void)state;
    expect_table(bit_rows, COUNT_OF(bit_rows));
}

static void fields_of_bits_are_numbers(void **state) {
    (void)state;
    expect_table(field_rows, COUNT_OF(field_rows));
}

/* Against bits taken one by one, over strings longer than a machine word. */
static void counting_and_finding_agree_with_single_bits(void **state) {
    (void)state;
    enum { BYTES = 40 };
    char text[BYTES];
    prng random;
    prng_init(&random, 3);
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t odds = prng_below(&random, 3); /* mostly ones, mostly zeros, mixed */
        for (size_t i = 0; i < BYTES; i++) {
            bool plain = odds < 2 && prng_below(&random, 10) > 0;
            text[i] = (char)(plain ? (odds ? 0xff : 0) : (int)prng_below(&random, 256));
        }
        kw_slice s = slice_of(text, BYTES);
        uint64_t first = prng_below(&random, BYTES * 8);
        uint64_t last = prng_range(&random, first, BYTES * 8 - 1);
        int64_t count = 0;
        int64_t found[2] = {-1, -1};
        for (uint64_t i = first; i <= last; i++) {
            unsigned bit = (unsigned)bits_get(s, i, 1);
            count += bit;
            found[bit] = found[bit] < 0 ? (int64_t)i : found[bit];
        }
        assert_int_equal(bits_count(s, first, last), count);
        assert_int_equal(bits_find(s, false, first, last), found[0]);
        assert_int_equal(bits_find(s, true, first, last), found[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_set_counted_and_combined),
        cmocka_unit_test(fields_of_bits_are_numbers),
        cmocka_unit_test(counting_and_finding_agree_with_single_bits),
    };
    return cmocka_run_group_tests_name("string_bits", tests, NULL, NULL);
}
