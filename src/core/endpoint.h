/* Where a node is: a host (name or address literal) and a port, or a Unix socket's path. Owns
 * nothing; pure text and numbers, no system call. */
#ifndef CORE_ENDPOINT_H
#define CORE_ENDPOINT_H

#include "base/slice.h"
#include "core/limits.h"

#define ENDPOINT_KEY_BYTES (LIMIT_HOST_BYTES + 2)
#define ENDPOINT_TEXT_BYTES (LIMIT_HOST_BYTES + 9) /* "[host]:65535" and a zero */

typedef struct endpoint {
    char host[LIMIT_HOST_BYTES + 1]; /* without brackets; a path if port is 0 */
    uint16_t port;                   /* 0: host is a Unix socket's path */
} endpoint;

typedef enum net_family { NET_IPV4 = 4, NET_IPV6 = 6, NET_UNIX = 1 } net_family;

typedef struct net_address {
    net_family family;
    uint16_t port;
    uint8_t ip[16];    /* network order; 4 bytes of it for IPv4 */
    uint32_t scope_id; /* IPv6 link-local, else 0 */
    char path[108];    /* NET_UNIX */
} net_address;

/* False if the host is too long, or the port 0 or out of range. */
KW_CHECKED bool endpoint_make(kw_slice host, uint64_t port, endpoint *ret);
/* "host:port"; an IPv6 host may stand in brackets or bare (the last colon counts). An empty host is
 * allowed: `host` is then empty (MOVED's "the node asked"). */
KW_CHECKED bool endpoint_parse(kw_slice text, endpoint *ret);
bool endpoint_equal(const endpoint *a, const endpoint *b);
/* The bytes to look an endpoint up by; they lie in dst. */
kw_slice endpoint_key(const endpoint *e, char dst[ENDPOINT_KEY_BYTES]);
/* "host:port", "[::1]:port" for IPv6, or the path; returns dst. */
const char *endpoint_format(const endpoint *e, char dst[ENDPOINT_TEXT_BYTES]);
/* True if the host is an IPv4 or IPv6 literal or a path; *ret is then its address. */
KW_CHECKED bool endpoint_to_address(const endpoint *e, net_address *ret);
/* The address as text, without port; returns dst. */
const char *net_address_format(const net_address *a, char *dst, size_t size);

#endif
