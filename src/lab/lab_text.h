/* Answers of the LAB command as text: a line for each element of an array, "name=value" for each
 * field of a map. Pure. */
#ifndef LAB_LAB_TEXT_H
#define LAB_LAB_TEXT_H

#include "base/buffer.h"

/* Appends one whole RESP3 value as text, without a newline at its end. False: memory is short. */
KW_CHECKED bool lab_text_write(buffer *out, const mem *m, kw_slice resp);

#endif
