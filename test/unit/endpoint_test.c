#include "core/endpoint.h"

#include "unit/support/unit.h"

static void host_and_port_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        const char *formatted;
    } cases[] = {
        {"127.0.0.1:7000", "127.0.0.1", 7000, "127.0.0.1:7000"},
        {"node-1.example.com:1", "node-1.example.com", 1, "node-1.example.com:1"},
        {"[::1]:65535", "::1", 65535, "[::1]:65535"},
        {"::1:7000", "::1", 7000, "[::1]:7000"},
        {"fe80::1%3:7000", "fe80::1%3", 7000, "[fe80::1%3]:7000"},
        {":7000", "", 7000, ":7000"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        endpoint e;
        char text[ENDPOINT_TEXT_BYTES];
        assert_true(endpoint_parse(slice_text(cases[i].text), &e));
        assert_string_equal(e.host, cases[i].host);
        assert_int_equal(e.port, cases[i].port);
        assert_ptr_equal(endpoint_format(&e, text), text);
        assert_string_equal(text, cases[i].formatted);
        endpoint again;
        assert_true(endpoint_parse(slice_text(text), &again));
        assert_true(endpoint_equal(&e, &again));
    }
}

static void nonsense_is_refused_and_leaves_the_endpoint(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",           "host",        "host:",      "host:0",    "host:65536",
        "host:-1",    "host:x",      "host:70 00", "ho st:70",  "[::1]",
        "[::1:7000",  "[]:7000",     "[:7000",     "host\n:70", ":",
        "host:+7000", "[::1]x:7000", "[[a]:7000",  "a]:7000",   "host:99999999999999999999",
        "\x7f:70",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        endpoint e = {"kept", 5};
        assert_false(endpoint_parse(slice_text(cases[i]), &e));
        assert_string_equal(e.host, "kept");
        assert_int_equal(e.port, 5);
    }
    endpoint e;
    assert_false(endpoint_parse(SLICE_LITERAL("a\0b:7000"), &e));
    assert_false(endpoint_parse(slice_of(NULL, 0), &e));
}

static void longest_host_fits_and_no_longer(void **state) {
    (void)state;
    char host[LIMIT_HOST_BYTES + 1];
    char text[ENDPOINT_TEXT_BYTES];
    endpoint e;
    memset(host, 'h', sizeof(host));
    assert_false(endpoint_make(slice_of(host, LIMIT_HOST_BYTES + 1), 1, &e));
    assert_true(endpoint_make(slice_of(host, LIMIT_HOST_BYTES), 65535, &e));
    assert_int_equal(strlen(endpoint_format(&e, text)), LIMIT_HOST_BYTES + 6);
    host[0] = ':';
    assert_true(endpoint_make(slice_of(host, LIMIT_HOST_BYTES), 65535, &e));
    assert_int_equal(strlen(endpoint_format(&e, text)), LIMIT_HOST_BYTES + 8);
}

static void port_out_of_range_is_refused(void **state) {
    (void)state;
    endpoint e;
    assert_false(endpoint_make(SLICE_LITERAL("h"), 0, &e));
    assert_false(endpoint_make(SLICE_LITERAL("h"), 65536, &e));
    assert_false(endpoint_make(SLICE_LITERAL("h"), UINT64_MAX, &e));
}

static void names_know_no_case_but_paths_do(void **state) {
    (void)state;
    const endpoint a = {"Node.Example", 7000};
    const endpoint b = {"node.example", 7000};
    const endpoint c = {"node.example", 7001};
    const endpoint d = {"/run/A", 0};
    const endpoint e = {"/run/a", 0};
    assert_true(endpoint_equal(&a, &b));
    assert_false(endpoint_equal(&b, &c));
    assert_true(endpoint_equal(&d, &d));
    assert_false(endpoint_equal(&d, &e));
}

static void keys_tell_endpoints_apart(void **state) {
    (void)state;
    static const endpoint endpoints[] = {{.host = "h", .port = 1},   {.host = "h", .port = 256},
                                         {.host = "h1", .port = 1},  {.host = "/h", .port = 0},
                                         {.host = "::1", .port = 1}, {.host = "", .port = 1}};
    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        for (size_t k = 0; k < COUNT_OF(endpoints); k++) {
            char a[ENDPOINT_KEY_BYTES];
            char b[ENDPOINT_KEY_BYTES];
            kw_slice first = endpoint_key(&endpoints[i], a);
            assert_int_equal(slice_equal(first, endpoint_key(&endpoints[k], b)), i == k);
        }
    }
}

static void literals_have_addresses(void **state) {
    (void)state;
    static const struct {
        endpoint endpoint;
        net_family family;
        uint8_t first_byte;
        uint8_t last_byte;
        uint32_t scope_id;
        const char *text;
    } cases[] = {
        {{"127.0.0.1", 7000}, NET_IPV4, 127, 1, 0, "127.0.0.1"},
        {{"255.255.255.254", 1}, NET_IPV4, 255, 254, 0, "255.255.255.254"},
        {{"::1", 7000}, NET_IPV6, 0, 1, 0, "::1"},
        {{"2001:DB8:0:0::7", 7000}, NET_IPV6, 0x20, 7, 0, "2001:db8::7"},
        {{"fe80::5%12", 7000}, NET_IPV6, 0xfe, 5, 12, "fe80::5%12"},
        {{"::ffff:10.0.0.9", 7000}, NET_IPV6, 0, 9, 0, "::ffff:10.0.0.9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        net_address a;
        char text[64];
        assert_true(endpoint_to_address(&cases[i].endpoint, &a));
        assert_int_equal(a.family, cases[i].family);
        assert_int_equal(a.port, cases[i].endpoint.port);
        assert_int_equal(a.ip[0], cases[i].first_byte);
        assert_int_equal(a.ip[a.family == NET_IPV4 ? 3 : 15], cases[i].last_byte);
        assert_int_equal(a.scope_id, cases[i].scope_id);
        assert_string_equal(net_address_format(&a, text, sizeof(text)), cases[i].text);
    }
}

static void path_is_an_address_if_it_fits(void **state) {
    (void)state;
    net_address a;
    endpoint e = {"/run/redis.sock", 0};
    char text[32];
    assert_true(endpoint_to_address(&e, &a));
    assert_int_equal(a.family, NET_UNIX);
    assert_string_equal(a.path, "/run/redis.sock");
    assert_string_equal(net_address_format(&a, text, sizeof(text)), "/run/redis.sock");
    char formatted[ENDPOINT_TEXT_BYTES];
    assert_string_equal(endpoint_format(&e, formatted), "/run/redis.sock");
    memset(e.host, 'p', 108);
    e.host[107] = '\0';
    assert_true(endpoint_to_address(&e, &a));
    e.host[107] = 'p';
    e.host[108] = '\0';
    assert_false(endpoint_to_address(&e, &a));
    e.host[0] = '\0';
    assert_false(endpoint_to_address(&e, &a));
}

static void names_have_no_address_yet(void **state) {
    (void)state;
    static const char *const hosts[] = {
        "localhost",
        "",
        "127.0.0",
        "127.0.0.1.5",
        "256.0.0.1",
        "127.0.0.01x",
        "::g",
        "fe80::1%lo",
        "::1%",
        "1:2:3",
        "::1%99999999999",
        "%3",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        net_address a = {.port = 9};
        endpoint e;
        assert_true(endpoint_make(slice_text(hosts[i]), 7000, &e));
        assert_false(endpoint_to_address(&e, &a));
        assert_int_equal(a.port, 9);
    }
}

static void short_room_for_an_address_is_respected(void **state) {
    (void)state;
    net_address a;
    const endpoint e = {"fe80::5%12", 7000};
    char text[5] = "zzzz";
    assert_true(endpoint_to_address(&e, &a));
    net_address_format(&a, text, 0);
    assert_string_equal(text, "zzzz");
    assert_string_equal(net_address_format(&a, text, sizeof(text)), "fe80");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_read),
        cmocka_unit_test(nonsense_is_refused_and_leaves_the_endpoint),
        cmocka_unit_test(longest_host_fits_and_no_longer),
        cmocka_unit_test(port_out_of_range_is_refused),
        cmocka_unit_test(names_know_no_case_but_paths_do),
        cmocka_unit_test(keys_tell_endpoints_apart),
        cmocka_unit_test(literals_have_addresses),
        cmocka_unit_test(path_is_an_address_if_it_fits),
        cmocka_unit_test(names_have_no_address_yet),
        cmocka_unit_test(short_room_for_an_address_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
