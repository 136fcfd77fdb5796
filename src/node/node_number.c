#include "node/node_number.h"

#include "base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool number_read_integer(kw_slice s, int64_t *ret) {
    size_t at = 0;
    bool negative = s.len > 1 && s.data[0] == '-';
    at += negative;
    if (s.len - at == 1 && s.data[at] == '0' && !negative) {
        *ret = 0;
        return true;
    }
    if (s.len == at || s.data[at] < '1' || s.data[at] > '9') {
        return false;
    }
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    for (; at < s.len; at++) {
        if (s.data[at] < '0' || s.data[at] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.data[at] - '0');
        if (value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

kw_slice number_write_integer(int64_t value, char dst[NUMBER_INTEGER_BYTES]) {
    char digits[NUMBER_U64_BYTES];
    bool negative = value < 0;
    size_t count = number_from_u64(digits, negative ? 0 - (uint64_t)value : (uint64_t)value);
    size_t len = count + negative; /* at most 19 digits follow a sign */
    dst[0] = '-';
    memcpy(dst + negative, digits, len - negative);
    return slice_of(dst, len);
}

bool number_read_float(kw_slice s, long double *ret) {
    char text[NUMBER_TEXT_SIZE];
    if (s.len == 0 || s.len >= sizeof text || s.data[0] == ' ' || s.data[0] == '\t' ||
        (s.data[0] >= '\n' && s.data[0] <= '\r')) {
        return false;
    }
    slice_copy(text, sizeof text, s);
    char *end;
    errno = 0;
    long double value = strtold(text, &end);
    int error = errno;
    if (end != text + s.len || isnan(value) ||
        (error == ERANGE && (isinf(value) || value == 0.0L))) {
        return false;
    }
    *ret = value;
    return true;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What strtod takes beside what base/number.h does. */
static bool read_hexadecimal(kw_slice s, double *ret) {
    char text[NUMBER_TEXT_BYTES];
    if (s.len >= sizeof text || (!memchr(s.data, 'x', s.len) && !memchr(s.data, 'X', s.len))) {
        return false;
    }
    slice_copy(text, sizeof text, s);
    char *end;
    *ret = strtod(text, &end);
    return end == text + s.len;
}

static bool has_digit_above_zero(kw_slice s) {
    size_t at = 0;
    while (at < s.len && s.data[at] != 'e' && s.data[at] != 'E' && s.data[at] != 'p') {
        if (s.data[at] >= '1' && s.data[at] <= '9') {
            return true;
        }
        at++;
    }
    return false;
}

static bool read_any(kw_slice s, double *ret) {
    return s.len > 0 && (number_parse(s, ret) || read_hexadecimal(s, ret)) && !isnan(*ret);
}

bool number_read_double(kw_slice s, double *ret) {
    double value;
    if (s.len == 0 || is_space(s.data[0]) || !read_any(s, &value)) {
        return false;
    }
    bool too_large = isinf(value) && !memchr(s.data, 'n', s.len) && !memchr(s.data, 'N', s.len);
    if (too_large || (value == 0 && has_digit_above_zero(s))) {
        return false;
    }
    *ret = value;
    return true;
}

bool number_read_bound(kw_slice s, double *ret) {
    while (s.len > 0 && is_space(s.data[0])) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    s.len = strnlen(s.data, s.len); /* strtod stops there */
    if (s.len == 0) {
        *ret = 0;
        return true;
    }
    return read_any(s, ret);
}

size_t number_write_float(long double value, char dst[NUMBER_TEXT_SIZE]) {
    int written = snprintf(dst, NUMBER_TEXT_SIZE, "%.17Lf", value);
    size_t len = written < 0 ? 0 : (size_t)written;
    if (len >= NUMBER_TEXT_SIZE) {
        len = NUMBER_TEXT_SIZE - 1;
    }
    while (len > 0 && dst[len - 1] == '0') {
        len--;
    }
    len -= len > 0 && dst[len - 1] == '.';
    if (len == 2 && dst[0] == '-' && dst[1] == '0') {
        dst[0] = '0';
        len = 1;
    }
    dst[len] = '\0';
    return len;
}
