#include "client/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static kw_options *new_options(void) {
    kw_options *options = NULL;
    assert_int_equal(kw_options_new(&options), KW_OK);
    return options;
}

/* ------------------------------------------------------------------- defaults */

static void defaults_are_those_of_the_specification(void **state) {
    (void)state;
    kw_options *options = new_options();
    const cluster_config *c = &options->config;
    assert_int_equal(c->timeout_us, 5000000);
    assert_int_equal(c->connect_timeout_us, 1000000);
    assert_int_equal(c->refresh_interval_us, 60000000);
    assert_int_equal(c->refresh_window_us, 1000000);
    assert_int_equal(c->refresh_urgent_gap_us, 1000000);
    assert_int_equal(c->refresh_urgent_jitter_us, 100000);
    assert_int_equal(c->refresh_hedge_us, 300000);
    assert_int_equal(c->refresh_timeout_us, 1000000);
    assert_int_equal(c->retry_min_us, 10000);
    assert_int_equal(c->retry_max_us, 1000000);
    assert_int_equal(c->reconnect_min_us, 100000);
    assert_int_equal(c->reconnect_max_us, 10000000);
    assert_int_equal(c->idle_ping_us, 15000000);
    assert_int_equal(c->failover_probe_us, 100000);
    assert_int_equal(c->connections_per_node, 1);
    assert_int_equal(c->retry_percent, 10);
    assert_int_equal(c->suspect_timeouts, 3);
    assert_int_equal(c->in_flight_max, LIMIT_IN_FLIGHT);
    assert_int_equal(c->in_flight_bytes_max, LIMIT_IN_FLIGHT_BYTES);
    assert_int_equal(c->waiting_max, LIMIT_WAITING);
    assert_int_equal(c->waiting_bytes_max, LIMIT_WAITING_BYTES);
    assert_int_equal(c->reply_bytes_max, LIMIT_REPLY_BYTES);
    assert_int_equal(c->uncovered, UNCOVERED_WAIT);
    assert_int_equal(c->resp, 3);
    assert_false(c->require_full_coverage);
    assert_false(c->eager);
    assert_null(c->remap);
    assert_null(options->user);
    assert_null(options->password);
    assert_true(options->lib_name);
    assert_false(options->tls);
    assert_true(options->tls_verify);
    assert_int_equal(options->seed, 0);
    assert_int_equal(options_check(options, NULL), KW_OK);
    kw_options_free(options);
}

static void defaults_are_the_brains_own(void **state) {
    (void)state;
    kw_options *options = new_options();
    cluster_config brain;
    cluster_config_init(&brain);
#define SAME(field) assert_true(options->config.field == brain.field)
    SAME(timeout_us);
    SAME(connect_timeout_us);
    SAME(refresh_interval_us);
    SAME(refresh_window_us);
    SAME(refresh_urgent_gap_us);
    SAME(refresh_urgent_jitter_us);
    SAME(refresh_hedge_us);
    SAME(refresh_timeout_us);
    SAME(retry_min_us);
    SAME(retry_max_us);
    SAME(reconnect_min_us);
    SAME(reconnect_max_us);
    SAME(idle_ping_us);
    SAME(failover_probe_us);
    SAME(connections_per_node);
    SAME(retry_percent);
    SAME(suspect_timeouts);
    SAME(in_flight_max);
    SAME(in_flight_bytes_max);
    SAME(waiting_max);
    SAME(waiting_bytes_max);
    SAME(reply_bytes_max);
    SAME(uncovered);
    SAME(require_full_coverage);
    SAME(eager);
    SAME(resp);
    SAME(resolve_literals);
#undef SAME
    kw_options_free(options);
}

static void every_default_can_be_set(void **state) {
    (void)state;
    kw_options *options = new_options();
    const char *initial;
    const char *help;
    const char *name;
    size_t count = 0;
    while ((name = kw_options_describe(count, &initial, &help)) != NULL) {
        kw_error err;
        if (kw_options_set(options, name, initial, &err) != KW_OK) {
            fail_msg("%s=%s: %s", name, initial, err.message);
        }
        assert_true(strlen(help) > 5);
        assert_true(options_has(slice_text(name)));
        count++;
    }
    assert_true(count > 30);
    assert_null(kw_options_describe(count + 1, NULL, NULL));
    assert_string_equal(kw_options_describe(0, NULL, NULL), "timeout_ms");
    kw_options_free(options);
}

/* --------------------------------------------------------------------- values */

static void numbers_are_set_within_their_range(void **state) {
    (void)state;
    kw_options *options = new_options();
    kw_error err;
    assert_int_equal(kw_options_set(options, "timeout_ms", "250", &err), KW_OK);
    assert_int_equal(options->config.timeout_us, 250000);
    assert_int_equal(kw_options_set(options, "connections_per_node", "16", &err), KW_OK);
    assert_int_equal(options->config.connections_per_node, 16);
    assert_int_equal(kw_options_set(options, "seed", "18446744073709551615", &err), KW_OK);
    assert_true(options->seed == UINT64_MAX);
    assert_int_equal(kw_options_set(options, "resp", "2", &err), KW_OK);
    assert_int_equal(options->config.resp, 2);
    assert_int_equal(kw_options_set(options, "keepalive_s", "0", &err), KW_OK);
    assert_int_equal(options->keepalive_s, 0);
    kw_options_free(options);
}

static void switches_know_several_words(void **state) {
    (void)state;
    static const char *const words[][2] = {
        {"yes", "no"}, {"on", "off"}, {"true", "false"}, {"1", "0"}, {"Yes", "NO"}};
    kw_options *options = new_options();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(kw_options_set(options, "eager", words[i][0], NULL), KW_OK);
        assert_true(options->config.eager);
        assert_int_equal(kw_options_set(options, "eager", words[i][1], NULL), KW_OK);
        assert_false(options->config.eager);
    }
    assert_int_equal(kw_options_set(options, "uncovered", "fail", NULL), KW_OK);
    assert_int_equal(options->config.uncovered, UNCOVERED_FAIL);
    assert_int_equal(kw_options_set(options, "uncovered", "wait", NULL), KW_OK);
    assert_int_equal(options->config.uncovered, UNCOVERED_WAIT);
    kw_options_free(options);
}

static void empty_text_unsets(void **state) {
    (void)state;
    kw_options *options = new_options();
    assert_int_equal(kw_options_set(options, "client_name", "worker-1", NULL), KW_OK);
    assert_string_equal(options->client_name, "worker-1");
    assert_int_equal(kw_options_set(options, "client_name", "worker-2", NULL), KW_OK);
    assert_string_equal(options->client_name, "worker-2");
    assert_int_equal(kw_options_set(options, "client_name", "", NULL), KW_OK);
    assert_null(options->client_name);
    kw_options_free(options);
}

static void wrong_values_are_refused_with_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        const char *message;
    } rows[] = {
        {"timeout_ms", "0", "option timeout_ms: \"0\" is not a number from 1 to 86400000"},
        {"timeout_ms", "86400001", "not a number from 1 to 86400000"},
        {"timeout_ms", "", "not a number"},
        {"timeout_ms", "5s", "\"5s\" is not a number"},
        {"timeout_ms", "-1", "not a number"},
        {"timeout_ms", " 5", "not a number"},
        {"timeout_ms", "99999999999999999999999", "not a number"},
        {"timeout_ms", "5\n\x1b[31m", "\"5??[31m\""},
        {"connections_per_node", "17", "from 1 to 16"},
        {"connections_per_node", "4294967297", "from 1 to 16"},
        {"resp", "4", "from 2 to 3"},
        {"eager", "maybe", "option eager: \"maybe\" is not yes or no"},
        {"eager", "", "not yes or no"},
        {"uncovered", "yes", "wait or fail"},
        {"client_name", "two words", "one word"},
        {"client_name", "caf\xc3\xa9", "one word"},
        {"nosuch", "1", "there is no option \"nosuch\""},
        {"timout_ms", "1", "there is no option \"timout_ms\"; did you mean timeout_ms?"},
        {"TIMEOUT_MS", "1", "there is no option"},
        {"", "1", "there is no option"},
    };
    kw_options *options = new_options();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kw_error err = {0};
        kw_status status = kw_options_set(options, rows[i].name, rows[i].value, &err);
        if (status != KW_ERR_INVALID || !strstr(err.message, rows[i].message)) {
            fail_msg("%s=%s: %s", rows[i].name, rows[i].value, err.message);
        }
        assert_int_equal(err.status, KW_ERR_INVALID);
        assert_int_equal(err.outcome, KW_NOT_SENT);
        assert_int_equal(err.slot, -1);
    }
    assert_int_equal(options->config.timeout_us, 5000000);
    assert_int_equal(kw_options_set(NULL, "eager", "yes", NULL), KW_ERR_INVALID);
    assert_int_equal(kw_options_set(options, NULL, "yes", NULL), KW_ERR_INVALID);
    assert_int_equal(kw_options_set(options, "eager", NULL, NULL), KW_ERR_INVALID);
    kw_options_free(options);
}

static void long_text_is_refused_without_showing_it(void **state) {
    (void)state;
    char text[OPTION_TEXT_BYTES_MAX + 2];
    memset(text, 's', sizeof text);
    text[sizeof text - 1] = '\0';
    kw_options *options = new_options();
    kw_error err;
    assert_int_equal(kw_options_set(options, "password", text, &err), KW_ERR_INVALID);
    assert_null(strstr(err.message, "sss"));
    text[OPTION_TEXT_BYTES_MAX] = '\0';
    assert_int_equal(kw_options_set(options, "password", text, &err), KW_OK);
    assert_string_equal(options->password, text);
    kw_options_free(options);
}

/* ---------------------------------------------------------------------- whole */

static void contradictions_are_found(void **state) {
    (void)state;
    static const struct {
        const char *names[2];
        const char *values[2];
        const char *message;
    } rows[] = {
        {{"retry_min_ms", "retry_max_ms"}, {"20", "10"}, "retry_min_ms"},
        {{"reconnect_min_ms", "reconnect_max_ms"}, {"20", "10"}, "reconnect_min_ms"},
        {{"user", "eager"}, {"ann", "no"}, "no password"},
        {{"tls", "tls_key_file"}, {"yes", "k.pem"}, "no tls_cert_file"},
        {{"tls_ca_file", "eager"}, {"ca.pem", "no"}, "rediss"},
        {{"tls_ca_dir", "eager"}, {"ca", "no"}, "rediss"},
        {{"tls_cert_file", "eager"}, {"c.pem", "no"}, "rediss"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kw_options *options = new_options();
        for (size_t n = 0; n < 2; n++) {
            assert_int_equal(kw_options_set(options, rows[i].names[n], rows[i].values[n], NULL),
                             KW_OK);
        }
        kw_error err = {0};
        assert_int_equal(options_check(options, &err), KW_ERR_INVALID);
        assert_non_null(strstr(err.message, rows[i].message));
        kw_options_free(options);
    }
}

static void remap_nothing(void *arg, char *host, size_t host_size, uint16_t *port) {
    (void)arg;
    (void)host;
    (void)host_size;
    (void)port;
}

static void copy_has_texts_of_its_own(void **state) {
    (void)state;
    kw_options *options = new_options();
    int mark;
    assert_int_equal(kw_options_set(options, "user", "ann", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "password", "secret", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "timeout_ms", "7", NULL), KW_OK);
    kw_options_set_remap(options, remap_nothing, &mark);
    kw_options *copy = NULL;
    assert_int_equal(options_copy(&mem_default, options, &copy), KW_OK);
    kw_options_free(options);
    endpoint seed = {.host = "h", .port = 1};
    cluster_config config;
    options_config(copy, &seed, 1, &config);
    assert_string_equal(config.user, "ann");
    assert_string_equal(config.password, "secret");
    assert_null(config.client_name);
    assert_string_equal(config.lib_name, "keyway");
    assert_string_equal(config.lib_version, KW_VERSION_STRING);
    assert_int_equal(config.timeout_us, 7000);
    assert_ptr_equal(config.seeds, &seed);
    assert_int_equal(config.seed_count, 1);
    assert_true(config.remap == remap_nothing);
    assert_ptr_equal(config.remap_arg, &mark);
    assert_int_equal(kw_options_set(copy, "lib_name", "no", NULL), KW_OK);
    options_config(copy, &seed, 1, &config);
    assert_null(config.lib_name);
    assert_null(config.lib_version);
    kw_options_free(copy);
}

static void tls_and_stream_get_their_options(void **state) {
    (void)state;
    kw_options *options = new_options();
    static const char *const rows[][2] = {{"tls_ca_file", "a"},     {"tls_ca_dir", "b"},
                                          {"tls_cert_file", "c"},   {"tls_key_file", "d"},
                                          {"tls_server_name", "e"}, {"tls_verify", "no"},
                                          {"keepalive_s", "11"},    {"tcp_user_timeout_ms", "12"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(kw_options_set(options, rows[i][0], rows[i][1], NULL), KW_OK);
    }
    tls_config tls;
    options_tls(options, &tls);
    assert_string_equal(tls.ca_file, "a");
    assert_string_equal(tls.ca_dir, "b");
    assert_string_equal(tls.cert_file, "c");
    assert_string_equal(tls.key_file, "d");
    assert_string_equal(tls.server_name, "e");
    assert_false(tls.verify);
    stream_options connection;
    options_stream(options, &connection);
    assert_int_equal(connection.keepalive_s, 11);
    assert_int_equal(connection.user_timeout_ms, 12);
    assert_null(connection.tls);
    kw_options_free(options);
}

typedef struct counting {
    int left;
    int live;
} counting;

static void *counting_alloc(void *arg, size_t size) {
    counting *c = arg;
    if (c->left-- <= 0) {
        return NULL;
    }
    c->live++;
    return malloc(size);
}

static void *counting_resize(void *arg, void *ptr, size_t size) {
    counting *c = arg;
    return c->left-- > 0 ? realloc(ptr, size) : NULL;
}

static void counting_release(void *arg, void *ptr) {
    counting *c = arg;
    c->live--;
    free(ptr);
}

static void copying_survives_every_failed_allocation(void **state) {
    (void)state;
    kw_options *options = new_options();
    assert_int_equal(kw_options_set(options, "user", "ann", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "password", "secret", NULL), KW_OK);
    for (int allowed = 0; allowed <= 3; allowed++) {
        counting c = {.left = allowed};
        mem m = {counting_alloc, counting_resize, counting_release, &c};
        kw_options *copy = NULL;
        kw_status status = options_copy(&m, options, &copy);
        assert_int_equal(status, allowed < 3 ? KW_ERR_NOMEM : KW_OK);
        assert_int_equal(copy != NULL, allowed == 3);
        kw_options_free(copy);
        assert_int_equal(c.live, 0);
    }
    kw_options_free(options);
}

static void allocator_needs_all_three(void **state) {
    (void)state;
    kw_options *options = new_options();
    counting c = {0};
    assert_int_equal(kw_options_set_allocator(options, counting_alloc, NULL, counting_release, &c),
                     KW_ERR_INVALID);
    assert_int_equal(
        kw_options_set_allocator(options, counting_alloc, counting_resize, counting_release, &c),
        KW_OK);
    assert_ptr_equal(options->memory.arg, &c);
    kw_options_free(options);
    assert_int_equal(c.live, 0);
    kw_options_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_specification),
        cmocka_unit_test(defaults_are_the_brains_own),
        cmocka_unit_test(every_default_can_be_set),
        cmocka_unit_test(numbers_are_set_within_their_range),
        cmocka_unit_test(switches_know_several_words),
        cmocka_unit_test(empty_text_unsets),
        cmocka_unit_test(wrong_values_are_refused_with_what_is_allowed),
        cmocka_unit_test(long_text_is_refused_without_showing_it),
        cmocka_unit_test(contradictions_are_found),
        cmocka_unit_test(copy_has_texts_of_its_own),
        cmocka_unit_test(tls_and_stream_get_their_options),
        cmocka_unit_test(copying_survives_every_failed_allocation),
        cmocka_unit_test(allocator_needs_all_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
