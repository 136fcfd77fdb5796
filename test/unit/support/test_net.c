#include "unit/support/test_net.h"

#include "io/sockaddr.h"
#include "unit/support/unit.h"

#include <unistd.h>

net_address test_ipv4(uint16_t port) {
    return (net_address){.family = NET_IPV4, .port = port, .ip = {127, 0, 0, 1}};
}

net_address test_ipv6(uint16_t port) {
    return (net_address){.family = NET_IPV6, .port = port, .ip = {[15] = 1}};
}

bool test_has_ipv6(void) {
    net_address address = test_ipv6(0);
    struct sockaddr_storage storage;
    socklen_t len = sockaddr_from(&address, &storage);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&storage, len) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return has;
}

int test_accept(listener *s) {
    int error = 0;
    int fd = listener_accept(s, NULL, &error);
    assert_int_equal(error, 0);
    return fd;
}
