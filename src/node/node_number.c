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
    char text[256];
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
