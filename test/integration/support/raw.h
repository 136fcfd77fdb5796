/* A bare RESP connection for tests: blocking, one command at a time, no client library in between.
 * It speaks to one node for what the test itself needs to know or to do. Owns its socket.
 * It never follows a redirect and never retries. */
#ifndef INTEGRATION_SUPPORT_RAW_H
#define INTEGRATION_SUPPORT_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct raw raw;

typedef struct raw_reply {
    char type; /* the byte of the wire: + - : $ * */
    bool null;
    long long integer;
    char *text; /* terminated; of + - $ */
    size_t len;
    size_t count;
    struct raw_reply *items;
} raw_reply;

/* NULL if the node cannot be reached within timeout_ms, which also bounds each later call. */
raw *raw_open(const char *host, uint16_t port, int timeout_ms);
void raw_close(raw *r);

/* Sends the words of the formatted text as one command; NULL if the connection failed, which is
 * then of no further use. */
raw_reply *raw_call(raw *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

void raw_reply_free(raw_reply *reply);
bool raw_reply_is(const raw_reply *reply, const char *text);

/* Sends a command and drops its reply; true if one came that is no error. */
bool raw_do(raw *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
