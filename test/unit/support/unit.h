/* What every unit test includes: cmocka with the headers that it wants before it. */
#ifndef TEST_UNIT_SUPPORT_UNIT_H
#define TEST_UNIT_SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Compares a slice with text, and shows both when they differ. */
#define assert_slice_is(slice, text)                                                               \
    do {                                                                                           \
        kw_slice slice_ = (slice);                                                                 \
        assert_int_equal(slice_.len, strlen(text));                                                \
        assert_memory_equal(slice_.data, text, slice_.len);                                        \
    } while (0)

#endif
