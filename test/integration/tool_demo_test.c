/* `keyway demo`: it comes through with nothing failed and nothing lost, and it would notice if
 * something were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/shell.h"
#include "tool/traffic.h"

#include <keyway/lab.h>

enum { TURNS_MAX = 60000 };

static void demo_loses_nothing(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY demo --rate 5000");
    if (r.status != 0) {
        print_error("%s%s", r.out, r.err);
    }
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_null(strchr(r.out, '\033'));
    const char *last = r.out;
    for (const char *line = r.out; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        last = *line ? line : last;
    }
    unsigned long long commands = 0;
    unsigned long long failed = 1;
    unsigned long long lost = 1;
    assert_int_equal(
        sscanf(last, "%llu commands, %llu failed, %llu lost", &commands, &failed, &lost), 3);
    assert_true(commands > 4 * KW_SLOT_COUNT);
    assert_int_equal(failed, 0);
    assert_int_equal(lost, 0);
    assert_non_null(strstr(r.out, "1000 slots moved"));
    assert_non_null(strstr(r.out, "is promoted"));
    assert_non_null(strstr(r.out, "32768 of 32768 keys read back"));
    shell_result_done(&r);
}

/* ------------------------------------------------------------- the traffic */

typedef struct fixture {
    kw_lab *lab;
    kw_client *client;
    traffic traffic;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(kw_lab_start(NULL, &f->lab, NULL), KW_OK);
    assert_int_equal(kw_open(kw_lab_url(f->lab), NULL, &f->client, NULL), KW_OK);
    traffic_init(&f->traffic, f->client, 5000, 7);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    kw_close(f->client);
    traffic_done(&f->traffic);
    kw_lab_stop(f->lab);
    free(f);
    return 0;
}

static void run(fixture *f, traffic_mode mode, int turns) {
    traffic_start(&f->traffic, mode);
    for (int i = 0; i < TURNS_MAX; i++) {
        if (i == turns) {
            traffic_start(&f->traffic, TRAFFIC_STOPPED);
        }
        if (traffic_is_idle(&f->traffic)) {
            return;
        }
        traffic_step(&f->traffic, clock_us());
        assert_int_equal(kw_wait(f->client, 1), KW_OK);
    }
    fail_msg("the traffic does not come to its end");
}

static void spoil(fixture *f, const char *command, uint32_t slot, const char *value) {
    kw_reply *reply = NULL;
    char key[32];
    snprintf(key, sizeof key, "{item:%u}:a", f->traffic.tags[slot]);
    kw_status status = value ? kw_call(f->client, &reply, NULL, "%s %s %s", command, key, value)
                             : kw_call(f->client, &reply, NULL, "%s %s", command, key);
    assert_int_equal(status, KW_OK);
    assert_false(kw_reply_is_error(reply));
    kw_reply_free(reply);
}

static void sound_values_are_not_called_lost(void **state) {
    fixture *f = *state;
    run(f, TRAFFIC_FILL, -1);
    run(f, TRAFFIC_MIXED, 300);
    run(f, TRAFFIC_READ_BACK, -1);
    assert_int_equal(f->traffic.failed, 0);
    assert_int_equal(f->traffic.lost, 0);
    assert_int_equal(f->traffic.read_back, TRAFFIC_KEYS);
    assert_true(f->traffic.commands > 2 * TRAFFIC_KEYS);
}

static void missing_old_foreign_and_future_values_are_lost(void **state) {
    fixture *f = *state;
    char old[64];
    char future[64];
    char foreign[64];
    run(f, TRAFFIC_FILL, -1);
    snprintf(old, sizeof old, "{item:%u}:a#0", f->traffic.tags[20]);
    snprintf(future, sizeof future, "{item:%u}:a#2", f->traffic.tags[30]);
    snprintf(foreign, sizeof foreign, "{item:%u}:a#1", f->traffic.tags[41]);
    spoil(f, "DEL", 10, NULL);
    spoil(f, "SET", 20, old);
    spoil(f, "SET", 30, future);
    spoil(f, "SET", 40, foreign);
    spoil(f, "SET", 50, "x");
    run(f, TRAFFIC_READ_BACK, -1);
    assert_int_equal(f->traffic.lost, 5);
    assert_int_equal(f->traffic.failed, 0);
}

static void commands_without_reply_are_failures_and_the_first_is_kept(void **state) {
    fixture *f = *state;
    run(f, TRAFFIC_FILL, -1);
    assert_int_equal(kw_lab_assign(f->lab, 0, KW_SLOT_COUNT - 1, -1), KW_OK);
    kw_options *options = NULL;
    kw_client *hasty = NULL;
    assert_int_equal(kw_options_new(&options), KW_OK);
    assert_int_equal(kw_options_set(options, "timeout_ms", "50", NULL), KW_OK);
    assert_int_equal(kw_open(kw_lab_url(f->lab), options, &hasty, NULL), KW_OK);
    kw_options_free(options);
    kw_client *patient = f->client;
    f->client = hasty;
    f->traffic.client = hasty;
    run(f, TRAFFIC_MIXED, 20);
    assert_true(f->traffic.failed > 0);
    assert_non_null(strstr(f->traffic.first_failure, "TIMEOUT"));
    kw_close(patient);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_loses_nothing),
        cmocka_unit_test_setup_teardown(sound_values_are_not_called_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_old_foreign_and_future_values_are_lost, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(commands_without_reply_are_failures_and_the_first_is_kept,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
