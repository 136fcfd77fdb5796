/* Strings as arrays of bits, the highest of a byte first; past the end all are zero. And what the
 * commands on them share. */
#ifndef NODE_STRING_BITS_H
#define NODE_STRING_BITS_H

#include "node/node_call.h"

/* Up to 64 bits as an unsigned number. */
uint64_t bits_get(kw_slice s, uint64_t offset, unsigned width);
/* All of them must lie inside. */
void bits_set(char *bytes, uint64_t offset, unsigned width, uint64_t value);

/* Of the positions first..last, which lie inside. */
int64_t bits_count(kw_slice s, uint64_t first, uint64_t last);
/* The first position with such a bit; -1: none. */
int64_t bits_find(kw_slice s, bool bit, uint64_t first, uint64_t last);

typedef enum bits_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT } bits_operation;
/* Puts one more source into the `len` bytes at dst; the first one overwrites them. */
void bits_combine(bits_operation operation, unsigned char *dst, size_t len, kw_slice source,
                  bool first);

/* argv[index] as a position in bits; width > 0: "#n" is n times so many. False: an error was
 * given. */
KW_CHECKED bool bits_read_offset(node_call *c, size_t index, unsigned width, uint64_t *ret);
/* The bytes of the string at argv[1], to be written: made if it is missing, and long enough for the
 * bit. NULL: an error was given. */
char *bits_open(node_call *c, uint64_t last_bit);

#endif
