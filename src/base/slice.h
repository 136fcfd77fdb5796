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

/* The first and the last `size` bytes; what is between is in one of them. Both are read before
 * either is written. */
static inline void slice_put_ends(char *dst, kw_slice s, size_t size) {
    char first[64];
    char last[64];
    memcpy(first, s.data, size);
    memcpy(last, s.data + s.len - size, size);
    memcpy(dst, first, size);
    memcpy(dst + s.len - size, last, size);
}

/* Copies the bytes; returns one past the last. The short ones, which are most, without a call: as
 * two words that may overlap. */
static inline char *slice_put(char *dst, kw_slice s) {
    if (s.len > 32) {
        memcpy(dst, s.data, s.len);
    } else if (s.len >= 16) {
        slice_put_ends(dst, s, 16);
    } else if (s.len >= 8) {
        slice_put_ends(dst, s, 8);
    } else if (s.len >= 4) {
        slice_put_ends(dst, s, 4);
    } else if (s.len > 0) {
        dst[0] = s.data[0];
        dst[s.len / 2] = s.data[s.len / 2];
        dst[s.len - 1] = s.data[s.len - 1];
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
