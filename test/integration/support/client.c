#include "integration/support/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

kw_client *client_open_url(const char *url) {
    kw_client *client = NULL;
    kw_error err;
    if (kw_open(url, NULL, &client, &err) != KW_OK) {
        fail_msg("kw_open %s: %s", url, err.message);
    }
    return client;
}

kw_client *client_open(const redis_cluster *cluster, const char *query) {
    char seeds[REDIS_URL_SIZE];
    char url[REDIS_URL_SIZE * 2];
    redis_cluster_url(cluster, seeds);
    snprintf(url, sizeof url, "%s%s%s", seeds, *query ? "?" : "", query);
    return client_open_url(url);
}

static kw_reply *call_va(kw_client *client, const char *format, va_list args) {
    kw_reply *reply = NULL;
    kw_error err;
    if (kw_vcall(client, &reply, &err, format, args) != KW_OK) {
        fail_msg("%s: %s %s: %s (%s)", format, kw_status_name(err.status),
                 kw_outcome_name(err.outcome), err.message, err.node);
    }
    if (kw_reply_is_error(reply)) {
        fail_msg("%s: %s", format, kw_reply_string(reply, NULL));
    }
    return reply;
}

kw_reply *client_call(kw_client *client, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kw_reply *reply = call_va(client, format, args);
    va_end(args);
    return reply;
}

void client_expect_text(kw_client *client, const char *want, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kw_reply *reply = call_va(client, format, args);
    va_end(args);
    assert_non_null(kw_reply_string(reply, NULL));
    assert_string_equal(kw_reply_string(reply, NULL), want);
    kw_reply_free(reply);
}

void client_expect_integer(kw_client *client, int64_t want, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kw_reply *reply = call_va(client, format, args);
    va_end(args);
    assert_int_equal(kw_reply_type(reply), KW_TYPE_INTEGER);
    assert_int_equal(kw_reply_integer(reply), want);
    kw_reply_free(reply);
}

void client_expect_failure(kw_client *client, kw_error *ret_err, const char *format, ...) {
    va_list args;
    kw_reply *reply = NULL;
    va_start(args, format);
    kw_status status = kw_vcall(client, &reply, ret_err, format, args);
    va_end(args);
    if (status == KW_OK) {
        fail_msg("%s succeeds: %s", format, kw_reply_string(reply, NULL));
    }
    assert_null(reply);
    assert_int_equal(ret_err->status, status);
    assert_true(ret_err->message[0] != '\0');
}

uint64_t client_counter(const kw_client *client, kw_counter counter) {
    kw_stats *stats = NULL;
    if (kw_stats_new(client, &stats) != KW_OK) {
        fail_msg("no statistics");
    }
    uint64_t value = kw_stats_total(stats, counter);
    kw_stats_free(stats);
    return value;
}

const char *client_owner(const kw_client *client, int slot, char endpoint[80]) {
    kw_map *map = NULL;
    kw_map_node node;
    if (kw_map_new(client, &map) != KW_OK) {
        fail_msg("no map");
    }
    int owner = kw_map_owner(map, slot);
    endpoint[0] = '\0';
    if (owner >= 0) {
        assert_true(kw_map_node_at(map, (size_t)owner, &node));
        snprintf(endpoint, 80, "%s", node.endpoint);
    }
    kw_map_free(map);
    return endpoint;
}

const char *key_between(int first_slot, int last_slot, int number, char key[32]) {
    for (int i = 0; i < 1000000; i++) {
        char tag[16];
        int len = snprintf(tag, sizeof tag, "%d", i);
        int slot = kw_key_slot(tag, (size_t)len);
        if (slot >= first_slot && slot <= last_slot) {
            snprintf(key, 32, "{%s}%d", tag, number);
            return key;
        }
    }
    fail_msg("no key for slots %d to %d", first_slot, last_slot);
    return NULL;
}
