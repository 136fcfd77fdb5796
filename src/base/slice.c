#include "base/slice.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool slice_equal_nocase(kw_slice a, kw_slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool slice_is_nocase(kw_slice a, const char *text) {
    return slice_equal_nocase(a, slice_text(text));
}

bool slice_starts_with(kw_slice s, const char *prefix) {
    size_t len = strlen(prefix);
    return s.len >= len && (len == 0 || memcmp(s.data, prefix, len) == 0);
}

bool slice_to_u64(kw_slice s, uint64_t *ret) {
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool slice_to_i64(kw_slice s, int64_t *ret) {
    bool negative = s.len > 0 && s.data[0] == '-';
    if (negative) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    uint64_t magnitude;
    if (!slice_to_u64(s, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    if (negative) {
        *ret = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    } else {
        *ret = (int64_t)magnitude;
    }
    return true;
}

bool slice_split(kw_slice *rest, char separator, kw_slice *ret_part) {
    if (!rest->data) {
        return false;
    }
    const char *end = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
    if (!end) {
        *ret_part = *rest;
        *rest = slice_of(NULL, 0);
        return true;
    }
    size_t len = (size_t)(end - rest->data);
    *ret_part = slice_of(rest->data, len);
    *rest = slice_of(end + 1, rest->len - len - 1);
    return true;
}

size_t slice_copy(char *dst, size_t size, kw_slice s) {
    if (size == 0) {
        return 0;
    }
    size_t len = s.len < size ? s.len : size - 1;
    if (len > 0) {
        memcpy(dst, s.data, len);
    }
    dst[len] = '\0';
    return len;
}
