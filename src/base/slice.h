/* Bytes and their number: helpers for kw_slice. Owns nothing, copies nothing. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <keyway/keyway.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLICE_LITERAL(text) ((kw_slice){(text), sizeof(text) - 1})

static inline kw_slice slice_of(const char *data, size_t len) {
    return (kw_slice){data, len};
}

static inline kw_slice slice_text(const char *text) {
    return (kw_slice){text, strlen(text)};
}

static inline bool slice_equal(kw_slice a, kw_slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(kw_slice a, const char *text) {
    return slice_equal(a, slice_text(text));
}

/* Copies the bytes; returns one past the last. The short ones, which are most, without a call. */
static inline char *slice_put(char *dst, kw_slice s) {
    if (s.len > 16) {
        memcpy(dst, s.data, s.len);
    } else if (s.len >= 8) {
        uint64_t first;
        uint64_t last;
        memcpy(&first, s.data, 8);
        memcpy(&last, s.data + s.len - 8, 8);
        memcpy(dst, &first, 8);
        memcpy(dst + s.len - 8, &last, 8);
    } else {
        for (size_t i = 0; i < s.len; i++) {
            dst[i] = s.data[i];
        }
    }
    return dst + s.len;
}

/* ASCII case is ignored; no locale. */
bool slice_equal_nocase(kw_slice a, kw_slice b);
bool slice_is_nocase(kw_slice a, const char *text);
bool slice_starts_with(kw_slice s, const char *prefix);

/* Decimal digits only (and a leading '-' for i64), the whole slice, no overflow. */
bool slice_to_u64(kw_slice s, uint64_t *ret);
bool slice_to_i64(kw_slice s, int64_t *ret);

/* Cuts the text up to the first separator off *rest; false when *rest is used up (data NULL).
 * An empty *rest gives one empty part. */
bool slice_split(kw_slice *rest, char separator, kw_slice *ret_part);

/* Copies as much as fits, always terminated when size > 0; returns the bytes copied. */
size_t slice_copy(char *dst, size_t size, kw_slice s);

#endif
