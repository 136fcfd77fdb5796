#include "base/word.h"

#include "unit/support/unit.h"

#include <ctype.h>
#include <stdlib.h>

/* In memory that ends where the text does: a byte read past it is found by the sanitizers. */
static uint64_t load_exactly(const char *text, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    uint64_t word = word_load_short(copy, len);
    free(copy);
    return word;
}

static void short_text_is_its_bytes_from_the_lowest_on(void **state) {
    (void)state;
    const char text[] = "\x81"
                        "bcdefgh";
    uint64_t expected = 0;
    for (size_t len = 0; len <= WORD_BYTES; len++) {
        assert_int_equal(load_exactly(text, len), expected);
        expected |= len < WORD_BYTES ? (uint64_t)(uint8_t)text[len] << (8 * len) : 0;
    }
    assert_int_equal(word_load(text), expected);
}

static void only_ascii_letters_become_capitals(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t expected = byte < 128 ? (uint64_t)toupper((int)byte) : byte;
        assert_int_equal(word_upper(WORD_ONES * byte), WORD_ONES * expected);
        assert_int_equal(word_upper((uint64_t)byte << 24 | 'z'), expected << 24 | 'Z');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_text_is_its_bytes_from_the_lowest_on),
        cmocka_unit_test(only_ascii_letters_become_capitals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
