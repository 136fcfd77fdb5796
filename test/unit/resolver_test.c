#include "io/resolver.h"

#include "io/sockaddr.h"
#include "unit/support/failing_mem.h"
#include "unit/support/test_net.h"
#include "unit/support/unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum { DNS_A = 1, DNS_AAAA = 28, DNS_HEADER_BYTES = 12, DNS_NXDOMAIN = 3 };

/* A DNS server on loopback that knows `node.test` and `many.test`, and is silent about `mute`. */
typedef struct fixture {
    loop *loop;
    resolver *resolver;
    int server;
    int questions;
    char servers[32];
} fixture;

static int set_up(void **state) {
    static fixture f;
    f = (fixture){0};
    net_address address = test_ipv4(0);
    struct sockaddr_storage storage;
    socklen_t len = sockaddr_from(&address, &storage);
    f.server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f.server, (struct sockaddr *)&storage, len), 0);
    len = sizeof storage;
    assert_int_equal(getsockname(f.server, (struct sockaddr *)&storage, &len), 0);
    assert_true(sockaddr_to((struct sockaddr *)&storage, &address));
    snprintf(f.servers, sizeof f.servers, "127.0.0.1:%u", (unsigned)address.port);
    assert_int_equal(loop_new(&mem_default, &f.loop), KW_OK);
    assert_int_equal(resolver_new(f.loop, &mem_default, &f, &f.resolver), KW_OK);
    resolver_use_servers(f.resolver, f.servers);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    resolver_free(f->resolver);
    loop_free(f->loop);
    close(f->server);
    return 0;
}

static size_t put_record(uint8_t *dst, int type, uint8_t last) {
    const size_t data_len = type == DNS_A ? 4 : 16;
    const uint8_t head[] = {0xc0, DNS_HEADER_BYTES, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60,
                            0,    (uint8_t)data_len};
    const uint8_t v4[4] = {10, 0, 0, last};
    const uint8_t v6[16] = {0xfd, [15] = last};
    memcpy(dst, head, sizeof head);
    memcpy(dst + sizeof head, type == DNS_A ? v4 : v6, data_len);
    return sizeof head + data_len;
}

/* Turns a question into its answer, in place; 0: no answer. */
static size_t answer(uint8_t *packet, size_t len) {
    bool is_known = memcmp(packet + DNS_HEADER_BYTES, "\4node\4test", 11) == 0;
    bool is_many = memcmp(packet + DNS_HEADER_BYTES, "\4many\4test", 11) == 0;
    if (memcmp(packet + DNS_HEADER_BYTES, "\4mute", 5) == 0) {
        return 0;
    }
    size_t at = DNS_HEADER_BYTES;
    while (at < len && packet[at] != 0) {
        at += (size_t)packet[at] + 1;
    }
    int type = packet[at + 2];
    at += 5;
    packet[2] = 0x84;
    packet[3] = is_known || is_many ? 0 : DNS_NXDOMAIN;
    int count = is_many ? (type == DNS_A ? 30 : 0) : is_known;
    packet[7] = (uint8_t)count;
    memset(packet + 8, 0, 4);
    for (int i = 0; i < count; i++) {
        at += put_record(packet + at, type, (uint8_t)(7 + i));
    }
    return at;
}

static void serve(fixture *f) {
    uint8_t packet[1024];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    ssize_t len = 0;
    while ((len = recvfrom(f->server, packet, 512, 0, (struct sockaddr *)&from, &from_len)) >
           DNS_HEADER_BYTES) {
        f->questions++;
        size_t answer_len = answer(packet, (size_t)len);
        if (answer_len > 0) {
            assert_int_equal(
                sendto(f->server, packet, answer_len, 0, (struct sockaddr *)&from, from_len),
                answer_len);
        }
        from_len = sizeof from;
    }
}

/* Drives the resolver until a result is there; false: none came. */
static bool wait_result(fixture *f, resolver_result *ret, int rounds) {
    for (int i = 0; i < rounds; i++) {
        loop_event events[8];
        serve(f);
        size_t count = loop_wait(f->loop, events, 8, TEST_ROUND_MS);
        for (size_t e = 0; e < count; e++) {
            assert_ptr_equal(events[e].owner, f);
            if (loop_alive(f->loop, events[e].token)) {
                resolver_handle(f->resolver, events[e].token, events[e].ready);
            }
        }
        uint64_t now_us = loop_now_us();
        if (resolver_deadline_us(f->resolver, now_us) <= now_us) {
            resolver_timeout(f->resolver);
        }
        if (resolver_next(f->resolver, ret)) {
            return true;
        }
    }
    return false;
}

static void localhost_needs_no_server(void **state) {
    fixture *f = *state;
    resolver_result result = {0};
    assert_int_equal(resolver_start(f->resolver, "localhost", 5), KW_OK);
    assert_true(wait_result(f, &result, TEST_ROUNDS));
    assert_int_equal(result.id, 5);
    assert_int_equal(result.status, KW_OK);
    assert_int_equal(f->questions, 0);
    bool has_loopback = false;
    for (size_t i = 0; i < result.count; i++) {
        const net_address *a = &result.addresses[i];
        net_address v4 = test_ipv4(0);
        net_address v6 = test_ipv6(0);
        assert_int_equal(a->port, 0);
        has_loopback =
            has_loopback || memcmp(a->ip, v4.ip, 4) == 0 || memcmp(a->ip, v6.ip, 16) == 0;
    }
    assert_true(has_loopback);
}

static void name_has_its_ipv4_and_ipv6_addresses(void **state) {
    fixture *f = *state;
    resolver_result result = {0};
    assert_true(resolver_deadline_us(f->resolver, 1) == UINT64_MAX);
    assert_int_equal(resolver_start(f->resolver, "node.test", 1), KW_OK);
    uint64_t now_us = loop_now_us();
    assert_true(resolver_deadline_us(f->resolver, now_us) < now_us + 10000000u);
    assert_true(wait_result(f, &result, TEST_ROUNDS));
    assert_int_equal(result.status, KW_OK);
    assert_int_equal(result.count, 2);
    unsigned families = 0;
    for (size_t i = 0; i < result.count; i++) {
        const net_address *a = &result.addresses[i];
        families |= 1u << a->family;
        assert_int_equal(a->ip[a->family == NET_IPV4 ? 3 : 15], 7);
    }
    assert_int_equal(families, 1u << NET_IPV4 | 1u << NET_IPV6);
    assert_false(resolver_next(f->resolver, &result));
    assert_true(resolver_deadline_us(f->resolver, 1) == UINT64_MAX);
}

static void addresses_past_the_cap_are_left_out(void **state) {
    fixture *f = *state;
    resolver_result result = {0};
    assert_int_equal(resolver_start(f->resolver, "many.test", 1), KW_OK);
    assert_true(wait_result(f, &result, TEST_ROUNDS));
    assert_int_equal(result.status, KW_OK);
    assert_int_equal(result.count, LIMIT_ADDRESSES);
}

static void unknown_name_is_an_error_that_names_it(void **state) {
    fixture *f = *state;
    resolver_result result = {0};
    assert_int_equal(resolver_start(f->resolver, "nobody.test.", 2), KW_OK);
    assert_true(wait_result(f, &result, TEST_ROUNDS));
    assert_int_equal(result.id, 2);
    assert_int_equal(result.status, KW_ERR_RESOLVE);
    assert_int_equal(result.count, 0);
    assert_non_null(strstr(result.message, "nobody.test"));
}

static void queries_run_side_by_side(void **state) {
    enum { COUNT = 20 };
    fixture *f = *state;
    bool seen[COUNT] = {false};
    for (uint64_t id = 0; id < COUNT; id++) {
        assert_int_equal(resolver_start(f->resolver, id % 2 ? "node.test" : "localhost", id),
                         KW_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        resolver_result result;
        assert_true(wait_result(f, &result, TEST_ROUNDS));
        assert_int_equal(result.status, KW_OK);
        assert_false(seen[result.id]);
        seen[result.id] = true;
    }
}

static void cancelled_query_gives_no_result(void **state) {
    fixture *f = *state;
    resolver_result result;
    assert_int_equal(resolver_start(f->resolver, "localhost", 1), KW_OK); /* done already */
    assert_int_equal(resolver_start(f->resolver, "node.test", 2), KW_OK);
    assert_int_equal(resolver_start(f->resolver, "node.test", 3), KW_OK);
    resolver_cancel(f->resolver, 1);
    resolver_cancel(f->resolver, 2);
    assert_true(wait_result(f, &result, TEST_ROUNDS));
    assert_int_equal(result.id, 3);
    assert_false(wait_result(f, &result, 10));
}

static void silent_server_ends_the_query_by_its_deadline(void **state) {
    fixture *f = *state;
    resolver_result result;
    assert_int_equal(resolver_start(f->resolver, "mute.test", 4), KW_OK);
    assert_true(wait_result(f, &result, TEST_ROUNDS * 10));
    assert_int_equal(result.status, KW_ERR_RESOLVE);
    assert_true(f->questions > 1); /* it was asked again */
}

static void freeing_with_queries_under_way_leaks_nothing(void **state) {
    fixture *f = *state;
    failing_mem t;
    resolver *r = NULL;
    loop *l = NULL;
    failing_mem_init(&t);
    assert_int_equal(loop_new(&t.mem, &l), KW_OK);
    assert_int_equal(resolver_new(l, &t.mem, NULL, &r), KW_OK);
    resolver_use_servers(r, f->servers);
    assert_int_equal(resolver_start(r, "mute.test", 1), KW_OK);
    assert_int_equal(resolver_start(r, "localhost", 2), KW_OK);
    resolver_free(r);
    loop_free(l);
    assert_int_equal(t.live_count, 0);
}

static void failing_allocator_is_reported(void **state) {
    fixture *f = *state;
    failing_mem t;
    resolver *r = NULL;
    resolver_result result;
    failing_mem_init(&t);
    failing_mem_fail_after(&t, 0);
    assert_int_equal(resolver_new(f->loop, &t.mem, NULL, &r), KW_ERR_NOMEM);
    failing_mem_fail_after(&t, 1);
    assert_int_equal(resolver_new(f->loop, &t.mem, f, &r), KW_OK);
    assert_int_equal(resolver_start(r, "localhost", 1), KW_ERR_NOMEM);
    failing_mem_fail_at(&t, 0);
    assert_int_equal(resolver_start(r, "localhost", 1), KW_OK);
    assert_true(resolver_next(r, &result));
    assert_int_equal(result.status, KW_OK);
    resolver_free(r);
    assert_int_equal(t.live_count, 0);
}

int main(void) {
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(localhost_needs_no_server),
        WITH_SERVER(name_has_its_ipv4_and_ipv6_addresses),
        WITH_SERVER(addresses_past_the_cap_are_left_out),
        WITH_SERVER(unknown_name_is_an_error_that_names_it),
        WITH_SERVER(queries_run_side_by_side),
        WITH_SERVER(cancelled_query_gives_no_result),
        WITH_SERVER(silent_server_ends_the_query_by_its_deadline),
        WITH_SERVER(freeing_with_queries_under_way_leaks_nothing),
        WITH_SERVER(failing_allocator_is_reported),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
