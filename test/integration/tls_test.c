/* TLS with an ACL user, and the errors of those who are not let in: clear, and long before the
 * command's deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/certificates.h"
#include "integration/support/client.h"

/* A deadline of a minute; errors come so far before it that no busy machine blurs the difference.
 */
#define LONG_TIMEOUT "timeout_ms=60000"
#define LOGIN "app:s3cret%2F%40%3A@"
static const uint64_t soon_us = 30 * 1000000ull;

static int start(void **state) {
    *state = redis_cluster_start(&(redis_cluster_options){
        .tls = true,
        .hostname = "localhost", /* the certificate names it, and 127.0.0.1 for the seed */
        .endpoint_type = "hostname",
        .acl = "user default off\n"
               "user app on >s3cret/@: ~app:* &* +@all\n"
               "user admin on >admin ~* &* +@all\n",
        .user = "admin",
        .password = "admin",
    });
    return 0;
}

static int stop(void **state) {
    redis_cluster_stop(*state);
    return 0;
}

/* scheme://login@host:port?query of one node; ca: a file of the cluster's directory, or NULL. */
static kw_client *open_at(const redis_cluster *cluster, const char *scheme, const char *login,
                          uint16_t port, const char *ca) {
    char url[512];
    int len =
        snprintf(url, sizeof url, "%s://%s%s:%u?" LONG_TIMEOUT, scheme, login, cluster->host, port);
    if (ca) {
        snprintf(url + len, sizeof url - (size_t)len, "&tls_ca_file=%s/%s", cluster->dir.path, ca);
    }
    return client_open_url(url);
}

static void expect_soon(kw_client *client, kw_status status, kw_error *err) {
    uint64_t start_us = now_us();
    client_expect_failure(client, err, "GET app:1");
    print_message("%s: %s (%s)\n", kw_status_name(err->status), err->message, err->node);
    assert_int_equal(err->status, status);
    assert_int_equal(err->outcome, KW_NOT_SENT);
    assert_true(now_us() - start_us < soon_us);
}

static void acl_user_over_tls_reaches_all_nodes(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client =
        open_at(cluster, "rediss", LOGIN, cluster->nodes[0].tls_port, CERTIFICATE_CA_FILE);
    for (int i = 0; i < 300; i++) {
        client_expect_text(client, "OK", "SET app:%d %d", i, i);
    }
    for (int i = 0; i < 300; i++) {
        client_expect_integer(client, i + 1, "INCR app:%d", i);
    }
    client_expect_text(client, "app", "ACL WHOAMI");
    for (int i = 0; i < 3; i++) {
        raw_reply *size = redis_cluster_ask(cluster, i, "DBSIZE");
        assert_true(size->integer > 0);
        raw_reply_free(size);
    }
    /* What the user may not do is a reply, not a failure of the client. */
    kw_reply *reply = NULL;
    kw_error err;
    assert_int_equal(kw_call(client, &reply, &err, "GET other"), KW_OK);
    assert_true(kw_reply_is_error(reply));
    assert_non_null(strstr(kw_reply_string(reply, NULL), "NOPERM"));
    kw_reply_free(reply);
    kw_close(client);
}

static void large_values_pass_through_tls(void **state) {
    enum { SIZE = 3 * 1024 * 1024 };
    redis_cluster *cluster = *state;
    static char value[SIZE];
    for (int i = 0; i < SIZE; i++) {
        value[i] = (char)(i * 31 + i / 251);
    }
    kw_client *client =
        open_at(cluster, "rediss", LOGIN, cluster->nodes[1].tls_port, CERTIFICATE_CA_FILE);
    client_expect_text(client, "OK", "SET app:large %b", value, (size_t)SIZE);
    kw_reply *reply = client_call(client, "GET app:large");
    size_t len = 0;
    const char *got = kw_reply_string(reply, &len);
    assert_int_equal(len, SIZE);
    assert_memory_equal(got, value, SIZE);
    kw_reply_free(reply);
    kw_close(client);
}

static void wrong_password_is_an_auth_error_soon(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    kw_client *client =
        open_at(cluster, "rediss", "app:wrong@", cluster->nodes[0].tls_port, CERTIFICATE_CA_FILE);
    expect_soon(client, KW_ERR_AUTH, &err);
    assert_non_null(strstr(err.message, "WRONGPASS"));
    kw_close(client);
}

static void missing_login_is_an_auth_error_soon(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    kw_client *client =
        open_at(cluster, "rediss", "", cluster->nodes[0].tls_port, CERTIFICATE_CA_FILE);
    expect_soon(client, KW_ERR_AUTH, &err);
    kw_close(client);
}

static void certificate_of_a_stranger_is_a_tls_error_soon(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    kw_client *client =
        open_at(cluster, "rediss", LOGIN, cluster->nodes[0].tls_port, CERTIFICATE_STRANGER_FILE);
    expect_soon(client, KW_ERR_TLS, &err);
    kw_close(client);
}

static void certificate_unknown_to_the_system_is_a_tls_error_soon(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    kw_client *client = open_at(cluster, "rediss", LOGIN, cluster->nodes[0].tls_port, NULL);
    expect_soon(client, KW_ERR_TLS, &err);
    kw_close(client);
}

static void name_not_in_the_certificate_is_a_tls_error_soon(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    char url[512];
    snprintf(
        url, sizeof url,
        "rediss://%s%s:%u?" LONG_TIMEOUT "&tls_ca_file=%s/%s&tls_server_name=elsewhere.example",
        LOGIN, cluster->host, cluster->nodes[0].tls_port, cluster->dir.path, CERTIFICATE_CA_FILE);
    kw_client *client = client_open_url(url);
    expect_soon(client, KW_ERR_TLS, &err);
    kw_close(client);
}

static void demand_certificates(redis_cluster *cluster, const char *demand) {
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_do(cluster, i, "CONFIG SET tls-auth-clients %s", demand);
    }
}

static void server_that_demands_a_certificate_gets_it(void **state) {
    redis_cluster *cluster = *state;
    kw_error err;
    char url[768];
    const char *dir = cluster->dir.path;
    demand_certificates(cluster, "yes");
    snprintf(url, sizeof url,
             "rediss://%s%s:%u?" LONG_TIMEOUT
             "&tls_ca_file=%s/%s&tls_cert_file=%s/%s&tls_key_file=%s/%s",
             LOGIN, cluster->host, cluster->nodes[0].tls_port, dir, CERTIFICATE_CA_FILE, dir,
             CERTIFICATE_FILE, dir, CERTIFICATE_KEY_FILE);
    kw_client *client = client_open_url(url);
    for (int i = 0; i < 30; i++) {
        client_expect_text(client, "OK", "SET app:%d certified", i);
    }
    kw_close(client);
    client = open_at(cluster, "rediss", LOGIN, cluster->nodes[0].tls_port, CERTIFICATE_CA_FILE);
    expect_soon(client, KW_ERR_TLS, &err);
    kw_close(client);
}

static int demand_none(void **state) {
    demand_certificates(*state, "no");
    return 0;
}

/* Who speaks to the wrong kind of port gets no clear answer from it (a plain port waits for the end
 * of what it takes for a command), so the client tries on, and says at the deadline what it met. */
static void expect_in_the_end(const redis_cluster *cluster, const char *scheme, uint16_t port) {
    kw_error err;
    char url[256];
    snprintf(url, sizeof url, "%s://app:x@%s:%u?timeout_ms=2500", scheme, cluster->host, port);
    kw_client *client = client_open_url(url);
    client_expect_failure(client, &err, "GET app:1");
    print_message("%s: %s (%s)\n", kw_status_name(err.status), err.message, err.node);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    snprintf(url, sizeof url, "%s:%u", cluster->host, port);
    assert_non_null(strstr(err.message, url));
    kw_close(client);
}

static void tls_to_a_plain_port_fails_and_names_the_node(void **state) {
    redis_cluster *cluster = *state;
    expect_in_the_end(cluster, "rediss", cluster->nodes[0].port);
}

static void plain_text_to_a_tls_port_fails_and_names_the_node(void **state) {
    redis_cluster *cluster = *state;
    expect_in_the_end(cluster, "redis", cluster->nodes[0].tls_port);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acl_user_over_tls_reaches_all_nodes),
        cmocka_unit_test(large_values_pass_through_tls),
        cmocka_unit_test(wrong_password_is_an_auth_error_soon),
        cmocka_unit_test(missing_login_is_an_auth_error_soon),
        cmocka_unit_test(certificate_of_a_stranger_is_a_tls_error_soon),
        cmocka_unit_test(certificate_unknown_to_the_system_is_a_tls_error_soon),
        cmocka_unit_test(name_not_in_the_certificate_is_a_tls_error_soon),
        cmocka_unit_test_teardown(server_that_demands_a_certificate_gets_it, demand_none),
        cmocka_unit_test(tls_to_a_plain_port_fails_and_names_the_node),
        cmocka_unit_test(plain_text_to_a_tls_port_fails_and_names_the_node),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
