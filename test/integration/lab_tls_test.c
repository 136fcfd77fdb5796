/* The lab over TLS: this tree's client and redis-cli reach all its nodes, by TLS only or beside
 * plain ports, with a certificate made at the start or with files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/support/certificates.h"
#include "integration/support/client.h"
#include "integration/support/shell.h"
#include "unit/support/lab_peer.h"

static char directory[] = "/tmp/keyway-lab-tls-XXXXXX";

static const char *path_of(char dst[128], const char *name) {
    snprintf(dst, 128, "%s/%s", directory, name);
    return dst;
}

static int make_directory(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_true(certificates_make(directory));
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    shell_result r = shell("rm -r %s", directory);
    shell_result_done(&r);
    return 0;
}

static kw_lab_options *options_of(kw_lab_tls tls) {
    kw_lab_options *options = NULL;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_tls(options, tls), KW_OK);
    return options;
}

static void write_trust(const kw_lab *lab) {
    char path[128];
    FILE *file = fopen(path_of(path, "lab.pem"), "w");
    assert_non_null(file);
    fputs(kw_lab_tls_certificate(lab), file);
    fclose(file);
}

/* A handle that comes by TLS and trusts the lab. */
static kw_client *open_client(const kw_lab *lab, const char *more) {
    char url[4096];
    char path[128];
    write_trust(lab);
    snprintf(url, sizeof url, "%s?tls_ca_file=%s%s", kw_lab_tls_url(lab), path_of(path, "lab.pem"),
             more);
    return client_open_url(url);
}

static void use_all_nodes(kw_client *client) {
    for (int i = 0; i < 200; i++) {
        client_expect_text(client, "OK", "SET key:%d %d", i, i);
    }
    for (int i = 0; i < 200; i++) {
        client_expect_integer(client, i + 1, "INCR key:%d", i);
    }
}

static void client_reaches_all_nodes_by_tls_only(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_ONLY));
    assert_memory_equal(kw_lab_url(lab), "rediss://", 9);
    assert_string_equal(kw_lab_url(lab), kw_lab_tls_url(lab));
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", lab_peer_node(lab, 5).tls_port);
    assert_string_equal(lab_peer_node(lab, 5).endpoint, endpoint);
    char *nodes = NULL;
    assert_int_equal(kw_lab_command(lab, &nodes, NULL, "NODES"), KW_OK);
    assert_non_null(strstr(nodes, endpoint));
    kw_lab_free_text(nodes);
    kw_client *client = open_client(lab, "");
    use_all_nodes(client);
    for (int i = 0; i < 3; i++) {
        assert_true(lab_peer_node(lab, i).key_count > 0);
    }
    kw_close(client);
    kw_lab_stop(lab);
}

static void tls_beside_plain_redirects_to_ports_of_its_kind(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_BESIDE));
    assert_memory_equal(kw_lab_url(lab), "redis://", 8);
    assert_memory_equal(kw_lab_tls_url(lab), "rediss://", 9);
    kw_client *tls = open_client(lab, "");
    kw_client *plain = client_open_url(kw_lab_url(lab));
    use_all_nodes(tls);
    for (int i = 0; i < 200; i++) {
        client_expect_integer(plain, i + 2, "INCR key:%d", i);
    }
    for (int i = 0; i < 3; i++) {
        char tls_port[32];
        char expected[64];
        const char *plain_port = strchr(lab_peer_node(lab, i).endpoint, ':');
        snprintf(tls_port, sizeof tls_port, ":%u", lab_peer_node(lab, i).tls_port);
        assert_string_not_equal(tls_port, plain_port);
        snprintf(expected, sizeof expected, "127.0.0.1%s", tls_port);
        assert_string_equal(client_owner(tls, i * 5461 + 10, (char[80]){0}), expected);
        assert_string_equal(client_owner(plain, i * 5461 + 10, (char[80]){0}),
                            lab_peer_node(lab, i).endpoint);
    }
    kw_close(tls);
    kw_close(plain);
    kw_lab_stop(lab);
}

static void large_values_pass(void **state) {
    enum { SIZE = 5 * 1024 * 1024 };
    (void)state;
    static char value[SIZE];
    for (int i = 0; i < SIZE; i++) {
        value[i] = (char)(i * 31 + i / 251);
    }
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_ONLY));
    kw_client *client = open_client(lab, "");
    client_expect_text(client, "OK", "SET large %b", value, (size_t)SIZE);
    kw_reply *reply = client_call(client, "GET large");
    size_t len = 0;
    const char *got = kw_reply_string(reply, &len);
    assert_int_equal(len, SIZE);
    assert_memory_equal(got, value, SIZE);
    kw_reply_free(reply);
    kw_close(client);
    kw_lab_stop(lab);
}

static void a_killed_node_comes_back_on_its_tls_port(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_BESIDE));
    uint16_t port = lab_peer_node(lab, 0).tls_port;
    kw_client *client = open_client(lab, "&timeout_ms=20000");
    use_all_nodes(client);
    assert_int_equal(kw_lab_kill(lab, 0), KW_OK);
    for (int i = 0; i < 200; i++) { /* reads may be sent again when a connection breaks */
        kw_reply_free(client_call(client, "GET key:%d", i));
    }
    for (int i = 0; i < 200; i++) {
        client_expect_integer(client, i + 2, "INCR key:%d", i);
    }
    assert_int_equal(kw_lab_revive(lab, 0), KW_OK);
    assert_int_equal(lab_peer_node(lab, 0).tls_port, port);
    assert_int_equal(kw_lab_promote(lab, 0), KW_OK);
    for (int i = 0; i < 200; i++) {
        client_expect_integer(client, i + 3, "INCR key:%d", i);
    }
    kw_close(client);
    kw_lab_stop(lab);
}

static void redis_cli_comes_by_tls(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_BESIDE));
    char path[128];
    write_trust(lab);
    shell_result r =
        shell("printf 'SET a 1\\nSET b 2\\nSET c 3\\nGET a\\nGET b\\nGET c\\n' | "
              "timeout 20 redis-cli --tls --cacert %s -c -h localhost -p %u | grep -v Redirected",
              path_of(path, "lab.pem"), lab_peer_node(lab, 0).tls_port);
    assert_string_equal(r.out, "OK\nOK\nOK\n1\n2\n3\n");
    shell_result_done(&r);
    r = shell("timeout 20 redis-cli --tls --cacert %s --cluster check 127.0.0.1:%u", path,
              lab_peer_node(lab, 0).tls_port);
    if (!strstr(r.out, "[OK] All 16384 slots covered.")) {
        fail_msg("%s", r.out);
    }
    shell_result_done(&r);
    kw_lab_stop(lab);
}

static void strangers_are_turned_away(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_ONLY));
    kw_error err;
    char url[4096];
    char path[128];
    snprintf(url, sizeof url, "%s?timeout_ms=60000&tls_ca_file=%s", kw_lab_tls_url(lab),
             path_of(path, CERTIFICATE_CA_FILE));
    kw_client *client = client_open_url(url);
    client_expect_failure(client, &err, "GET a");
    assert_int_equal(err.status, KW_ERR_TLS);
    kw_close(client);
    snprintf(url, sizeof url, "redis://%s?timeout_ms=1500", lab_peer_node(lab, 0).endpoint);
    client = client_open_url(url); /* plain text to a TLS port */
    client_expect_failure(client, &err, "GET a");
    assert_int_equal(err.outcome, KW_NOT_SENT);
    kw_close(client);
    kw_lab_stop(lab);
}

static void clients_must_show_certificates(void **state) {
    (void)state;
    char ca[128];
    char cert[128];
    char key[128];
    char more[512];
    kw_error err;
    kw_lab_options *options = options_of(KW_LAB_TLS_ONLY);
    assert_int_equal(kw_lab_options_set_tls_files(options, path_of(cert, CERTIFICATE_FILE),
                                                  path_of(key, CERTIFICATE_KEY_FILE)),
                     KW_OK);
    assert_int_equal(kw_lab_options_set_tls_clients(options, KW_LAB_TLS_CLIENTS_REQUIRED,
                                                    path_of(ca, CERTIFICATE_CA_FILE)),
                     KW_OK);
    kw_lab *lab = lab_peer_start(options);
    char url[4096];
    snprintf(more, sizeof more, "?timeout_ms=60000&tls_ca_file=%s", ca);
    snprintf(url, sizeof url, "%s%s", kw_lab_tls_url(lab), more);
    kw_client *client = client_open_url(url);
    client_expect_failure(client, &err, "GET a");
    assert_int_equal(err.status, KW_ERR_TLS);
    kw_close(client);
    snprintf(url, sizeof url, "%s%s&tls_cert_file=%s&tls_key_file=%s", kw_lab_tls_url(lab), more,
             cert, key);
    client = client_open_url(url);
    use_all_nodes(client);
    kw_close(client);
    kw_lab_stop(lab);
}

static void unusable_files_are_named(void **state) {
    (void)state;
    kw_lab *lab = NULL;
    kw_error err;
    kw_lab_options *options = options_of(KW_LAB_TLS_ONLY);
    assert_int_equal(kw_lab_options_set_tls_files(options, "/nonexistent/cert.pem", NULL), KW_OK);
    assert_int_equal(kw_lab_start(options, &lab, &err), KW_ERR_TLS);
    assert_non_null(strstr(err.message, "/nonexistent/cert.pem"));
    assert_null(lab);
    kw_lab_options_free(options);
}

static void a_lab_without_tls_has_none_of_it(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(options_of(KW_LAB_TLS_OFF));
    assert_null(kw_lab_tls_url(lab));
    assert_null(kw_lab_tls_certificate(lab));
    assert_int_equal(lab_peer_node(lab, 0).tls_port, 0);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_reaches_all_nodes_by_tls_only),
        cmocka_unit_test(tls_beside_plain_redirects_to_ports_of_its_kind),
        cmocka_unit_test(large_values_pass),
        cmocka_unit_test(a_killed_node_comes_back_on_its_tls_port),
        cmocka_unit_test(redis_cli_comes_by_tls),
        cmocka_unit_test(strangers_are_turned_away),
        cmocka_unit_test(clients_must_show_certificates),
        cmocka_unit_test(unusable_files_are_named),
        cmocka_unit_test(a_lab_without_tls_has_none_of_it),
    };
    return cmocka_run_group_tests_name("lab tls", tests, make_directory, remove_directory);
}
