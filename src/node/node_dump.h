/* The payload of DUMP and RESTORE: a value in the servers' snapshot format, its version and a
 * CRC64. Writes what redis-server 7.0 writes for the same value; reads all that it may write, of
 * the types that a node knows. Whatever is read may be malformed. */
#ifndef NODE_NODE_DUMP_H
#define NODE_NODE_DUMP_H

#include "base/buffer.h"
#include "node/value.h"

typedef struct dump_value {
    const value_kind *kind; /* NULL: a string */
    void *object;           /* what the kind says */
    kw_slice string;
} dump_value;

uint64_t dump_crc64(uint64_t crc, kw_slice bytes);

/* Appends the payload of a value; false if memory is short. */
KW_CHECKED bool dump_write(buffer *b, const dump_value *value);

typedef enum dump_result {
    DUMP_OK,
    DUMP_WRONG_CHECKSUM, /* ... or a version newer than ours */
    DUMP_BAD_FORMAT,     /* of a type that nodes do not know, or not well formed */
    DUMP_NO_MEMORY
} dump_result;

/* Reads a payload. A string lies in `storage` afterwards, which is empty before and may hold
 * anything after; an object is the caller's, and has its memory from m. */
dump_result dump_read(kw_slice payload, const mem *m, uint64_t seed, buffer *storage,
                      dump_value *ret);

#endif
