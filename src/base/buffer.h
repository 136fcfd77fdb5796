/* A growable run of bytes with a consumed head: append at the end, take from the front.
 * Owns its memory; never grows beyond its cap. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/mem.h"
#include "base/slice.h"

typedef struct buffer {
    const mem *mem;
    char *data;
    size_t begin; /* first byte not consumed */
    size_t end;   /* one past the last byte written */
    size_t capacity;
    size_t cap; /* most bytes it may hold; 0 = no cap */
} buffer;

void buffer_init(buffer *b, const mem *m, size_t cap);
void buffer_done(buffer *b);

static inline size_t buffer_len(const buffer *b) {
    return b->end - b->begin;
}

static inline kw_slice buffer_slice(const buffer *b) {
    return slice_of(b->data ? b->data + b->begin : "", b->end - b->begin);
}

/* The same, to be changed in place. */
static inline char *buffer_bytes(const buffer *b) {
    return b->data ? b->data + b->begin : NULL;
}

/* Room for at least `count` more bytes at the end (moves what is left to the front, or grows by
 * doubling): the address to write to, or NULL (cap or memory), the buffer untouched. */
char *buffer_reserve(buffer *b, size_t count);

/* As buffer_reserve, but if it must grow, to just what is asked for: for who knows how much comes.
 */
char *buffer_reserve_exactly(buffer *b, size_t count);

/* Gives the memory away, with the first `len` bytes in it, to be freed with mem_free; what is
 * behind them moves to new memory of at least keep_bytes. NULL if memory is short, the buffer
 * untouched. */
char *buffer_detach(buffer *b, size_t len, size_t keep_bytes);

/* The room that there is now after the end. */
static inline size_t buffer_room(const buffer *b) {
    return b->capacity - b->end;
}

/* `count` bytes were written into the room. */
void buffer_commit(buffer *b, size_t count);

/* The first `count` bytes are done with. */
void buffer_consume(buffer *b, size_t count);

/* Only the first `len` bytes stay; len <= buffer_len. */
static inline void buffer_truncate(buffer *b, size_t len) {
    b->end = b->begin + len;
}

/* Forgets the content; memory above keep_bytes is given back. */
void buffer_clear(buffer *b, size_t keep_bytes);

/* False (nothing appended) on cap or memory. */
KW_CHECKED bool buffer_append(buffer *b, const void *data, size_t len);
KW_CHECKED bool buffer_append_slice(buffer *b, kw_slice s);
KW_CHECKED bool buffer_append_text(buffer *b, const char *text);
KW_CHECKED bool buffer_printf(buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
