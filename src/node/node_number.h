/* Numbers as the servers read and write them. */
#ifndef NODE_NODE_NUMBER_H
#define NODE_NODE_NUMBER_H

#include "base/slice.h"

#define NUMBER_TEXT_SIZE 5120 /* the longest double with %.17Lf */

/* Decimal, no sign but '-', no leading zeros or spaces. */
bool number_read_integer(kw_slice s, int64_t *ret);
/* A finite or infinite long double, the whole slice. */
bool number_read_float(kw_slice s, long double *ret);
/* Up to 17 digits after the point, without trailing zeros; returns the length. */
size_t number_write_float(long double value, char dst[NUMBER_TEXT_SIZE]);

#endif
