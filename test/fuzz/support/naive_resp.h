/* A second reader of RESP2 and RESP3, recursive, slow and plain: what the real one is held against.
 * It writes what it reads as text. */
#ifndef TEST_FUZZ_NAIVE_RESP_H
#define TEST_FUZZ_NAIVE_RESP_H

#include "core/resp.h"

typedef struct naive_value {
    resp_progress progress;
    size_t len;      /* RESP_DONE: bytes of the value, its attributes included */
    uint64_t values; /* ... and the values in it */
} naive_value;

/* Reads the value that the bytes begin with. Its text is appended to `text` unless that is NULL. */
naive_value naive_read(const char *data, size_t len, const resp_limits *limits, buffer *text);

/* The same text of a reply that was built. */
void naive_text_of(const struct kw_reply *reply, buffer *text);

#endif
