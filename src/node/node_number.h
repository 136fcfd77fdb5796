/* Numbers as the servers read and write them. */
#ifndef NODE_NODE_NUMBER_H
#define NODE_NODE_NUMBER_H

#include "base/slice.h"

#define NUMBER_TEXT_SIZE 5120 /* the longest double with %.17Lf */

#define NUMBER_INTEGER_BYTES 20 /* the longest integer */

/* Decimal, no sign but '-', no leading zeros or spaces. */
bool number_read_integer(kw_slice s, int64_t *ret);
/* The integer as that text, not terminated. */
kw_slice number_write_integer(int64_t value, char dst[NUMBER_INTEGER_BYTES]);
/* A finite or infinite long double, the whole slice. */
bool number_read_float(kw_slice s, long double *ret);
/* A double as a score is written, hexadecimal too: the whole slice, not NaN, and neither too large
 * nor too small for a double. */
bool number_read_double(kw_slice s, double *ret);
/* A double as the bounds of a range of scores are: spaces may lead, nothing at all is 0, what is
 * too large is infinite. Not NaN. */
bool number_read_bound(kw_slice s, double *ret);
/* Up to 17 digits after the point, without trailing zeros; returns the length. */
size_t number_write_float(long double value, char dst[NUMBER_TEXT_SIZE]);

#endif
