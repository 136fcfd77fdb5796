/* net_address to and from the system's socket addresses. Owns nothing. */
#ifndef IO_SOCKADDR_H
#define IO_SOCKADDR_H

#include "core/endpoint.h"

#include <sys/socket.h>

/* The family's number, for socket(). */
int sockaddr_family(const net_address *address);
/* Fills *ret and returns its length. */
socklen_t sockaddr_from(const net_address *address, struct sockaddr_storage *ret);
/* False if the family is neither IPv4 nor IPv6. */
KW_CHECKED bool sockaddr_to(const struct sockaddr *from, net_address *ret);
/* "127.0.0.1:7000", "[::1]:7000" or a path, for messages; returns dst. */
const char *sockaddr_text(const net_address *address, char *dst, size_t size);

#endif
