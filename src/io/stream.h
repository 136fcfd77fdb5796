/* One connection to a peer: a socket (TCP or Unix), with TLS over it or not. Owns the
 * descriptor and its watch in the loop. Reads and writes plain bytes; never blocks (but for
 * stream_await, shortly), never calls back, never raises SIGPIPE. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/slice.h"
#include "core/endpoint.h"
#include "io/loop.h"
#include "io/tls.h"

typedef struct stream stream;

typedef struct stream_options {
    uint32_t keepalive_s;     /* 0: off */
    uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the system's */
    tls_context *tls;         /* NULL: plain */
    const char *tls_host;     /* name or literal that the certificate must match */
} stream_options;

/* Starts to connect; `owner` comes back with its loop events. The state may be STREAM_OPEN at once
 * (a Unix socket). On failure (also an immediate one, such as a refused connection) err says why,
 * and nothing is to be freed. */
KW_CHECKED kw_status stream_connect(loop *l, const mem *m, const net_address *address,
                                    const stream_options *options, void *owner, stream **ret,
                                    kw_error *err);
/* Takes over an accepted descriptor (the lab's side); on failure it stays the caller's. With TLS
 * (a server's context) the handshake begins when the peer speaks. options may be NULL. */
KW_CHECKED kw_status stream_adopt(loop *l, const mem *m, int fd, const stream_options *options,
                                  void *owner, stream **ret);
/* Closes; NULL is allowed. */
void stream_free(stream *s);
/* Closes as a process that is killed does: what is unsent is dropped and the peer sees a reset.
 * (Not in the child of a fork, where the connection is the parent's.) */
void stream_reset(stream *s);

typedef enum stream_state {
    STREAM_CONNECTING, /* TCP or TLS handshake under way */
    STREAM_OPEN,
    STREAM_ENDED /* the peer closed, or an error: stream_error */
} stream_state;

/* Handles a loop event: goes on with connecting. Call it for each event, then read if the state is
 * STREAM_OPEN. */
stream_state stream_handle(stream *s, unsigned ready);
stream_state stream_get_state(const stream *s);

/* Reads into dst; 0 = nothing there now, or ended (look at the state). Everything that came before
 * an end is read before the state says ended. Call it until it returns 0: decrypted bytes that are
 * left in a TLS session make no event. (It costs no system call to learn that nothing is left when
 * the last read was short.) */
size_t stream_read(stream *s, char *dst, size_t size);
/* As stream_read, but waits a little for bytes; 0 also when none came, or a signal did. Only for a
 * stream that is open and without TLS, and for a caller who has nothing else to do for so long:
 * waiting in the read saves the system call that waits in the loop. */
enum { STREAM_AWAIT_US = 10000 };
size_t stream_await(stream *s, char *dst, size_t size);
bool stream_can_await(const stream *s);
/* Writes as much as the socket (or the TLS buffer, bounded) takes now; returns the bytes taken. */
size_t stream_write(stream *s, const kw_slice *slices, size_t count);
/* False while bytes that stream_write took wait in the TLS session for the socket: closing now
 * would lose them. */
bool stream_is_flushed(const stream *s);
/* True if the caller should be told when it can write again: sets the watch accordingly. A stream
 * with TLS bytes of its own to send sees to these itself. */
void stream_want_write(stream *s, bool want);
/* Whether reading is wanted (back-pressure); true at first. */
void stream_want_read(stream *s, bool want);

/* Why the stream ended: status (KW_ERR_CONNECTION or KW_ERR_TLS) and one line. */
kw_status stream_error(const stream *s, const char **ret_message);
int stream_fd(const stream *s);

#endif
