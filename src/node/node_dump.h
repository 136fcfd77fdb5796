/* The payload of DUMP and RESTORE: a string value in the servers' snapshot format, its version and
 * a CRC64. */
#ifndef NODE_NODE_DUMP_H
#define NODE_NODE_DUMP_H

#include "base/buffer.h"

uint64_t dump_crc64(uint64_t crc, kw_slice bytes);

/* Appends the payload of a string value; false if memory is short. */
KW_CHECKED bool dump_write(buffer *b, kw_slice value);

typedef enum dump_result {
    DUMP_OK,
    DUMP_WRONG_CHECKSUM, /* ... or a version newer than ours */
    DUMP_BAD_FORMAT,     /* no string, or not well formed */
    DUMP_NO_MEMORY
} dump_result;

/* Appends the value of a payload to an empty buffer. */
dump_result dump_read(kw_slice payload, buffer *ret_value);

#endif
