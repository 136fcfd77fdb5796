/* Listpacks: the servers' compact run of strings and integers, as their snapshots hold it. Pure. */
#ifndef NODE_NODE_LISTPACK_H
#define NODE_NODE_LISTPACK_H

#include "base/buffer.h"
#include "node/node_number.h"

/* Appends a listpack to a buffer: begin, the elements, end. */
typedef struct listpack_writer {
    buffer *out;
    size_t start; /* of the listpack in the buffer's content */
    size_t count;
} listpack_writer;

KW_CHECKED bool listpack_begin(listpack_writer *w, buffer *out);
/* What reads as an integer is written as one. */
KW_CHECKED bool listpack_add(listpack_writer *w, kw_slice element);
/* False if memory is short, as of the others. */
KW_CHECKED bool listpack_end(listpack_writer *w);

static inline size_t listpack_bytes(const listpack_writer *w) {
    return buffer_len(w->out) - w->start;
}

/* Walks a listpack that may be malformed. */
typedef struct listpack_reader {
    const unsigned char *at;
    const unsigned char *end; /* the terminating byte */
    size_t left;              /* elements, if known */
    bool counted;
} listpack_reader;

typedef enum listpack_step { LISTPACK_ELEMENT, LISTPACK_END, LISTPACK_MALFORMED } listpack_step;

/* False if head or end are wrong. */
KW_CHECKED bool listpack_open(listpack_reader *r, kw_slice bytes);
/* The element is in the listpack, or in `text` if it is an integer. */
listpack_step listpack_next(listpack_reader *r, char text[NUMBER_INTEGER_BYTES],
                            kw_slice *ret_element);

#endif
