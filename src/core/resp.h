/* RESP2 and RESP3 on the wire: finds where a value ends, writes values.
 * The scanner keeps its place between calls, so no byte is looked at twice however a value is cut;
 * it owns nothing and allocates nothing, so a length announced costs nothing. Streamed types
 * (`$?`, `*?`) are refused: no server sends them. */
#ifndef CORE_RESP_H
#define CORE_RESP_H

#include "base/buffer.h"
#include "core/limits.h"

typedef struct resp_limits {
    uint64_t value_bytes;
    uint64_t bulk_bytes;
    uint64_t elements; /* of one aggregate, announced */
    uint64_t values;   /* in one reply, nested ones counted, an attribute as three */
    uint32_t depth;    /* at most LIMIT_REPLY_DEPTH */
} resp_limits;

extern const resp_limits resp_limits_default;

#define RESP_ATTRIBUTE_NODES 3 /* itself, and two that join it and its value */

typedef struct resp_scanner {
    const resp_limits *limits;
    uint64_t offset;     /* bytes of this value that are behind us */
    uint64_t line_end;   /* where the search for the next CR goes on */
    uint64_t body_end;   /* of the string being received: one past its CRLF; 0: in none */
    char body_type;      /* ... and its type byte */
    uint64_t node_count; /* that a tree needs of what was met: RESP_ATTRIBUTE_NODES for an
                          * attribute, one for any other value, nested or not */
    uint32_t depth;
    uint64_t remaining[LIMIT_REPLY_DEPTH]; /* values still open in each aggregate */
    bool attribute[LIMIT_REPLY_DEPTH];     /* the aggregate is an attribute: a value must follow */
    const char *error;                     /* what is wrong, when RESP_BROKEN */
    bool over_limit;                       /* ... and it is a cap, not the syntax */
} resp_scanner;

typedef enum resp_progress { RESP_MORE, RESP_DONE, RESP_BROKEN } resp_progress;

void resp_scanner_init(resp_scanner *s, const resp_limits *limits);

/* Looks at the bytes of one value from its first byte on; more of them with each call. RESP_DONE:
 * s->offset is the value's length (its attributes included), s->node_count what its tree takes. */
resp_progress resp_scan(resp_scanner *s, const char *data, size_t len);

/* Writers append to a buffer; false on cap or memory. `resp` is the protocol version, 2 or 3, where
 * the two differ. */
KW_CHECKED bool resp_write_status(buffer *b, const char *text);
KW_CHECKED bool resp_write_error(buffer *b, const char *text); /* text with its code: "ERR ..." */
KW_CHECKED bool resp_write_integer(buffer *b, int64_t value);
KW_CHECKED bool resp_write_bulk(buffer *b, kw_slice s);
KW_CHECKED bool resp_write_bulk_text(buffer *b, const char *text);
KW_CHECKED bool resp_write_null(buffer *b, int resp);       /* $-1 or _ */
KW_CHECKED bool resp_write_null_array(buffer *b, int resp); /* *-1 or _ */
KW_CHECKED bool resp_write_array(buffer *b, size_t count);
KW_CHECKED bool resp_write_map(buffer *b, int resp, size_t pairs); /* a flat array in RESP2 */
KW_CHECKED bool resp_write_set(buffer *b, int resp, size_t count);
KW_CHECKED bool resp_write_double(buffer *b, int resp, double value); /* a bulk string in RESP2 */
KW_CHECKED bool resp_write_verbatim(buffer *b, int resp, kw_slice text);

/* A command: an array of bulk strings. */
uint64_t resp_command_size(const kw_slice *argv, size_t argc);
/* Writes exactly resp_command_size bytes to dst; returns one past the last. */
char *resp_command_encode(char *dst, const kw_slice *argv, size_t argc);
/* Leaves out the bytes of argv[apart], which belong at *ret_gap. */
char *resp_command_encode_around(char *dst, const kw_slice *argv, size_t argc, size_t apart,
                                 char **ret_gap);
/* A command as a server receives it: an array of bulk strings, or one inline line. Slices point
 * into data. *ret_len: its bytes. RESP_DONE with argc 0 is an empty line or array: skip it. At most
 * argv_max arguments, else RESP_BROKEN. */
resp_progress resp_read_command(const char *data, size_t len, kw_slice *argv, size_t argv_max,
                                size_t *ret_argc, size_t *ret_len, const char **ret_error);

#endif
