/* Commands and replies of the differential tests as a person reads them: a command is a line of
 * words, those with odd bytes in quotes with \xNN (words_read reads it); a reply is its values in
 * their order. */
#ifndef INTEGRATION_SUPPORT_DIFF_VALUE_H
#define INTEGRATION_SUPPORT_DIFF_VALUE_H

#include "base/buffer.h"

/* One value of a reply; of an aggregate its beginning, whose elements follow. */
typedef struct diff_value {
    char type; /* the byte of the wire; of all nulls _ */
    const char *begin;
    kw_slice text; /* an aggregate's is its count */
    size_t size;   /* itself and, of an aggregate, all that is in it */
} diff_value;

/* Cuts a whole reply into its values; the caller frees *ret. The number of values. */
size_t diff_values(kw_slice reply, diff_value **ret);

/* Appends one value as it comes on the wire, perhaps with other bytes in it. */
void diff_encode_value(buffer *b, const diff_value *v, kw_slice text);

/* Appends one value, or a command, as text. */
void diff_write_value(buffer *b, const diff_value *v);
void diff_write_command(buffer *b, const kw_slice *argv, size_t argc);
void diff_write_reply(buffer *b, kw_slice reply);

#endif
