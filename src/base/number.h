/* Doubles as decimal text, with a point whatever the program's locale says. Pure. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/slice.h"

/* Room for any double in any conversion of number_format. */
#define NUMBER_TEXT_BYTES 352

/* The whole slice: [+-] digits [. digits] [e [+-] digits], or inf, infinity, nan with an optional
 * sign; a part of the mantissa's digits may lack. No spaces, no hexadecimal. False if it is
 * anything else, or longer than NUMBER_TEXT_BYTES. */
KW_CHECKED bool number_parse(kw_slice text, double *ret);

/* As printf's "%.*f" or "%.*g" (conversion 'f' or 'g', precision 0..17); `inf`, `-inf`, `nan`.
 * Returns the length; terminated. */
size_t number_format(char dst[NUMBER_TEXT_BYTES], char conversion, int precision, double value);

/* Digits of an unsigned number; returns how many were written, not terminated. */
#define NUMBER_U64_BYTES 20
size_t number_from_u64(char dst[NUMBER_U64_BYTES], uint64_t value);

#endif
