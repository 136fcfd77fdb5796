/* The scripts of examples/lab/, played by `keyway lab` under a client's load: no command fails, and
 * no acknowledged write is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/process.h"
#include "integration/support/shell.h"
#include "tool/traffic.h"

enum { START_MS = 10000, LONGEST_US = 60 * 1000 * 1000, RATE = 4000, TEXT_SIZE = 64 * 1024 };

typedef struct played {
    temp_dir dir;
    pid_t lab;
    char output[96];
    char text[TEXT_SIZE]; /* what the lab has printed */
    char *url;
    kw_client *client;
    traffic traffic;
} played;

static void read_output(played *p) {
    FILE *from = fopen(p->output, "r");
    size_t len = from ? fread(p->text, 1, sizeof p->text - 1, from) : 0;
    p->text[len] = '\0';
    if (from) {
        fclose(from);
    }
}

static void start_lab(played *p, const char *script) {
    char path[512];
    const char *program = getenv("KEYWAY_BINARY");
    const char *source = getenv("KEYWAY_SOURCE");
    snprintf(path, sizeof path, "%s/examples/lab/%s.lab", source ? source : ".", script);
    char *argv[] = {(char *)(uintptr_t)(program ? program : "build/keyway"),
                    "lab",
                    "--port",
                    "0",
                    "--script",
                    path,
                    NULL};
    assert_true(temp_dir_make(&p->dir));
    snprintf(p->output, sizeof p->output, "%s/output", p->dir.path);
    p->lab = process_start(argv, p->output);
    assert_true(p->lab > 0);
    for (int i = 0; i < START_MS && !strchr(p->text, '\n'); i++) {
        sleep_ms(1);
        read_output(p);
    }
    assert_non_null(strchr(p->text, '\n'));
    p->url = strndup(p->text, strcspn(p->text, "\n"));
}

/* The end of a phase of the load that ends by itself. */
static void finish(played *p, traffic_mode mode) {
    traffic_start(&p->traffic, mode);
    uint64_t end = now_us() + LONGEST_US;
    while (!traffic_is_idle(&p->traffic)) {
        assert_true(now_us() < end);
        traffic_step(&p->traffic, now_us());
        assert_int_equal(kw_wait(p->client, 1), KW_OK);
    }
}

static void load_until_the_script_ends(played *p) {
    traffic_start(&p->traffic, TRAFFIC_MIXED);
    uint64_t end = now_us() + LONGEST_US;
    for (unsigned turn = 0; turn % 64 != 0 || !strstr(p->text, "script   is over"); turn++) {
        if (turn % 64 == 0) {
            read_output(p);
        }
        assert_true(now_us() < end);
        traffic_step(&p->traffic, now_us());
        assert_int_equal(kw_wait(p->client, 1), KW_OK);
    }
}

static int set_up(void **state) {
    *state = calloc(1, sizeof(played));
    return *state ? 0 : -1;
}

static int tear_down(void **state) {
    played *p = *state;
    kw_close(p->client);
    traffic_done(&p->traffic);
    if (p->lab > 0) {
        process_kill(p->lab);
    }
    temp_dir_remove(&p->dir);
    free(p->url);
    free(p);
    return 0;
}

/* Returns the client's counter afterwards. */
static uint64_t play(played *p, const char *script, int hot_slot, kw_counter counter) {
    start_lab(p, script);
    p->client = client_open_url(p->url);
    traffic_init(&p->traffic, p->client, RATE, 11);
    p->traffic.hot_slot = hot_slot;
    finish(p, TRAFFIC_FILL);
    load_until_the_script_ends(p);
    finish(p, TRAFFIC_STOPPED);
    finish(p, TRAFFIC_READ_BACK);
    read_output(p);
    if (p->traffic.failed > 0 || p->traffic.lost > 0 || !strstr(p->text, "is over, 0 of")) {
        print_error("%s\n%s", p->traffic.first_failure, p->text);
    }
    assert_non_null(strstr(p->text, "is over, 0 of"));
    assert_int_equal(p->traffic.failed, 0);
    assert_int_equal(p->traffic.lost, 0);
    assert_int_equal(p->traffic.read_back, TRAFFIC_KEYS);
    return client_counter(p->client, counter);
}

static void rolling_restart_is_survived(void **state) {
    assert_true(play(*state, "rolling-restart", -1, KW_COUNT_MOVED) > 0);
}

static void half_finished_migration_is_survived(void **state) {
    assert_true(play(*state, "half-finished-migration", 10778, KW_COUNT_ASK) > 0);
}

static void split_view_is_survived(void **state) {
    assert_true(play(*state, "split-view", -1, KW_COUNT_MOVED) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rolling_restart_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_finished_migration_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(split_view_is_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("lab_scripts", tests, NULL, NULL);
}
