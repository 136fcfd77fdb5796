#include "core/endpoint.h"

#include "base/number.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

/* A host goes into messages, the TLS server name and resolvers: no spaces, no control bytes; and no
 * brackets, which belong to the text around an IPv6 address. */
static bool is_host(kw_slice host) {
    if (host.len > LIMIT_HOST_BYTES) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.data[i];
        if (c <= ' ' || c == 0x7f || c == '[' || c == ']') {
            return false;
        }
    }
    return true;
}

bool endpoint_make(kw_slice host, uint64_t port, endpoint *ret) {
    if (port == 0 || port > UINT16_MAX || !is_host(host)) {
        return false;
    }
    slice_copy(ret->host, sizeof(ret->host), host);
    ret->port = (uint16_t)port;
    return true;
}

bool endpoint_parse(kw_slice text, endpoint *ret) {
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return false;
    }
    kw_slice host = slice_of(text.data, colon - 1);
    uint64_t port;
    if (!slice_to_u64(slice_of(text.data + colon, text.len - colon), &port)) {
        return false;
    }
    if (host.len > 0 && host.data[0] == '[') {
        if (host.len < 3 || host.data[host.len - 1] != ']') {
            return false;
        }
        host = slice_of(host.data + 1, host.len - 2);
    }
    return endpoint_make(host, port, ret);
}

bool endpoint_equal(const endpoint *a, const endpoint *b) {
    if (a->port != b->port) {
        return false;
    }
    /* Names know no case; paths do. */
    return a->port == 0 ? strcmp(a->host, b->host) == 0
                        : slice_equal_nocase(slice_text(a->host), slice_text(b->host));
}

kw_slice endpoint_key(const endpoint *e, char dst[ENDPOINT_KEY_BYTES]) {
    char *at = slice_put(dst, slice_text(e->host));
    memcpy(at, &e->port, sizeof e->port);
    return slice_of(dst, (size_t)(at - dst) + sizeof e->port);
}

const char *endpoint_format(const endpoint *e, char dst[ENDPOINT_TEXT_BYTES]) {
    if (e->port == 0) {
        slice_copy(dst, ENDPOINT_TEXT_BYTES, slice_text(e->host));
        return dst;
    }
    kw_slice host = slice_text(e->host);
    bool brackets = memchr(host.data, ':', host.len) != NULL;
    assert(host.len <= LIMIT_HOST_BYTES);
    char *at = dst;
    if (brackets) {
        *at++ = '[';
    }
    at = slice_put(at, host);
    if (brackets) {
        *at++ = ']';
    }
    *at++ = ':';
    at += number_from_u64(at, e->port);
    *at = '\0';
    return dst;
}

static bool unix_address(const endpoint *e, net_address *ret) {
    kw_slice path = slice_text(e->host);
    if (path.len == 0 || path.len >= sizeof(ret->path)) {
        return false;
    }
    *ret = (net_address){.family = NET_UNIX};
    slice_copy(ret->path, sizeof(ret->path), path);
    return true;
}

/* The scope is a number: a name of an interface only the system can turn into one. */
static bool ipv6_address(kw_slice host, net_address *ret) {
    char text[INET6_ADDRSTRLEN];
    kw_slice rest = host;
    kw_slice literal;
    uint64_t scope = 0;
    if (!slice_split(&rest, '%', &literal) || literal.len >= sizeof(text)) {
        return false;
    }
    if (rest.data && (!slice_to_u64(rest, &scope) || scope > UINT32_MAX)) {
        return false;
    }
    slice_copy(text, sizeof(text), literal);
    net_address address = {.family = NET_IPV6, .scope_id = (uint32_t)scope};
    if (inet_pton(AF_INET6, text, address.ip) != 1) {
        return false;
    }
    *ret = address;
    return true;
}

bool endpoint_to_address(const endpoint *e, net_address *ret) {
    if (e->port == 0) {
        return unix_address(e, ret);
    }
    net_address address = {.family = NET_IPV4};
    if (inet_pton(AF_INET, e->host, address.ip) != 1 &&
        !ipv6_address(slice_text(e->host), &address)) {
        return false;
    }
    address.port = e->port;
    *ret = address;
    return true;
}

const char *net_address_format(const net_address *a, char *dst, size_t size) {
    char text[INET6_ADDRSTRLEN];
    if (size == 0) {
        return dst;
    }
    if (a->family == NET_UNIX) {
        slice_copy(dst, size, slice_text(a->path));
        return dst;
    }
    if (!inet_ntop(a->family == NET_IPV4 ? AF_INET : AF_INET6, a->ip, text, sizeof(text))) {
        text[0] = '\0';
    }
    if (a->scope_id != 0) {
        snprintf(dst, size, "%s%%%u", text, (unsigned)a->scope_id);
    } else {
        slice_copy(dst, size, slice_text(text));
    }
    return dst;
}
