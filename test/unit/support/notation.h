/* Replies written as short text, for tests: numbers, 'strings', +words (status), -errors to the
 * end, ~ (RESP2 null) and _ (RESP3 null), =verbatim= text, [arrays], <sets> and {maps of pairs}.
 * Items are separated by spaces. */
#ifndef TEST_UNIT_SUPPORT_NOTATION_H
#define TEST_UNIT_SUPPORT_NOTATION_H

#include "base/buffer.h"
#include "base/slice.h"

/* The reply, to be freed with kw_reply_free; fails the test if the text makes no sense. */
kw_reply *notation_reply(const char *text);
kw_reply *notation_reply_with(const mem *m, const char *text);

/* Its bytes on the wire, to the buffer's end. */
void notation_write(const char *text, buffer *out);

#endif
