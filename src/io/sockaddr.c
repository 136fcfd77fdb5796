#include "io/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

int sockaddr_family(const net_address *address) {
    switch (address->family) {
    case NET_IPV4:
        return AF_INET;
    case NET_IPV6:
        return AF_INET6;
    case NET_UNIX:
        break;
    }
    return AF_UNIX;
}

/* Each family is put together in its own type and then copied: no aliasing. */
socklen_t sockaddr_from(const net_address *address, struct sockaddr_storage *ret) {
    memset(ret, 0, sizeof *ret);
    if (address->family == NET_IPV4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&v4.sin_addr, address->ip, sizeof v4.sin_addr);
        memcpy(ret, &v4, sizeof v4);
        return sizeof v4;
    }
    if (address->family == NET_IPV6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                                  .sin6_port = htons(address->port),
                                  .sin6_scope_id = address->scope_id};
        memcpy(&v6.sin6_addr, address->ip, sizeof v6.sin6_addr);
        memcpy(ret, &v6, sizeof v6);
        return sizeof v6;
    }
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    slice_copy(path.sun_path, sizeof path.sun_path,
               slice_of(address->path, strnlen(address->path, sizeof address->path)));
    memcpy(ret, &path, sizeof path);
    return sizeof path;
}

bool sockaddr_to(const struct sockaddr *from, net_address *ret) {
    net_address address = {0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        address.family = NET_IPV4;
        address.port = ntohs(v4.sin_port);
        memcpy(address.ip, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        address.family = NET_IPV6;
        address.port = ntohs(v6.sin6_port);
        address.scope_id = v6.sin6_scope_id;
        memcpy(address.ip, &v6.sin6_addr, sizeof v6.sin6_addr);
    } else {
        return false;
    }
    *ret = address;
    return true;
}

const char *sockaddr_text(const net_address *address, char *dst, size_t size) {
    char ip[INET6_ADDRSTRLEN] = "?";
    if (address->family == NET_UNIX) {
        snprintf(dst, size, "%.*s", (int)sizeof address->path, address->path);
    } else {
        inet_ntop(sockaddr_family(address), address->ip, ip, sizeof ip);
        snprintf(dst, size, address->family == NET_IPV6 ? "[%s]:%u" : "%s:%u", ip,
                 (unsigned)address->port);
    }
    return dst;
}
