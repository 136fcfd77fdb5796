/* SHA-256 of a short text, as ACL rules keep passwords. Pure. */
#ifndef NODE_NODE_SHA256_H
#define NODE_NODE_SHA256_H

#include "base/slice.h"

#define SHA256_HEX_SIZE 65

/* As 64 lower-case hex digits, terminated. */
void sha256_hex(kw_slice text, char ret[SHA256_HEX_SIZE]);

#endif
