/* A listening socket (the lab's side). Owns the descriptor and its watch. */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "core/endpoint.h"
#include "io/loop.h"

typedef struct listener listener;

/* Listens on a loopback or other local address; port 0 picks a free one. */
KW_CHECKED kw_status listener_new(loop *l, const mem *m, const net_address *address, void *owner,
                                  listener **ret, kw_error *err);
void listener_free(listener *s);
uint16_t listener_port(const listener *s);
/* The next accepted descriptor, non-blocking and close-on-exec. -1: none waits (*ret_errno is 0),
 * or the system has none to give now (EMFILE and the like): who waits stays in the backlog, and the
 * loop tells of them again and again until listener_want_accept. ret_peer may be NULL. */
int listener_accept(listener *s, net_address *ret_peer, int *ret_errno);
/* Sends a text, as far as it goes at once, and closes an accepted descriptor. */
void listener_refuse(int fd, const char *text);
/* Whether connections that wait are told of; off, the system still takes them into its backlog. */
void listener_want_accept(listener *s, bool want);

#endif
