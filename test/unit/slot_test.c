#include "core/slot.h"

#include "unit/support/unit.h"

static void crc_is_xmodem(void **state) {
    (void)state;
    assert_int_equal(slot_crc16(SLICE_LITERAL("123456789")), 0x31c3);
    assert_int_equal(slot_crc16(SLICE_LITERAL("")), 0);
    assert_int_equal(slot_crc16(SLICE_LITERAL("\xff\xff\xff\xff")), 0x99cf);
}

/* As CLUSTER KEYSLOT of a redis-server answers. */
static void known_keys_have_their_slots(void **state) {
    (void)state;
    static const struct {
        const char *key;
        int slot;
    } cases[] = {
        {"foo", 12182},
        {"bar", 5061},
        {"hello", 866},
        {"user1000", 3443},
        {"{user1000}.following", 3443},
        {"{user1000}.followers", 3443},
        {"123456789", 12739},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(slot_of_key(slice_text(cases[i].key)), cases[i].slot);
    }
}

static void hash_tag_is_first_braces_if_not_empty(void **state) {
    (void)state;
    static const struct {
        const char *key;
        const char *hashed;
    } cases[] = {
        {"foo", "foo"},
        {"{user1000}.following", "user1000"},
        {"foo{}{bar}", "foo{}{bar}"},
        {"foo{{bar}}zap", "{bar"},
        {"foo{bar}{zap}", "bar"},
        {"{", "{"},
        {"}", "}"},
        {"{}", "{}"},
        {"}{", "}{"},
        {"}{a}", "a"},
        {"a{b", "a{b"},
        {"{a}", "a"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_slice_is(slot_hash_tag(slice_text(cases[i].key)), cases[i].hashed);
    }
}

static void zero_bytes_are_hashed_too(void **state) {
    (void)state;
    kw_slice key = SLICE_LITERAL("{\0}x");
    assert_int_equal(slot_hash_tag(key).len, 1);
    assert_int_equal(slot_of_key(key), 0);
    assert_int_not_equal(slot_of_key(SLICE_LITERAL("a\0b")), slot_of_key(SLICE_LITERAL("a")));
}

static void no_data_is_the_empty_key(void **state) {
    (void)state;
    assert_int_equal(slot_of_key(slice_of(NULL, 0)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_xmodem),
        cmocka_unit_test(known_keys_have_their_slots),
        cmocka_unit_test(hash_tag_is_first_braces_if_not_empty),
        cmocka_unit_test(zero_bytes_are_hashed_too),
        cmocka_unit_test(no_data_is_the_empty_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
