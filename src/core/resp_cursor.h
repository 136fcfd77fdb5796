/* Walks over bytes that resp_scan has passed, a value at a time and without a tree, as far as the
 * scanner is: the end must be where its offset is, or the end of a value. Nothing is checked again.
 * Owns nothing. */
#ifndef CORE_RESP_CURSOR_H
#define CORE_RESP_CURSOR_H

#include "base/slice.h"

typedef struct resp_cursor {
    const char *at;
    const char *end;
} resp_cursor;

typedef struct resp_item {
    char type;      /* as on the wire, but '_' for every null */
    int64_t number; /* an integer or boolean; elements of an aggregate, two for each pair */
    kw_slice text;  /* of anything else; without the format if it is verbatim */
} resp_item;

/* The next value, or the head of an aggregate, whose elements are next then; attributes in front of
 * it are passed over. False: it is not all there yet. */
KW_CHECKED bool resp_next(resp_cursor *c, resp_item *ret);

/* Passes over the next value with all that is in it. False: it is not all there yet. */
KW_CHECKED bool resp_skip(resp_cursor *c);

/* The number up to the end of the line, and over that. */
static inline int64_t resp_take_number(const char **at) {
    const char *digit = *at;
    bool negative = *digit == '-';
    uint64_t magnitude = 0;
    for (digit += negative || *digit == '+'; *digit != '\r'; digit++) {
        magnitude = magnitude * 10 + (uint64_t)(*digit - '0');
    }
    *at = digit + 2;
    return (int64_t)(negative ? 0 - magnitude : magnitude);
}

#endif
