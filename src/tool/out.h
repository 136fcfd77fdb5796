/* Bytes on their way to a descriptor, gathered so that a write holds many replies, or kept in
 * memory (fd -1) for a test or a later look. Ends the process quietly when the reader is gone. */
#ifndef TOOL_OUT_H
#define TOOL_OUT_H

#include "base/buffer.h"

typedef struct out {
    buffer bytes;
    int fd;
} out;

void out_init(out *o, int fd);
/* Flushes, then frees. */
void out_done(out *o);

void out_bytes(out *o, const char *data, size_t len);
void out_text(out *o, const char *text);
void out_char(out *o, char c);
void out_fill(out *o, const char *text, size_t count);
void out_printf(out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes everything; waits for a reader that is slow. */
void out_flush(out *o);

/* What is gathered, when fd is -1. */
static inline kw_slice out_slice(const out *o) {
    return buffer_slice(&o->bytes);
}

#endif
