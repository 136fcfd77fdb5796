#include "unit/support/lab_peer.h"

#include "unit/support/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, SILENCE_MS = 100 };

kw_lab *lab_peer_start(kw_lab_options *options) {
    kw_lab *lab = NULL;
    kw_error err;
    if (kw_lab_start(options, &lab, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
    kw_lab_options_free(options);
    return lab;
}

kw_lab_options *lab_peer_options(int primaries, int replicas) {
    kw_lab_options *options = NULL;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_size(options, primaries, replicas), KW_OK);
    return options;
}

kw_lab *lab_peer_start_size(int primaries, int replicas) {
    return lab_peer_start(lab_peer_options(primaries, replicas));
}

kw_lab_node lab_peer_node(const kw_lab *lab, int index) {
    kw_lab_node node;
    assert_true(kw_lab_node_at(lab, index, &node));
    return node;
}

uint16_t lab_peer_port(const kw_lab *lab, int index) {
    kw_lab_node node = lab_peer_node(lab, index);
    return (uint16_t)atoi(strchr(node.endpoint, ':') + 1);
}

void lab_peer_set_patience_ms(int fd, int ms) {
    const struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
}

int lab_peer_connect(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    lab_peer_set_patience_ms(fd, PATIENCE_MS);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

void lab_peer_send(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void lab_peer_expect(int fd, const char *reply) {
    char got[1024] = {0};
    size_t len = 0;
    assert_true(strlen(reply) < sizeof got);
    while (len < strlen(reply)) {
        ssize_t more = recv(fd, got + len, strlen(reply) - len, 0);
        if (more <= 0) {
            fail_msg("'%s' ends before '%s'", got, reply);
        }
        len += (size_t)more;
    }
    assert_string_equal(got, reply);
}

void lab_peer_expect_silence(int fd) {
    char byte;
    lab_peer_set_patience_ms(fd, SILENCE_MS);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
    lab_peer_set_patience_ms(fd, PATIENCE_MS);
}

size_t lab_peer_drain(int fd) {
    static char sink[65536];
    size_t total = 0;
    ssize_t len;
    while ((len = recv(fd, sink, sizeof sink, 0)) > 0) {
        total += (size_t)len;
    }
    assert_true(len == 0 || errno == ECONNRESET); /* and not for want of patience */
    return total;
}

void lab_peer_ask(uint16_t port, const char *line, const char *reply) {
    int fd = lab_peer_connect(port);
    assert_true(fd >= 0);
    lab_peer_send(fd, line);
    lab_peer_expect(fd, reply);
    close(fd);
}
