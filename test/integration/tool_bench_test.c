/* `keyway bench`: it counts exactly, says what is wrong, and sees what a cluster does to its data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/process.h"
#include "integration/support/shell.h"

#include <keyway/lab.h>

/* ----------------------------------------------------------------------------- what JSON says */

/* The number of a name in a result; the test fails if it is not there. */
static double figure(const shell_result *r, const char *name) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    const char *at = strstr(r->out, pattern);
    if (!at) {
        fail_msg("no %s in %s%s", name, r->out, r->err);
    }
    return at ? strtod(at + strlen(pattern), NULL) : -1;
}

static void assert_status(const shell_result *r, int status) {
    if (r->status != status) {
        fail_msg("status %d: %s%s", r->status, r->out, r->err);
    }
}

/* ------------------------------------------------------------------------------- the ordinary */

static void ops_are_exact_in_any_shape(void **state) {
    (void)state;
    static const char *const shapes[] = {"-c 1",
                                         "-c 7 -t 2",
                                         "-c 5 -P 8",
                                         "-c 6 -t 3 -P 3 --rate 20000 --warmup 0.1",
                                         "-c 4 -P 4 --warmup 0.1",
                                         "-c 9 -t 2 -P 3 --handles 5",
                                         "-c 4 -P 8 --handles 4",
                                         "-c 4 -P 8 --handles 4 --spread",
                                         "-c 4 -P 4 --verify"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        shell_result r = shell("$KEYWAY bench -n 4321 --keys 1000 --json - %s", shapes[i]);
        assert_status(&r, 0);
        assert_int_equal((int)figure(&r, "commands"), 4321);
        assert_int_equal((int)figure(&r, "errors"), 0);
        assert_int_equal((int)figure(&r, "count"), 4321);
        shell_result_done(&r);
    }
}

static void duration_is_kept(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -d 0.5 -c 4 --json -");
    assert_status(&r, 0);
    double elapsed_s = figure(&r, "elapsed_s");
    assert_true(elapsed_s > 0.4 && elapsed_s < 30);
    assert_true(figure(&r, "commands") > 10);
    shell_result_done(&r);
}

static void fill_leaves_no_key_missing(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -n 2000 -c 4 -t 2 -P 4 --keys 501 --fill --json -");
    assert_status(&r, 0);
    assert_int_equal((int)figure(&r, "misses"), 0);
    shell_result_done(&r);
    r = shell("$KEYWAY bench -n 200 -c 4 --keys 100000 --ratio 1:0 --json -");
    assert_int_equal((int)figure(&r, "misses"), 200);
    shell_result_done(&r);
}

static void own_commands_are_sent_and_their_errors_counted(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -n 300 -c 3 --keys 10 --ratio 1:2 --json - "
                           "--command 'HSET {key} f{number} {value}' --command 'GET {key}'");
    assert_status(&r, 1);
    assert_non_null(strstr(r.out, "\"command\":\"HSET\""));
    assert_non_null(strstr(r.out, "\"errors_by_name\":{\"WRONGTYPE\":"));
    assert_true(figure(&r, "errors") > 100);
    shell_result_done(&r);
}

static void pipe_shows_plain_lines_and_a_table(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -d 1.2 -c 2 -P 2");
    assert_status(&r, 0);
    assert_null(strchr(r.out, '\033'));
    assert_non_null(
        strstr(r.out, "keyway bench  2 clients on 1 handle in 1 thread, 2 in flight of each"));
    const char *line = strstr(r.out, " s  ");
    assert_non_null(line);
    assert_non_null(strstr(line, "/s  p50 "));
    assert_non_null(strstr(line, "  errors 0  MOVED 0/s  ASK 0/s  127.0.0.1:"));
    assert_non_null(strstr(r.out, "\n  commands "));
    assert_non_null(strstr(r.out, "\n  response time, ms "));
    assert_non_null(strstr(r.out, "\n  all "));
    assert_non_null(strstr(r.out, " % p50"));
    shell_result_done(&r);
}

/* --------------------------------------------------------------------------------- what is wrong
 */

static void wrong_arguments_are_told(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        const char *message;
    } cases[] = {
        {"-c 0", "option --clients takes a number from 1 to 10000, not `0`"},
        {"-d x", "option --duration takes seconds, up to 1000000, not `x`"},
        {"--size 9-3", "option --size takes bytes, or a range as 10-1000"},
        {"--size 1-2-3", "option --size takes bytes, or a range as 10-1000"},
        {"--dist pareto", "option --dist takes uniform, or zipf:EXPONENT"},
        {"--dist zipf:0", "option --dist takes uniform, or zipf:EXPONENT"},
        {"--ratio 1", "option --ratio takes 2 numbers as 9:1"},
        {"--ratio 0:0", "option --ratio takes 2 numbers as 9:1"},
        {"--ratio 1:2:3", "option --ratio takes 2 numbers as 9:1"},
        {"--command 'GET \"a'", "option --command `GET \"a`"},
        {"--command '{key} 1'", "its first word is no command"},
        {"--command ''", "it is empty"},
        {"-c 2 -t 3", "there are more --threads than --clients"},
        {"-c 2 --handles 3", "--handles is at least --threads, and at most --clients"},
        {"--verify --fill", "--verify makes keys of its own"},
        {"--verify --command 'GET {key}'", "--verify has commands of its own"},
        {"--verify --keys 200000", "--keys is at most 100000"},
        {"--pipelines 3", "no option --pipelines (did you mean --pipeline?)"},
        {"now", "bench takes no arguments"},
        {"--json /nowhere/x", "cannot write /nowhere/x: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        shell_result r = shell("$KEYWAY bench %s", cases[i].arguments);
        assert_status(&r, 2);
        assert_string_equal(r.out, "");
        if (!strstr(r.err, cases[i].message)) {
            fail_msg("%s: %s", cases[i].arguments, r.err);
        }
        shell_result_done(&r);
    }
}

static void nobody_there_is_told_at_once(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -u redis://127.0.0.1:1 -d 5 --timeout 1000");
    assert_status(&r, 3);
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.err, "is a node running there? -u URL names another"));
    shell_result_done(&r);
}

static void commands_that_no_handle_takes_end_it(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -d 20 --command 'MGET a{key} b{key}' --json -");
    assert_status(&r, 3);
    assert_non_null(strstr(r.err, "the benchmark ended: CROSSSLOT"));
    shell_result_done(&r);
}

static void interrupt_shows_the_table(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -d 60 -c 4 -q --hdr /dev/null & pid=$!; sleep 1; "
                           "kill -INT $pid; wait $pid; echo status $?");
    assert_non_null(strstr(r.out, "\n  all "));
    assert_non_null(strstr(r.out, "status 130\n"));
    assert_non_null(strstr(r.err, "keyway: interrupted\n"));
    shell_result_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_exact_in_any_shape),
        cmocka_unit_test(duration_is_kept),
        cmocka_unit_test(fill_leaves_no_key_missing),
        cmocka_unit_test(own_commands_are_sent_and_their_errors_counted),
        cmocka_unit_test(pipe_shows_plain_lines_and_a_table),
        cmocka_unit_test(wrong_arguments_are_told),
        cmocka_unit_test(nobody_there_is_told_at_once),
        cmocka_unit_test(commands_that_no_handle_takes_end_it),
        cmocka_unit_test(interrupt_shows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
