#include "base/number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static size_t skip_digits(kw_slice s, size_t at) {
    while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9') {
        at++;
    }
    return at;
}

/* *ret_point: where the decimal point stands; s.len if there is none. */
static bool is_decimal(kw_slice s, size_t *ret_point) {
    size_t start = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+') ? 1 : 0;
    size_t at = skip_digits(s, start);
    size_t digit_count = at - start;
    *ret_point = s.len;
    if (at < s.len && s.data[at] == '.') {
        *ret_point = at;
        size_t end = skip_digits(s, at + 1);
        digit_count += end - at - 1;
        at = end;
    }
    if (digit_count == 0) {
        return false;
    }
    if (at < s.len && (s.data[at] == 'e' || s.data[at] == 'E')) {
        at++;
        if (at < s.len && (s.data[at] == '-' || s.data[at] == '+')) {
            at++;
        }
        size_t end = skip_digits(s, at);
        if (end == at) {
            return false;
        }
        at = end;
    }
    return at == s.len;
}

static bool parse_special(kw_slice s, double *ret) {
    double sign = s.len > 0 && s.data[0] == '-' ? -1 : 1;
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+')) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    if (slice_is_nocase(s, "inf") || slice_is_nocase(s, "infinity")) {
        *ret = sign * (double)INFINITY;
        return true;
    }
    if (slice_is_nocase(s, "nan")) {
        *ret = (double)NAN;
        return true;
    }
    return false;
}

/* What strtod and printf take for a decimal point in this locale (may be several bytes). */
static size_t locale_point(char dst[16]) {
    char sample[16];
    int len = snprintf(sample, sizeof(sample), "%.1f", 0.5);
    assert(len >= 3 && (size_t)len < sizeof(sample));
    return slice_copy(dst, 16, slice_of(sample + 1, (size_t)len - 2));
}

bool number_parse(kw_slice text, double *ret) {
    size_t point;
    if (text.len > NUMBER_TEXT_BYTES) {
        return false;
    }
    if (!is_decimal(text, &point)) {
        return parse_special(text, ret);
    }
    char local[NUMBER_TEXT_BYTES + 16 + 1];
    size_t len = slice_copy(local, sizeof(local), slice_of(text.data, point));
    if (point < text.len) {
        len += locale_point(local + len);
        len += slice_copy(local + len, sizeof(local) - len,
                          slice_of(text.data + point + 1, text.len - point - 1));
    }
    char *end;
    double value = strtod(local, &end);
    assert(end == local + len);
    (void)len;
    *ret = value;
    return true;
}

size_t number_format(char dst[NUMBER_TEXT_BYTES], char conversion, int precision, double value) {
    assert(precision >= 0 && precision <= 17);
    if (isnan(value)) {
        return slice_copy(dst, NUMBER_TEXT_BYTES, SLICE_LITERAL("nan"));
    }
    int written =
        snprintf(dst, NUMBER_TEXT_BYTES, conversion == 'f' ? "%.*f" : "%.*g", precision, value);
    assert(written > 0 && written < NUMBER_TEXT_BYTES);
    size_t len = (size_t)written;
    size_t point = strspn(dst, "+-0123456789einf");
    if (point < len) {
        size_t after = point + strcspn(dst + point, "0123456789");
        dst[point] = '.';
        memmove(dst + point + 1, dst + after, len - after + 1);
        len -= after - point - 1;
    }
    return len;
}

size_t number_from_u64(char dst[NUMBER_U64_BYTES], uint64_t value) {
    size_t len = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10) {
        len++;
    }
    for (size_t at = len; at > 0; value /= 10) {
        dst[--at] = (char)('0' + value % 10);
    }
    return len;
}
