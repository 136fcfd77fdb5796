#include "node/node_settings.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

typedef struct change_row {
    const char *name;
    const char *value;
    const char *result; /* what CONFIG GET shows then, or with '!' before it the refusal */
} change_row;

static const char *show(const node_settings *s, const char *name) {
    static char text[256];
    buffer out;
    buffer_init(&out, &mem_default, 0);
    assert_true(node_settings_show(s, node_settings_find(slice_text(name)), &out));
    slice_copy(text, sizeof text, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

static void changes_as_the_server_does(void **state) {
    (void)state;
    static const change_row rows[] = {
        {"MaxMemory", "xx", "!argument must be a memory value"},
        {"maxmemory", "1gb", "1073741824"},
        {"maxmemory", "1Kb", "1024"},
        {"maxmemory", "18446744073709551615", "18446744073709551615"},
        {"maxmemory", "", "0"},
        {"maxmemory", "1x", "!argument must be a memory value"},
        {"repl-backlog-size", "0", "!argument must be between 1 and 9223372036854775807 inclusive"},
        {"timeout", "01", "!argument couldn't be parsed into an integer"},
        {"timeout", "-1", "!argument must be between 0 and 2147483647 inclusive"},
        {"timeout", "17", "17"},
        {"list-max-ziplist-size", "-3", "-3"},
        {"list-max-listpack-size", "-2147483649",
         "!argument must be between -2147483648 and 2147483647 inclusive"},
        {"appendonly", "YES", "yes"},
        {"appendonly", "maybe", "!argument must be 'yes' or 'no'"},
        {"cluster-preferred-endpoint-type", "Hostname", "hostname"},
        {"cluster-preferred-endpoint-type", "name",
         "!argument(s) must be one of the following: ip, hostname, unknown-endpoint"},
        {"save", "1 2 3", "!Invalid save parameters"},
        {"save", "0 1", "!Invalid save parameters"},
        {"save", "1 -1", "!Invalid save parameters"},
        {"save", "10 1  20 2", "!Invalid save parameters"},
        {"save", "10 1 20 2", "10 1 20 2"},
        {"save", "", ""},
        {"notify-keyspace-events", "KEA", "AKE"},
        {"notify-keyspace-events", "Kglsn", "glsnK"},
        {"notify-keyspace-events", "AmnKE", "AKEm"},
        {"notify-keyspace-events", "xetd$zhslgm", "Am"},
        {"notify-keyspace-events", "Q", "!Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
        {"client-output-buffer-limit", "normal 1 2",
         "!Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "master 1 2 3",
         "!Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1mb 2 -3",
         "!Error in hard, soft or soft_seconds setting in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1mb 2 3 pubsub 1 2 3",
         "normal 1048576 2 3 slave 268435456 67108864 60 pubsub 1 2 3"},
        {"client-output-buffer-limit", "replica 1 1 1",
         "normal 1048576 2 3 slave 1 1 1 pubsub 1 2 3"},
        {"oom-score-adj-values", "1 2", "!wrong number of arguments"},
        {"oom-score-adj-values", "a 2 1",
         "!Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
        {"oom-score-adj-values", "3 2 1", "3 2 1"},
        {"latency-tracking-info-percentiles", "50 101",
         "!latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
        {"latency-tracking-info-percentiles", "50 a",
         "!Invalid latency-tracking-info-percentiles parameters"},
        {"latency-tracking-info-percentiles", "50 99.95", "50 99.95"},
        {"maxmemory-clients", "50%", "50%"},
        {"maxmemory-clients", "150%", "!percentage argument must be less or equal to 100"},
        {"maxmemory-clients", "-5%", "!argument must be a memory or percent value"},
        {"cluster-announce-hostname", "a_b",
         "!Hostnames may only contain alphanumeric characters, hyphens or dots"},
        {"cluster-announce-hostname", "Host-1.example.com", "Host-1.example.com"},
        {"hz", "600", "500"},
        {"port", "7001", "!Unable to listen on this port. Check server logs."},
        {"bind", "10.1.2.3", "!Failed to bind to specified addresses."},
        {"databases", "1", "!can't set immutable config"},
        {"dir", "/tmp", "!can't set protected config"},
    };
    node_settings s;
    node_settings_init(&s, &mem_default);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const change_row *row = &rows[i];
        kw_slice pair[] = {slice_text(row->name), slice_text(row->value)};
        settings_refusal refusal;
        kw_status status = node_settings_change(&s, pair, 1, &refusal);
        const char *result = status == KW_OK ? show(&s, row->name) : refusal.text;
        const char *expected = row->result[0] == '!' ? row->result + 1 : row->result;
        if (strcmp(result, expected) != 0 || (row->result[0] == '!') != (status != KW_OK)) {
            fail_msg("%s %s: %s", row->name, row->value, result);
        }
    }
    node_settings_done(&s);
}

static void several_are_set_together_or_not_at_all(void **state) {
    (void)state;
    node_settings s;
    settings_refusal refusal;
    node_settings_init(&s, &mem_default);
    const kw_slice bad[] = {SLICE_LITERAL("timeout"),     SLICE_LITERAL("5"),
                            SLICE_LITERAL("requirepass"), SLICE_LITERAL("x"),
                            SLICE_LITERAL("hz"),          SLICE_LITERAL("z")};
    assert_int_equal(node_settings_change(&s, bad, 3, &refusal), KW_ERR_INVALID);
    assert_true(slice_is(refusal.argument, "hz"));
    assert_int_equal(node_settings_number(&s, SETTING_TIMEOUT), 0);
    assert_string_equal(node_settings_text(&s, SETTING_REQUIREPASS), "");
    assert_int_equal(node_settings_change(&s, bad, 2, &refusal), KW_OK);
    assert_int_equal(node_settings_number(&s, SETTING_TIMEOUT), 5);
    assert_string_equal(node_settings_text(&s, SETTING_REQUIREPASS), "x");

    const kw_slice twice[] = {SLICE_LITERAL("timeout"), SLICE_LITERAL("6"),
                              SLICE_LITERAL("TIMEOUT"), SLICE_LITERAL("7")};
    assert_int_equal(node_settings_change(&s, twice, 2, &refusal), KW_ERR_INVALID);
    assert_string_equal(refusal.text, "duplicate parameter");
    assert_int_equal(node_settings_number(&s, SETTING_TIMEOUT), 5);

    const kw_slice unknown[] = {SLICE_LITERAL("timeout"), SLICE_LITERAL("6"),
                                SLICE_LITERAL("no-such"), SLICE_LITERAL("7")};
    assert_int_equal(node_settings_change(&s, unknown, 2, &refusal), KW_ERR_INVALID);
    assert_null(refusal.text);
    assert_true(slice_is(refusal.argument, "no-such"));
    node_settings_done(&s);
}

static void an_old_name_is_the_same_setting(void **state) {
    (void)state;
    node_settings s;
    settings_refusal refusal;
    node_settings_init(&s, &mem_default);
    const kw_slice pair[] = {SLICE_LITERAL("slave-priority"), SLICE_LITERAL("7")};
    assert_int_equal(node_settings_change(&s, pair, 1, &refusal), KW_OK);
    assert_string_equal(show(&s, "replica-priority"), "7");
    assert_string_equal(show(&s, "slave-priority"), "7");
    assert_int_equal(node_settings_number(&s, SETTING_SLAVE_PRIORITY), 7);
    node_settings_done(&s);
}

static void a_class_of_events_is_asked_for_by_its_letter_or_by_all(void **state) {
    (void)state;
    node_settings s;
    node_settings_init(&s, &mem_default);
    assert_false(node_settings_notifies(&s, 'g'));
    assert_true(node_settings_put_text(&s, SETTING_NOTIFY_KEYSPACE_EVENTS, "AK"));
    assert_true(node_settings_notifies(&s, 'g'));
    assert_true(node_settings_notifies(&s, 'K'));
    assert_false(node_settings_notifies(&s, 'E'));
    assert_false(node_settings_notifies(&s, 'm'));
    node_settings_done(&s);
}

static void lives_on_without_memory(void **state) {
    (void)state;
    const kw_slice pairs[] = {SLICE_LITERAL("requirepass"), SLICE_LITERAL("x"),
                              SLICE_LITERAL("masterauth"), SLICE_LITERAL("y")};
    for (size_t allowed = 0; allowed < 5; allowed++) {
        failing_mem failing;
        node_settings s;
        settings_refusal refusal;
        failing_mem_init(&failing);
        failing_mem_fail_after(&failing, allowed);
        node_settings_init(&s, &failing.mem);
        kw_status status = node_settings_change(&s, pairs, 2, &refusal);
        bool set = node_settings_text(&s, SETTING_REQUIREPASS)[0] != '\0';
        assert_int_equal(set, node_settings_text(&s, SETTING_MASTERAUTH)[0] != '\0');
        assert_int_equal(set, status == KW_OK);
        node_settings_done(&s);
        assert_int_equal(failing.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_as_the_server_does),
        cmocka_unit_test(several_are_set_together_or_not_at_all),
        cmocka_unit_test(an_old_name_is_the_same_setting),
        cmocka_unit_test(a_class_of_events_is_asked_for_by_its_letter_or_by_all),
        cmocka_unit_test(lives_on_without_memory),
    };
    return cmocka_run_group_tests_name("node_settings", tests, NULL, NULL);
}
