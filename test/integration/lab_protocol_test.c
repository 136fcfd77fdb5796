/* What is hardly a command, or none, sent byte for byte to a real server and to the lab: both say
 * the same and end the connection at the same place. KEYWAY_PROTOCOL_SEED repeats a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/prng.h"
#include "base/slice.h"
#include "integration/support/redis_cluster.h"
#include "unit/support/lab_peer.h"

enum { OUTPUT_SIZE = 16384, WIRE_SIZE = 512, GENERATED = 3000 };

typedef struct sides {
    redis_cluster *cluster;
    kw_lab *lab;
    uint16_t real_port;
    uint16_t lab_port;
} sides;

static int start(void **state) {
    static sides s;
    s.cluster = redis_cluster_start(&(redis_cluster_options){.primaries = 3});
    s.real_port = s.cluster->nodes[0].port;
    s.lab = lab_peer_start_size(3, 0);
    s.lab_port = lab_peer_port(s.lab, 0);
    *state = &s;
    return 0;
}

static int stop(void **state) {
    sides *s = *state;
    kw_lab_stop(s->lab);
    redis_cluster_stop(s->cluster);
    return 0;
}

/* Sends all, says that nothing more will come, and reads to the end. */
static size_t converse(uint16_t port, kw_slice wire, char output[OUTPUT_SIZE]) {
    int fd = lab_peer_connect(port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, wire.data, wire.len, MSG_NOSIGNAL), (ssize_t)wire.len);
    (void)shutdown(fd, SHUT_WR); /* it may have been ended already */
    size_t len = 0;
    ssize_t more;
    while ((more = recv(fd, output + len, OUTPUT_SIZE - len, 0)) > 0) {
        len += (size_t)more;
    }
    assert_true(more == 0 || errno == ECONNRESET);
    close(fd);
    return len;
}

static void print_bytes(const char *what, kw_slice bytes) {
    print_error("%s\"", what);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (byte == '\r' || byte == '\n') {
            print_error("%s", byte == '\r' ? "\\r" : "\\n");
        } else if (byte == '"' || byte == '\\' || byte < ' ' || byte > '~') {
            print_error("\\x%02x", byte);
        } else {
            print_error("%c", byte);
        }
    }
    print_error("\"\n");
}

static bool answer_alike(const sides *s, kw_slice wire) {
    static char real[OUTPUT_SIZE];
    static char lab[OUTPUT_SIZE];
    kw_slice from_real = slice_of(real, converse(s->real_port, wire, real));
    kw_slice from_lab = slice_of(lab, converse(s->lab_port, wire, lab));
    if (slice_equal(from_real, from_lab)) {
        return true;
    }
    print_bytes("sent:   ", wire);
    print_bytes("server: ", from_real);
    print_bytes("lab:    ", from_lab);
    return false;
}

#define TEXT(literal)                                                                              \
    { (literal), sizeof(literal) - 1 }

static void known_troubles_are_answered_alike(void **state) {
    static const kw_slice wires[] = {
        TEXT("*abc\r\nPING\r\n"),
        TEXT("*2147483648\r\nPING\r\n"),
        TEXT("*2147483647\r\n"),
        TEXT("*-5\r\nPING\r\n"),
        TEXT("*01\r\nPING\r\n"),
        TEXT("*1\r\n!4\r\nPING\r\n"),
        TEXT("*1\r\n\r\nPING\r\n"),
        TEXT("*1\r\n\001\r\nPING\r\n"),
        TEXT("*1\r\n$-1\r\nPING\r\n"),
        TEXT("*1\r\n$536870913\r\nPING\r\n"),
        TEXT("*1\r\n$99999999999999999999\r\nPING\r\n"),
        TEXT("*1\r\n$4\r\nPINGxxPING\r\n"),
        TEXT("*1\rx$4\rxPINGxxPING\r\n"),
        TEXT("\"unbalanced\r\nPING\r\n"),
        TEXT("PING \"a\"b\r\nPING\r\n"),
        TEXT("ECHO \"\\x41\\n\\q\\\"\"\r\n"),
        TEXT("ECHO 'a\\'b\\n'\r\n"),
        TEXT("ECHO a\rb\r\nPING\r\n"),
        TEXT("PING\vx\r\n\vPING x\r\n"),
        TEXT("PI\0NG\r\nPING\r\n"),
        TEXT("*1\0\r\n$4\r\nPING\r\nPING\r\n"),
        TEXT("\r\n   \r\n\nPING\n"),
        TEXT("\"\" a\r\nPING\r\n"),
        TEXT("QUIT\r\nPING\r\n"),
        TEXT("POST / HTTP/1.1\r\nHost: x\r\nPING\r\n"),
    };
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        assert_true(answer_alike(*state, wires[i]));
    }
}

static size_t generate(prng *random, char wire[WIRE_SIZE]) {
    static const kw_slice parts[] = {
        TEXT("*1\r\n"),     TEXT("*2\r\n"),
        TEXT("*0\r\n"),     TEXT("*-1\r\n"),
        TEXT("*"),          TEXT("$4\r\n"),
        TEXT("$3\r\n"),     TEXT("$0\r\n"),
        TEXT("$"),          TEXT("PING"),
        TEXT("ECHO"),       TEXT("abc"),
        TEXT("\r\n"),       TEXT("\r\n"),
        TEXT("\n"),         TEXT("\r"),
        TEXT(" "),          TEXT(" "),
        TEXT("\""),         TEXT("\""),
        TEXT("'"),          TEXT("\\"),
        TEXT("\\x4"),       TEXT("\\n"),
        TEXT("\t"),         TEXT("\0"),
        TEXT("0"),          TEXT("1"),
        TEXT("4"),          TEXT("-"),
        TEXT(":"),          TEXT("\xff"),
        TEXT("\v"),         TEXT("PING\r\n"),
        TEXT("ECHO a\r\n"), TEXT("*1\r\n$4\r\nPING\r\n"),
        TEXT("echo "),      TEXT("$3\r\nabc\r\n"),
    };
    size_t len = 0;
    size_t count = 1 + prng_below(random, 14);
    for (size_t i = 0; i < count; i++) {
        kw_slice part = parts[prng_below(random, sizeof parts / sizeof *parts)];
        memcpy(wire + len, part.data, part.len);
        len += part.len;
    }
    memcpy(wire + len, "\r\nPING\r\n", 8); /* is it still heard? */
    return len + 8;
}

static void generated_bytes_are_answered_alike(void **state) {
    const char *given = getenv("KEYWAY_PROTOCOL_SEED");
    for (uint64_t i = 0; i < (given ? 1 : GENERATED); i++) {
        uint64_t seed = given ? strtoull(given, NULL, 10) : i;
        char wire[WIRE_SIZE];
        prng random;
        prng_init(&random, seed);
        size_t len = generate(&random, wire);
        if (!answer_alike(*state, slice_of(wire, len))) {
            fail_msg("KEYWAY_PROTOCOL_SEED=%llu", (unsigned long long)seed);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_troubles_are_answered_alike),
        cmocka_unit_test(generated_bytes_are_answered_alike),
    };
    return cmocka_run_group_tests_name("lab protocol", tests, start, stop);
}
