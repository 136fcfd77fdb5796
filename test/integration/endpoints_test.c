/* However a cluster names its nodes, the client reaches all of them: by host name, not at all, by
 * IPv6; with RESP3 or RESP2 only; through a Unix socket as seed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/support/client.h"

enum { KEYS = 300 };

static void expect_all_nodes_reached(redis_cluster *cluster, kw_client *client) {
    for (int i = 0; i < KEYS; i++) {
        client_expect_text(client, "OK", "SET key:%d %d", i, i);
    }
    for (int i = 0; i < KEYS; i++) {
        client_expect_integer(client, i + 1, "INCR key:%d", i);
    }
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    for (int i = 0; i < cluster->options.primaries; i++) {
        raw_reply *size = redis_cluster_ask(cluster, i, "DBSIZE");
        assert_true(size->integer > 0);
        raw_reply_free(size);
    }
}

/* One slot moves without the client's knowledge, so that its MOVED names the other node. */
static void expect_moved_is_followed(redis_cluster *cluster, kw_client *client) {
    char key[32];
    slot_move move = {.from = redis_cluster_connect(cluster, 0, 20000),
                      .to = redis_cluster_connect(cluster, 1, 20000),
                      .from_id = cluster->nodes[0].id,
                      .to_id = cluster->nodes[1].id,
                      .to_host = cluster->host,
                      .to_port = cluster->nodes[1].port};
    key_between(0, 0, 1, key);
    client_expect_text(client, "OK", "SET %s 1", key);
    assert_true(slot_move_run(&move, 0));
    uint64_t before = client_counter(client, KW_COUNT_MOVED);
    client_expect_text(client, "1", "GET %s", key);
    assert_int_equal(client_counter(client, KW_COUNT_MOVED), before + 1);
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    raw_close(move.from);
    raw_close(move.to);
}

static void expect_works(const redis_cluster_options *options, const char *query) {
    redis_cluster *cluster = redis_cluster_start(options);
    kw_client *client = client_open(cluster, query);
    expect_all_nodes_reached(cluster, client);
    expect_moved_is_followed(cluster, client);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void host_names_are_resolved(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(
        &(redis_cluster_options){.hostname = "localhost", .endpoint_type = "hostname"});
    char url[128];
    char owner[80];
    char want[80];
    snprintf(url, sizeof url, "redis://localhost:%u?timeout_ms=20000", cluster->nodes[0].port);
    kw_client *client = client_open_url(url);
    expect_all_nodes_reached(cluster, client);
    expect_moved_is_followed(cluster, client);
    snprintf(want, sizeof want, "localhost:%u", cluster->nodes[2].port);
    assert_string_equal(client_owner(client, cluster->nodes[2].last_slot, owner), want);
    kw_close(client);
    redis_cluster_stop(cluster);
}

/* As behind NAT: what the cluster announces leads nowhere, and the program knows better. */
static void remap_inwards(void *arg, char *host, size_t host_size, uint16_t *port) {
    int *calls = arg;
    ++*calls;
    assert_true(*port != 0);
    if (strcmp(host, "node.invalid") == 0) {
        snprintf(host, host_size, "127.0.0.1");
    }
}

static void announced_endpoints_can_be_remapped(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(
        &(redis_cluster_options){.hostname = "node.invalid", .endpoint_type = "hostname"});
    char url[REDIS_URL_SIZE];
    int calls = 0;
    kw_options *options = NULL;
    kw_client *client = NULL;
    kw_error err;
    assert_int_equal(kw_options_new(&options), KW_OK);
    kw_options_set_remap(options, remap_inwards, &calls);
    assert_int_equal(kw_open(redis_cluster_url(cluster, url), options, &client, &err), KW_OK);
    kw_options_free(options);
    expect_all_nodes_reached(cluster, client);
    expect_moved_is_followed(cluster, client);
    assert_true(calls > 0);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void unknown_endpoints_mean_the_host_asked(void **state) {
    (void)state;
    expect_works(&(redis_cluster_options){.endpoint_type = "unknown-endpoint"}, "timeout_ms=20000");
}

static void resp2_alone_is_enough(void **state) {
    (void)state;
    expect_works(&(redis_cluster_options){0}, "timeout_ms=20000&resp=2");
}

static bool machine_has_ipv6(void) {
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return has;
}

static void ipv6_addresses_are_reached(void **state) {
    (void)state;
    if (!machine_has_ipv6()) {
        print_message("skipped: this machine has no ::1\n");
        skip();
    }
    expect_works(&(redis_cluster_options){.host = "::1"}, "timeout_ms=20000");
}

static void unix_socket_serves_as_seed(void **state) {
    (void)state;
    static const char *const settings[] = {"--unixsocket", "seed.sock", NULL};
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.primaries = 1, .settings = settings});
    char url[160];
    snprintf(url, sizeof url, "unix://%s/seed.sock?timeout_ms=20000", cluster->dir.path);
    kw_client *client = client_open_url(url);
    client_expect_text(client, "OK", "SET key 1");
    client_expect_integer(client, 2, "INCR key");
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void server_that_is_no_cluster_is_named_so(void **state) {
    (void)state;
    temp_dir dir;
    char port[8];
    char log[128];
    char url[128];
    kw_error err;
    uint16_t number = port_reserve();
    snprintf(port, sizeof port, "%u", number);
    assert_true(temp_dir_make(&dir));
    snprintf(log, sizeof log, "%s/alone.log", dir.path);
    char *argv[] = {"redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", NULL};
    pid_t alone = process_start(argv, log);
    raw *r = NULL;
    for (uint64_t end_us = now_us() + 60 * 1000000ull; !r && now_us() < end_us; sleep_ms(5)) {
        r = raw_open("127.0.0.1", number, 1000);
    }
    assert_non_null(r);
    raw_close(r);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=60000", number);
    kw_client *client = client_open_url(url);
    uint64_t start_us = now_us();
    client_expect_failure(client, &err, "GET key");
    print_message("%s: %s\n", kw_status_name(err.status), err.message);
    assert_int_equal(err.status, KW_ERR_NOT_CLUSTER);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_true(now_us() - start_us < 30 * 1000000ull);
    kw_close(client);
    process_kill(alone);
    temp_dir_remove(&dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names_are_resolved),
        cmocka_unit_test(announced_endpoints_can_be_remapped),
        cmocka_unit_test(unknown_endpoints_mean_the_host_asked),
        cmocka_unit_test(resp2_alone_is_enough),
        cmocka_unit_test(ipv6_addresses_are_reached),
        cmocka_unit_test(unix_socket_serves_as_seed),
        cmocka_unit_test(server_that_is_no_cluster_is_named_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
