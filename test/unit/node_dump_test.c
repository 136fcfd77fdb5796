#include "node/node_dump.h"

#include "base/prng.h"
#include "node/node_lzf.h"
#include "node/value_hash.h"
#include "node/value_list.h"
#include "node/value_set.h"
#include "node/value_zset.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <math.h>
#include <stdlib.h>

#define SEED 7

static void crc64_of_the_servers(void **state) {
    (void)state;
    assert_true(dump_crc64(0, SLICE_LITERAL("123456789")) == 0xe9c6d914c4b8d9caull);
}

/* --------------------------------------------------------------------------------- strings */

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define A41 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ANIMALS "the cat and the dog and the cow and the hen"
#define PAYLOAD(bytes)                                                                             \
    { bytes, sizeof(bytes) - 1 }

/* The payloads in this file are those that a redis-server 7.0.15 gave. */
static const struct {
    const char *value;
    kw_slice payload;
} strings[] = {
    {"", PAYLOAD("\000\000\012\000]\233\\@\017\177\242\332")},
    {"1", PAYLOAD("\000\300\001\012\000&x\347\266\321\001\021\374")},
    {"300", PAYLOAD("\000\301,\001\012\000\225Ba\362e\202\\\020")},
    {"-70000", PAYLOAD("\000\302\220\356\376\377\012\000(u\336{\023\353(\000")},
    {"hello", PAYLOAD("\000\005hello\012\000cr\337ve4 \012")},
    {"2147483648", PAYLOAD("\000\0122147483648\012\000\347\261)\243L\035v\356")},
    {"aaaaaaaaaaaaaaaaaaaa",
     PAYLOAD("\000\024aaaaaaaaaaaaaaaaaaaa\012\000\203\264k^\033\021\254\361")},
    {A41, PAYLOAD("\000\303\011)\001aa\340\034\000\001aa\012\000G\330\245i\276\333F\013")},
    {ANIMALS,
     PAYLOAD(
         "\000\303\"+\014the cat and t \013\002dog\340\000\013\002cow\340\000\013\002hen\012\000"
         "\034\255\202\237\321\355\"\325")},
};

static void expect_payload(const dump_value *value, kw_slice payload) {
    buffer b;
    buffer_init(&b, &mem_default, 0);
    assert_true(dump_write(&b, value));
    assert_int_equal(buffer_len(&b), payload.len);
    assert_memory_equal(buffer_slice(&b).data, payload.data, payload.len);
    buffer_done(&b);
}

static void strings_are_dumped_as_the_servers_do(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strings); i++) {
        kw_slice text = slice_text(strings[i].value);
        expect_payload(&(dump_value){.string = text}, strings[i].payload);
        buffer storage;
        dump_value back;
        buffer_init(&storage, &mem_default, 0);
        assert_int_equal(dump_read(strings[i].payload, &mem_default, SEED, &storage, &back),
                         DUMP_OK);
        assert_null(back.kind);
        assert_true(slice_equal(back.string, text));
        buffer_done(&storage);
    }
}

/* Bytes of a few kinds, so that some of them repeat and some do not. */
static void fill_at_random(prng *random, char *dst, size_t len) {
    uint64_t kinds = prng_range(random, 1, 256);
    for (size_t i = 0; i < len; i++) {
        dst[i] = (char)prng_below(random, kinds);
    }
}

static void strings_of_any_length_come_back(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 20, 21, 63, 64, 300, 8191, 16383, 16384, 70000};
    static char text[70000];
    prng random;
    prng_init(&random, 3);
    for (size_t i = 0; i < 20 * COUNT_OF(lengths); i++) {
        kw_slice value = slice_of(text, lengths[i % COUNT_OF(lengths)]);
        fill_at_random(&random, text, value.len);
        buffer payload;
        buffer storage;
        dump_value back;
        buffer_init(&payload, &mem_default, 0);
        buffer_init(&storage, &mem_default, 0);
        assert_true(dump_write(&payload, &(dump_value){.string = value}));
        assert_true(buffer_len(&payload) <= value.len + 16);
        kw_slice bytes = buffer_slice(&payload);
        assert_int_equal(dump_read(bytes, &mem_default, SEED, &storage, &back), DUMP_OK);
        assert_true(slice_equal(back.string, value));
        buffer_done(&payload);
        buffer_done(&storage);
    }
}

/* Of long strings only the payload's length and its last bytes, which are a sum of the others, are
 * known from a server. */
static void long_strings_are_compressed_as_the_servers_do(void **state) {
    (void)state;
    static const struct {
        size_t len, payload_len;
        uint64_t crc;
    } rows[] = {
        {100, 68, 0x0168b0155e617ed6},
        {1024, 219, 0xd1e54913a562eb4c},
        {1025, 219, 0x44dba04d3c2ec8a2},
        {20000, 1314, 0xe55f9a425a8c1bca},
    };
    static char text[20000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i * i / 5 % 9 + i / 97 % 3);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buffer b;
        uint64_t crc;
        buffer_init(&b, &mem_default, 0);
        assert_true(dump_write(&b, &(dump_value){.string = slice_of(text, rows[i].len)}));
        assert_int_equal(buffer_len(&b), rows[i].payload_len);
        memcpy(&crc, buffer_slice(&b).data + buffer_len(&b) - sizeof crc, sizeof crc);
        assert_true(crc == rows[i].crc);
        buffer_done(&b);
    }
}

/* --------------------------------------------------------------------------------- objects */

static void *make_hash(const mem *m, const char *const *parts) {
    value_hash *h = value_hash_new(m, SEED);
    bool added;
    bool good = h != NULL;
    for (; good && *parts; parts += 2) {
        good = value_hash_set(h, slice_text(parts[0]), slice_text(parts[1]), &added);
    }
    return h;
}

static void *make_set(const mem *m, const char *const *parts) {
    value_set *s = value_set_new(m, SEED);
    bool added;
    bool good = s != NULL;
    for (; good && *parts; parts++) {
        good = value_set_add(s, slice_text(*parts), &added);
    }
    return s;
}

static void *make_list(const mem *m, const char *const *parts) {
    value_list *l = value_list_new(m);
    bool good = l != NULL;
    for (; good && *parts; parts++) {
        good = value_list_push(l, LIST_TAIL, slice_text(*parts));
    }
    return l;
}

static void *make_zset(const mem *m, const char *const *parts) {
    value_zset *z = value_zset_new(m, SEED);
    bool good = z != NULL;
    for (; good && *parts; parts += 2) {
        double score = parts[0][0] == '!' ? -HUGE_VAL : strtod(parts[0], NULL);
        good = value_zset_add(z, slice_text(parts[1]), score) != NULL;
    }
    return z;
}

static const struct {
    const value_kind *kind;
    void *(*make)(const mem *m, const char *const *parts);
    const char *parts[16];
    kw_slice payload;
} objects[] = {
    {&value_hash_kind,
     make_hash,
     {"a", "1", "b", "", "c", "-4097", "d", "some text"},
     PAYLOAD("\020&&\000\000\000\010\000\201a\002\001\001\201b\002\200\001\201c\002\361\377\357"
             "\003\201d\002\211some text\012\377\012\000\233\034\333\"\345\322(\024")},
    {&value_hash_kind,
     make_hash,
     {"f", X64 "x"},
     PAYLOAD("\004\001\001f\303\011@A\001xx\3404\000\001xx\012\000\361\006\321\007\033&\\\030")},
    {&value_set_kind,
     make_set,
     {"3", "1", "2"},
     PAYLOAD("\013\016\002\000\000\000\003\000\000\000\001\000\002\000\003\000\012\000\245\002\\"
             "\342mnM\033")},
    {&value_set_kind,
     make_set,
     {"3", "-70000"},
     PAYLOAD("\013\020\004\000\000\000\002\000\000\000\220\356\376\377\003\000\000\000\012\000W\024"
             "\245\227\031\356\217\351")},
    {&value_set_kind,
     make_set,
     {"9223372036854775807"},
     PAYLOAD("\013\020\010\000\000\000\001\000\000\000\377\377\377\377\377\377\377\177\012\000\036X"
             "A\303>\362\034\212")},
    {&value_set_kind, make_set, {"x"}, PAYLOAD("\002\001\001x\012\000\377\350\200\272v\014/\011")},
    {&value_list_kind,
     make_list,
     {"a", "127", "128", "-4096", "4095", "4096", "-32769", "8388607", "8388608", "2147483648",
      "01", "", X64},
     PAYLOAD(
         "\022\001\002\303@C@|\037|\000\000\000\015\000\201a\002\177\001\300\200\002\320\000\002"
         "\317\377\002\361\000\020\003\362\377\177\377\004\362\377\377\010\177\004\363\000\000"
         "\200\000\005\364 '\000\200 \003\012\000\011\20201\003\200\001\340@x\3406\000\001B\377"
         "\012\000\265\232'\277\352\323\376\344")},
    {&value_zset_kind,
     make_zset,
     {"1", "a", "2.5", "b", "1e20", "c", "!", "d", "-0.1", "12"},
     PAYLOAD(
         "\021\3036?\026?\000\000\000\012\000\201d\002\204-inf\005\014\001\224-0.10\340\005\000\031"
         "1\025\201a\002\001\001\201b\002\2032.5\004\201c\002\2051e+20\006\377\012\000\321\250\212"
         "\314XU\210\264")},
    {&value_zset_kind,
     make_zset,
     {"1", X64 "x", "-2", "y"},
     PAYLOAD(
         "\005\002\303\011@A\001xx\3404\000\001xx\000\000\000\000\000\000\360?\001y\000\000\000\000"
         "\000\000\000\300\012\000k15\371\016x\367\242")},
};

static void objects_are_dumped_as_the_servers_do(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        dump_value v = {.kind = objects[i].kind};
        v.object = objects[i].make(&mem_default, objects[i].parts);
        assert_non_null(v.object);
        expect_payload(&v, objects[i].payload);
        v.kind->free(&mem_default, v.object);
        buffer storage;
        buffer_init(&storage, &mem_default, 0);
        assert_int_equal(dump_read(objects[i].payload, &mem_default, SEED, &storage, &v), DUMP_OK);
        assert_ptr_equal(v.kind, objects[i].kind);
        expect_payload(&v, objects[i].payload);
        v.kind->free(&mem_default, v.object);
        buffer_done(&storage);
    }
}

/* Large objects of every type are the same after being read, in encoding and content. */
static void large_objects_come_back(void **state) {
    (void)state;
    enum { PARTS = 5000 };
    static char texts[PARTS][24];
    static const char *parts[PARTS + 2];
    for (size_t i = 0; i < PARTS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], i % 2 ? "part:%zu" : "%zu", i * i * i);
        parts[i] = texts[i];
    }
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        dump_value v = {.kind = objects[i].kind};
        v.object = objects[i].make(&mem_default, parts);
        assert_non_null(v.object);
        buffer payload;
        buffer storage;
        buffer_init(&payload, &mem_default, 0);
        buffer_init(&storage, &mem_default, 0);
        assert_true(dump_write(&payload, &v));
        dump_value back;
        kw_slice bytes = buffer_slice(&payload);
        assert_int_equal(dump_read(bytes, &mem_default, SEED, &storage, &back), DUMP_OK);
        assert_string_equal(v.kind->encoding(back.object), v.kind->encoding(v.object));
        expect_payload(&back, bytes);
        v.kind->free(&mem_default, back.object);
        v.kind->free(&mem_default, v.object);
        buffer_done(&payload);
        buffer_done(&storage);
    }
}

/* ------------------------------------------------------------------------------- malformed */

/* A body with the version and checksum that belong to it; what it holds is thrown away. */
static dump_result read_body(const mem *m, kw_slice body) {
    char payload[256];
    assert_true(body.len + 10 <= sizeof payload);
    memcpy(payload, body.data, body.len);
    memcpy(payload + body.len, "\n\0", 2);
    uint64_t crc = dump_crc64(0, slice_of(payload, body.len + 2));
    for (size_t i = 0; i < 8; i++) {
        payload[body.len + 2 + i] = (char)(crc >> (8 * i) & 255);
    }
    buffer storage;
    dump_value value;
    buffer_init(&storage, m, 4096);
    dump_result result = dump_read(slice_of(payload, body.len + 10), m, SEED, &storage, &value);
    if (result == DUMP_OK && value.kind) {
        value.kind->free(m, value.object);
    }
    buffer_done(&storage);
    return result;
}

static void payloads_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *why;
        kw_slice body;
    } rows[] = {
        {"no type", PAYLOAD("")},
        {"no such type", PAYLOAD("\377\001a")},
        {"a stream", PAYLOAD("\023\000")},
        {"no length", PAYLOAD("\0")},
        {"cut short", PAYLOAD("\0\005hell")},
        {"bytes left over", PAYLOAD("\0\001ab")},
        {"four gigabytes announced", PAYLOAD("\0\200\377\377\377\377a")},
        {"no such length", PAYLOAD("\0\202\0")},
        {"no such encoding", PAYLOAD("\0\304\0")},
        {"integer without its byte", PAYLOAD("\0\300")},
        {"a reference before the beginning", PAYLOAD("\0\303\003\012\040\000a")},
        {"literals cut short", PAYLOAD("\0\303\002\001\001a")},
        {"longer than it says", PAYLOAD("\0\303\005\005\000a\340\000\000")},
        {"shorter than it says", PAYLOAD("\0\303\002\002\000a")},
        {"a long copy without its length", PAYLOAD("\0\303\003\012\000a\340")},
        {"a copy without its distance", PAYLOAD("\0\303\003\012\000a\040")},
        {"an empty set", PAYLOAD("\002\000")},
        {"a set of encoded length", PAYLOAD("\002\300\001\001a")},
        {"fewer members than announced", PAYLOAD("\002\002\001a")},
        {"a member twice", PAYLOAD("\002\002\001a\001a")},
        {"a set and more", PAYLOAD("\002\001\001ab")},
        {"a field without its value", PAYLOAD("\004\001\001a")},
        {"a field twice", PAYLOAD("\004\002\001a\001b\001a\001b")},
        {"a score cut short", PAYLOAD("\005\001\001a\0\0\0\0\0\0\0")},
        {"not a number as a score", PAYLOAD("\005\001\001a\0\0\0\0\0\0\370\177")},
        {"an empty list", PAYLOAD("\001\000")},
        {"an intset cut short", PAYLOAD("\013\007\002\0\0\0\001\0\0")},
        {"an empty intset", PAYLOAD("\013\010\002\0\0\0\0\0\0\0")},
        {"an intset of odd width", PAYLOAD("\013\013\003\0\0\0\001\0\0\0abc")},
        {"an intset of a wrong count", PAYLOAD("\013\012\002\0\0\0\002\0\0\0ab")},
        {"an integer twice", PAYLOAD("\013\014\002\0\0\0\002\0\0\0abab")},
        {"a listpack without its end", PAYLOAD("\020\007\007\0\0\0\0\0\0")},
        {"an empty listpack", PAYLOAD("\020\007\007\0\0\0\0\0\377")},
        {"a listpack of another length", PAYLOAD("\020\013\012\0\0\0\002\0\001\001\002\001\377")},
        {"fewer elements than it says", PAYLOAD("\020\013\013\0\0\0\003\0\001\001\002\001\377")},
        {"more elements than it says", PAYLOAD("\020\013\013\0\0\0\001\0\001\001\002\001\377")},
        {"a wrong way back", PAYLOAD("\020\013\013\0\0\0\002\0\001\002\002\001\377")},
        {"an odd element", PAYLOAD("\020\011\011\0\0\0\001\0\001\001\377")},
        {"a string past the end", PAYLOAD("\020\013\013\0\0\0\002\0\001\001\205a\377")},
        {"no such element", PAYLOAD("\020\013\013\0\0\0\002\0\001\001\365\001\377")},
        {"an element's head cut short", PAYLOAD("\020\013\013\0\0\0\002\0\001\001\364\001\377")},
        {"a score that is none", PAYLOAD("\021\014\014\0\0\0\002\0\001\001\201a\002\377")},
        {"a quicklist of no node", PAYLOAD("\022\000")},
        {"a node of no kind", PAYLOAD("\022\001\003\001a")},
        {"an empty node alone", PAYLOAD("\022\001\002\007\007\0\0\0\0\0\377")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        dump_result result = read_body(&mem_default, rows[i].body);
        if (result != DUMP_BAD_FORMAT) {
            fail_msg("%s: %d", rows[i].why, result);
        }
    }
}

static void other_forms_of_the_servers_are_read(void **state) {
    (void)state;
    static const kw_slice bodies[] = {
        PAYLOAD("\0\303\005\012\000a\340\000\000"),                         /* LZF */
        PAYLOAD("\001\002\001a\300\005"),                                   /* a plain list */
        PAYLOAD("\022\001\001\001a"),                                       /* a plain node */
        PAYLOAD("\020\013\013\0\0\0\377\377\001\001\002\001\377"),          /* not counted */
        PAYLOAD("\022\001\002\012\012\0\0\0\001\0\301\000\002\377"),        /* 13 bits for 256 */
        PAYLOAD("\022\001\002\016\016\0\0\0\001\0\360\001\0\0\0a\006\377"), /* 32 bits for 1 */
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_int_equal(read_body(&mem_default, bodies[i]), DUMP_OK);
    }
}

static void a_wrong_sum_or_a_newer_version_is_told(void **state) {
    (void)state;
    static const kw_slice payloads[] = {PAYLOAD("short"), PAYLOAD("\0\001a\012\0abcdefgh")};
    buffer storage;
    dump_value value;
    buffer_init(&storage, &mem_default, 0);
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        assert_int_equal(dump_read(payloads[i], &mem_default, SEED, &storage, &value),
                         DUMP_WRONG_CHECKSUM);
    }
    buffer payload;
    buffer_init(&payload, &mem_default, 0);
    assert_true(buffer_append(&payload, "\0\001a\013\0", 5));
    uint64_t crc = dump_crc64(0, buffer_slice(&payload));
    assert_true(buffer_append(&payload, &crc, 8));
    assert_int_equal(dump_read(buffer_slice(&payload), &mem_default, SEED, &storage, &value),
                     DUMP_WRONG_CHECKSUM);
    buffer_done(&payload);
    buffer_done(&storage);
}

/* Any byte of a payload may be any other: nothing crashes, and what is taken is freed. */
static void payloads_with_a_changed_byte_do_no_harm(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        char body[256];
        kw_slice payload = objects[i].payload;
        memcpy(body, payload.data, payload.len - 10);
        for (size_t at = 0; at < payload.len - 10; at++) {
            for (unsigned change = 1; change < 256; change += at < 3 ? 1 : 17) {
                body[at] = (char)((unsigned char)payload.data[at] ^ change);
                (void)read_body(&f.mem, slice_of(body, payload.len - 10)); /* good or bad */
                assert_int_equal(f.live_count, 0);
            }
            body[at] = payload.data[at];
        }
    }
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        kw_slice body = slice_of(objects[i].payload.data, objects[i].payload.len - 10);
        dump_result result = DUMP_NO_MEMORY;
        for (size_t fail = 1; result != DUMP_OK; fail++) {
            failing_mem_fail_at(&f, fail);
            result = read_body(&f.mem, body);
            assert_true(result == DUMP_OK || result == DUMP_NO_MEMORY);
            assert_int_equal(f.live_count, 0);
            assert_true(fail < 100);
        }
        dump_value v = {.kind = objects[i].kind};
        v.object = objects[i].make(&mem_default, objects[i].parts);
        assert_non_null(v.object);
        bool written = false;
        for (size_t fail = 1; !written; fail++) {
            buffer b;
            buffer_init(&b, &f.mem, 0);
            failing_mem_fail_at(&f, fail);
            written = dump_write(&b, &v);
            buffer_done(&b);
            assert_int_equal(f.live_count, 0);
            assert_true(fail < 100);
        }
        v.kind->free(&mem_default, v.object);
    }
}

static void packing_stops_at_its_limit(void **state) {
    (void)state;
    static const char text[] = ANIMALS;
    for (size_t most = 0; most <= sizeof text; most++) {
        buffer b;
        buffer_init(&b, &mem_default, 0);
        lzf_result result = lzf_pack(&b, slice_text(text), most);
        assert_true(result == LZF_OK ? buffer_len(&b) <= most : buffer_len(&b) == 0);
        buffer_done(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc64_of_the_servers),
        cmocka_unit_test(strings_are_dumped_as_the_servers_do),
        cmocka_unit_test(strings_of_any_length_come_back),
        cmocka_unit_test(long_strings_are_compressed_as_the_servers_do),
        cmocka_unit_test(objects_are_dumped_as_the_servers_do),
        cmocka_unit_test(large_objects_come_back),
        cmocka_unit_test(payloads_that_make_no_sense_are_refused),
        cmocka_unit_test(other_forms_of_the_servers_are_read),
        cmocka_unit_test(a_wrong_sum_or_a_newer_version_is_told),
        cmocka_unit_test(payloads_with_a_changed_byte_do_no_harm),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(packing_stops_at_its_limit),
    };
    return cmocka_run_group_tests_name("node_dump", tests, NULL, NULL);
}
