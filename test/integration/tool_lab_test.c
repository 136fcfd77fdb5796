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
                           "\n{\"time_us\":0,\"event\":\"node-here\",\"node\":0,\"text\":\"is a "
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
                          "$KEYWAY exec -u $url LAB KILL 1; sleep 0.1; "
                          "$KEYWAY exec -u $url PING; finish TERM",
                 "OK\nPONG\nstatus 0\n");
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

static void events_are_told_while_they_happen(void **state) {
    (void)state;
    shell_result r =
        shell(WITH_LAB "start --failover-ms 50; lab() { $KEYWAY exec -u $url LAB $@; }; "
                       "lab KILL 1 >&2; sleep 0.5; lab FAULT ADD COMMAND get ERROR 'X y' >&2; "
                       "$KEYWAY exec -u $url GET a >&2 || true; finish TERM; cat <&3");
    const char *at = strstr(r.out, "node 1   (127.0.0.1:");
    assert_non_null(at);
    assert_non_null(strstr(at, ") is dead\n"));
    at = strstr(at, "node 4   (127.0.0.1:");
    assert_non_null(at);
    assert_non_null(strstr(at, ") takes over from its primary\n"));
    assert_non_null(strstr(at, "node 4   slots 5461-10922: node 1 -> node 4\n"));
    assert_non_null(strstr(at, "rule 1 "));
    shell_result_done(&r);
}

static void script_runs_at_its_times_and_ends(void **state) {
    (void)state;
    shell_result r = shell("printf 'at 50ms LAB KILL 1\\nafter 100ms LAB KILL 1\\nLAB START 1\\n"
                           "after 50ms # a pause' | "
                           "$KEYWAY lab --port 0 --script - --until-script-end --json | "
                           "grep -v node-here");
    const char *at = strstr(r.out, "\"event\":\"script-step\",\"text\":\"LAB KILL 1\"}\n");
    assert_non_null(at);
    at = strstr(at, "\"event\":\"node-killed\",\"node\":1,\"text\":\"node 1 (127.0.0.1:");
    assert_non_null(at);
    at = strstr(at,
                "\"event\":\"script-error\",\"text\":\"line 2 fails: node 1 is dead; LAB START 1 "
                "starts it\"}\n");
    assert_non_null(at);
    assert_non_null(strstr(at, "\"event\":\"node-started\",\"node\":1,"));
    assert_non_null(strstr(at, "\"event\":\"script-end\",\"text\":\"is over, 1 of 3 steps "
                               "failed\"}\n"));
    assert_string_equal(r.err, "keyway: standard input:2: node 1 is dead; LAB START 1 starts it\n");
    shell_result_done(&r);
    r = shell("echo LAB KILL 9 | $KEYWAY lab --port 0 --script - --until-script-end --quiet >&2");
    assert_int_equal(r.status, 1);
    shell_result_done(&r);
}

static void check_rehearses_in_no_time(void **state) {
    (void)state;
    assert_shell(
        "printf 'at 1min LAB KILL 0\\nafter 1s LAB KILL key:user:3\\nafter 10min LAB START 0' "
        "| $KEYWAY lab --check --script - --failover-ms 900",
        "standard input: 3 steps in 661 s\n");
}

static void tls_certificate_is_one_to_trust(void **state) {
    (void)state;
    shell_result r =
        shell(WITH_LAB "start --tls --tls-write-cert $dir/lab.pem; echo $url | cut -d : -f 1; "
                       "$KEYWAY exec -u \"$url?tls_ca_file=$dir/lab.pem\" SET a 1; "
                       "$KEYWAY exec -u $url --timeout 1000 GET a || echo status $?");
    assert_string_equal(r.out, "rediss\nOK\nstatus 3\n");
    assert_non_null(strstr(r.err, "TLS"));
    shell_result_done(&r);
    r = shell(WITH_LAB "start --tls-port 0 --tls-write-cert $dir/lab.pem --json; "
                       "tls=$(echo $url | sed 's/.*\"tls_url\":\"\\([^\"]*\\)\".*/\\1/'); "
                       "plain=$(echo $url | sed 's/.*\"url\":\"\\([^\"]*\\)\",.*/\\1/'); "
                       "$KEYWAY exec -u $plain SET a 1; "
                       "$KEYWAY exec -u \"$tls?tls_ca_file=$dir/lab.pem\" GET a");
    assert_string_equal(r.out, "OK\n1\n");
    shell_result_done(&r);
}

static void hosts_are_named_as_asked_for(void **state) {
    (void)state;
    shell_result r = shell(WITH_LAB "start --endpoint hostname --hostname localhost; "
                                    "$KEYWAY exec -u $url --json CLUSTER SLOTS");
    assert_non_null(strstr(r.out, "[[0,5460,[\"localhost\","));
    shell_result_done(&r);
    r = shell(WITH_LAB "start --endpoint unknown; $KEYWAY exec -u $url --json CLUSTER SLOTS");
    assert_non_null(strstr(r.out, "[[0,5460,[null,"));
    shell_result_done(&r);
}

static void seed_decides_about_chances(void **state) {
    (void)state;
    static const char once[] = WITH_LAB
        "start --seed %d; $KEYWAY exec -u $url LAB FAULT ADD COMMAND get CHANCE 50%% ERROR "
        "'X'; for i in $(seq 32); do echo GET a; done | "
        "$KEYWAY exec -u $url - || true";
    shell_result a = shell(once, 5);
    shell_result b = shell(once, 5);
    shell_result c = shell(once, 6);
    assert_string_equal(a.out, b.out);
    assert_string_not_equal(a.out, c.out);
    shell_result_done(&a);
    shell_result_done(&b);
    shell_result_done(&c);
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
        cmocka_unit_test(events_are_told_while_they_happen),
        cmocka_unit_test(script_runs_at_its_times_and_ends),
        cmocka_unit_test(check_rehearses_in_no_time),
        cmocka_unit_test(tls_certificate_is_one_to_trust),
        cmocka_unit_test(hosts_are_named_as_asked_for),
        cmocka_unit_test(seed_decides_about_chances),
        cmocka_unit_test(port_in_use_is_told_with_what_to_do),
    };
    return cmocka_run_group_tests_name("tool_lab", tests, NULL, NULL);
}
