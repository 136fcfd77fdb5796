/* Loopback addresses and bounded waiting for the tests of io. */
#ifndef TEST_UNIT_SUPPORT_TEST_NET_H
#define TEST_UNIT_SUPPORT_TEST_NET_H

#include "core/endpoint.h"
#include "io/listener.h"

net_address test_ipv4(uint16_t port); /* 127.0.0.1 */
net_address test_ipv6(uint16_t port); /* ::1 */

/* True if this machine has the IPv6 loopback. */
bool test_has_ipv6(void);

/* The next accepted descriptor, or -1: none waits. */
int test_accept(listener *s);

/* A waiting loop in a test ends after so many rounds, each of at most so long. */
enum { TEST_ROUNDS = 2000, TEST_ROUND_MS = 5 };

#endif
