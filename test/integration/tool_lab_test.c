/* `keyway lab` in a shell: what it prints, how it ends, and what it says when it cannot start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/process.h"
#include "integration/support/shell.h"

/* Runs a lab whose output goes to a fifo as $1..., reads its URL into $url, and ends it when the
 * shell ends, however that comes. */
#define WITH_LAB                                                                                   \
    "set -e; dir=$(mktemp -d); mkfifo $dir/out; "                                                  \
    "start() { $KEYWAY lab --port 0 \"$@\" >$dir/out & pid=$!; exec 3<$dir/out; read -r url <&3; " \
    "}; "                                                                                          \
    "trap 'kill -9 $pid 2>/dev/null || true; rm -rf $dir' EXIT; "                                  \
    "finish() { kill -$1 $pid; s=0; wait $pid || s=$?; echo status $s; }; "

static void first_line_is_a_url_that_serves(void **state) {
    (void)state;
    assert_shell(WITH_LAB "start; $KEYWAY exec -u $url SET user:1 Ada; finish INT",
                 "OK\nstatus 0\n");
}

static void nodes_are_told_then_events(void **state) {
    (void)state;
    shell_result r = shell(WITH_LAB "start --masters 2 --replicas 1; finish TERM; cat <&3");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    const char *at = strstr(r.out, "node 0   is a primary at 127.0.0.1:");
    assert_non_null(at);
    assert_non_null(strstr(at, "with 8192 slots\n"));
    assert_non_null(strstr(at, "node 2   is a replica of node 0 at 127.0.0.1:"));
    assert_non_null(strstr(at, "node 3   is a replica of node 1 at 127.0.0.1:"));
    shell_result_done(&r);
}

static void json_is_a_line_an_event(void **state) {
    (void)state;
    shell_result r = shell(WITH_LAB "start --masters 1 --replicas 0 --json; echo \"$url\"; "
                                    "finish TERM; cat <&3");
    assert_int_equal(r.status, 0);
    static const char ready[] = "{\"time_us\":0,\"event\":\"ready\",\"url\":\"redis://127.0.0.1:";
    assert_int_equal(strncmp(r.out, ready, sizeof ready - 1), 0);
    assert_non_null(strstr(r.out,
                           "\n{\"time_us\":0,\"event\":\"started\",\"node\":0,\"text\":\"is a "
                           "primary at 127.0.0.1:"));
    shell_result_done(&r);
}

static void quiet_is_the_url_alone(void **state) {
    (void)state;
    assert_shell(WITH_LAB "start --quiet; finish TERM; cat <&3", "status 0\n");
}

static void closed_reader_leaves_it_running_and_stoppable(void **state) {
    (void)state;
    assert_shell(WITH_LAB "start --failover-ms 50; exec 3<&-; "
                          "printf 'CLUSTER FAILOVER FORCE\\r\\n' >/dev/null; sleep 0.1; "
                          "$KEYWAY exec -u $url PING; finish TERM",
                 "PONG\nstatus 0\n");
}

static void nobody_reading_does_not_keep_it_from_ending(void **state) {
    (void)state;
    /* 800 nodes' lines are more than a pipe holds. */
    assert_shell(WITH_LAB "start --masters 128 --replicas 7; sleep 0.2; "
                          "$KEYWAY exec -u $url PING; finish INT",
                 "PONG\nstatus 0\n");
}

static void until_eof_ends_with_its_input(void **state) {
    (void)state;
    assert_shell("$KEYWAY lab --port 0 --quiet --until-eof </dev/null | sed 's/:[0-9,].*//'",
                 "redis://127.0.0.1\n");
    assert_shell("(sleep 0.2; echo x) | $KEYWAY lab --port 0 --quiet --until-eof | "
                 "sed 's/:[0-9,].*//'",
                 "redis://127.0.0.1\n");
}

static void auth_is_asked_for_and_in_the_url(void **state) {
    (void)state;
    shell_result r = shell(WITH_LAB "start --auth 'app:se:c/ret'; echo $url | cut -c 1-30; "
                                    "$KEYWAY exec -u $url SET a 1; "
                                    "host=$(echo $url | sed 's/.*@//'); "
                                    "$KEYWAY exec -u redis://$host GET a 2>&1 || true");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "redis://app:se%3Ac%2Fret@127.0.0\nOK\n", 30), 0);
    assert_non_null(strstr(r.out, "\nOK\n"));
    assert_non_null(strstr(r.out, "NOAUTH"));
    shell_result_done(&r);
}

static void port_in_use_is_told_with_what_to_do(void **state) {
    (void)state;
    shell_result r =
        shell(WITH_LAB "start; taken=$(echo $url | sed 's/.*://'); "
                       "$KEYWAY lab --masters 1 --replicas 0 --port $taken || echo status $?");
    assert_string_equal(r.out, "status 3\n");
    assert_non_null(strstr(r.err, "Address already in use"));
    assert_non_null(strstr(r.err, "--port 0 takes free ones"));
    shell_result_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_line_is_a_url_that_serves),
        cmocka_unit_test(nodes_are_told_then_events),
        cmocka_unit_test(json_is_a_line_an_event),
        cmocka_unit_test(quiet_is_the_url_alone),
        cmocka_unit_test(closed_reader_leaves_it_running_and_stoppable),
        cmocka_unit_test(nobody_reading_does_not_keep_it_from_ending),
        cmocka_unit_test(until_eof_ends_with_its_input),
        cmocka_unit_test(auth_is_asked_for_and_in_the_url),
        cmocka_unit_test(port_in_use_is_told_with_what_to_do),
    };
    return cmocka_run_group_tests_name("tool_lab", tests, NULL, NULL);
}
