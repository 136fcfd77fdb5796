/* `keyway bench`: it counts exactly, says what is wrong, and sees what a cluster does to its data.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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
    r = shell("$KEYWAY bench -q -n 1200 -c 3 --keys 10 --command 'NOPE {key}'");
    assert_status(&r, 1);
    assert_non_null(strstr(r.out, "\n  errors             1 200\n"
                                  "                     1 200  ERR\n"));
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

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

static void last_replies_belong_to_the_last_second(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -d 1 -c 2 --rate 1000");
    assert_status(&r, 0);
    assert_int_equal(count_of(r.out, "/s  p50 "), 1);
    shell_result_done(&r);
}

static void table_fits_a_narrow_terminal(void **state) {
    (void)state;
    shell_result r = shell("TERM=dumb LC_ALL=C script -qec "
                           "'stty cols 40; $KEYWAY bench -d 1.2 -c 2 2>/dev/null' /dev/null");
    assert_status(&r, 0);
    assert_non_null(strstr(r.out, "\n  response time, ms        p50     p99\r\n"));
    const char *line = strstr(r.out, "/s  p99 ");
    assert_non_null(line);
    assert_in_range(strcspn(line, "\r"), 0, 24);
    for (line = strstr(r.out, "response time, ms"); strchr(line, '\r');
         line = strchr(line, '\r') + 2) {
        assert_in_range(strcspn(line, "\r"), 0, 44); /* with the percentiles' names */
    }
    shell_result_done(&r);
}

static void deadline_holds_for_what_would_block_for_ever(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -n 2 -c 2 --timeout 50 --command 'BLPOP {key} 0'");
    assert_status(&r, 1);
    assert_non_null(strstr(r.out, " 2  TIMEOUT, MAYBE_EXECUTED\n"));
    shell_result_done(&r);
}

static void misspelt_place_is_pointed_out(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY bench -q -n 2 -c 1 --command 'MGET {{key}}a {kye}b' 2>&1");
    assert_non_null(strstr(r.out, "{kye} is sent as it stands; did you mean {key}?\n"));
    assert_int_equal(count_of(r.out, "as it stands"), 1);
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
        {"--verify --size 10", "--verify writes short tokens"},
        {"--verify --spread", "--verify writes short tokens"},
        {"--json - --hdr -", "only one of --json and --hdr goes to standard output"},
        {"--verify --keys 200000", "--keys is at most 100000"},
        {"--pipelines 3", "no option --pipelines (did you mean --pipeline?)"},
        {"now", "bench takes no arguments"},
        {"--json /nowhere/x", "cannot write `/nowhere/x`: No such file or directory"},
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

/* ----------------------------------------------------- with a lab that misbehaves */

typedef struct scene scene;
typedef void scene_fn(scene *s);
struct scene {
    kw_lab *lab;
    scene_fn *act;       /* in a thread of its own, once the load is there */
    const char *command; /* by which it is known */
    pthread_t thread;
    atomic_bool over;
};

static void wait_for_load(scene *s) {
    kw_lab_filter filter;
    kw_lab_filter_init(&filter);
    filter.command = s->command;
    filter.outcome = "served";
    while (!atomic_load(&s->over) && kw_lab_count_log(s->lab, &filter) < 500) {
        sleep_ms(1);
    }
}

static void *play(void *arg) {
    scene *s = arg;
    wait_for_load(s);
    s->act(s);
    return NULL;
}

static void set_stage(scene *s, scene_fn *act, const char *command) {
    *s = (scene){.act = act, .command = command};
    kw_lab_options *options = NULL;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    kw_lab_options_set_failover_ms(options, 100);
    assert_int_equal(kw_lab_start(options, &s->lab, NULL), KW_OK);
    kw_lab_options_free(options);
}

/* Runs the benchmark while the scene is played. */
static shell_result run_scene(scene *s, const char *arguments) {
    if (s->act) {
        assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
    }
    shell_result r = shell("$KEYWAY bench -u %s --json - %s", kw_lab_url(s->lab), arguments);
    atomic_store(&s->over, true);
    if (s->act) {
        pthread_join(s->thread, NULL);
    }
    return r;
}

static void clear_stage(scene *s, shell_result *r) {
    shell_result_done(r);
    kw_lab_stop(s->lab);
}

static void pause_a_node(scene *s) {
    assert_int_equal(kw_lab_pause(s->lab, 0, true), KW_OK);
    sleep_ms(1000);
    assert_int_equal(kw_lab_pause(s->lab, 0, false), KW_OK);
}

/* p99 of a group of figures. */
static double p99(const shell_result *r, const char *group) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":{", group);
    shell_result part = {.out = strstr(r->out, pattern), .err = r->err};
    assert_non_null(part.out);
    return figure(&part, "p99");
}

/* A node sleeps for a second of some. At full speed the four commands that wait for it are four of
 * thousands, and nobody sees more; at a rate all those that were due meanwhile are late. */
static void rate_shows_a_stall_in_the_percentiles(void **state) {
    (void)state;
    scene s;
    set_stage(&s, pause_a_node, "get");
    shell_result r = run_scene(&s, "-d 3 -c 4 --rate 1000");
    assert_status(&r, 0);
    assert_true(p99(&r, "response_ms") > 500);
    assert_true(p99(&r, "service_ms") < p99(&r, "response_ms") / 2);
    clear_stage(&s, &r);
    set_stage(&s, pause_a_node, "get");
    r = run_scene(&s, "-d 3 -c 4");
    assert_status(&r, 0);
    assert_true(p99(&r, "response_ms") < 250);
    clear_stage(&s, &r);
}

static void what_was_never_sent_is_told(void **state) {
    (void)state;
    scene s;
    set_stage(&s, NULL, "");
    for (int node = 0; node < 3; node++) {
        kw_lab_fault slow;
        kw_lab_fault_init(&slow);
        slow.node = node;
        slow.command = "get";
        slow.delay_ms = 100;
        assert_int_equal(kw_lab_add_fault(s.lab, &slow, NULL), KW_OK);
    }
    shell_result r = run_scene(&s, "-d 1 -c 2 --rate 1000 --ratio 1:0");
    assert_status(&r, 0);
    double done = figure(&r, "commands");
    double unsent = figure(&r, "unsent");
    assert_true(done < 100 && unsent > 500);
    assert_true(done + unsent > 990 && done + unsent < 1010);
    clear_stage(&s, &r);
}

/* Slots with their keys, one after the other, each half moved for a moment. */
static void move_slots(scene *s) {
    for (int slot = 0; slot < 5000 && !atomic_load(&s->over); slot += 50) {
        size_t left = 1;
        if (kw_lab_migrate_begin(s->lab, slot, 1) != KW_OK) {
            break;
        }
        sleep_ms(2);
        while (left > 0 && kw_lab_migrate_keys(s->lab, slot, 100, &left) == KW_OK) {
            sleep_ms(2);
            if (left == 0 && kw_lab_migrate_end(s->lab, slot) != KW_OK) {
                left = 1; /* a write has made a key there again */
            }
        }
    }
}

/* The one slot in which all keys of the prefix {x} lie, there and back. */
static void move_the_slot_of_x(scene *s) {
    int slot = kw_key_slot("x", 1);
    int home = kw_lab_owner(s->lab, slot);
    for (int i = 0; i < 6; i++) {
        size_t left = 1;
        int target = i % 2 == 0 ? (home + 1) % 3 : home;
        assert_int_equal(kw_lab_migrate_begin(s->lab, slot, target), KW_OK);
        for (int tries = 0; left > 0 && tries < 1000; tries++) {
            assert_int_equal(kw_lab_migrate_keys(s->lab, slot, 1000, &left), KW_OK);
            sleep_ms(20);
            left += kw_lab_migrate_end(s->lab, slot) != KW_OK;
        }
    }
}

static void redirects_of_a_reshard_are_counted(void **state) {
    (void)state;
    scene s;
    set_stage(&s, move_the_slot_of_x, "get");
    shell_result r = run_scene(&s, "-d 3 -c 10 -P 8 --keys 100 --prefix '{x}'");
    assert_status(&r, 0);
    assert_true(figure(&r, "moved") > 5);
    assert_true(figure(&r, "ask") > 5);
    assert_int_equal((int)figure(&r, "errors"), 0);
    const char *seconds = strstr(r.out, "\"seconds\":[");
    double moved = 0;
    for (const char *at = seconds; at && (at = strstr(at, "\"moved\":")); at++) {
        moved += strtod(at + strlen("\"moved\":"), NULL);
    }
    assert_true(moved > 5);
    clear_stage(&s, &r);
}

/* ------------------------------------------------------------------------ histories */

#define VERIFY "-c 8 -P 4 --verify --keys 200 "

static void verify_passes_while_slots_move(void **state) {
    (void)state;
    scene s;
    set_stage(&s, move_slots, "append");
    shell_result r = run_scene(&s, VERIFY "-d 3 -t 2");
    assert_status(&r, 0);
    assert_true(figure(&r, "moved") > 5);
    assert_true(figure(&r, "histories") > 10);
    assert_true(figure(&r, "lost_by_failover") < 1);
    clear_stage(&s, &r);
}

static void kill_a_primary(scene *s) {
    assert_int_equal(kw_lab_kill(s->lab, 1), KW_OK);
}

static void verify_passes_a_failover_that_loses_nothing(void **state) {
    (void)state;
    scene s;
    set_stage(&s, kill_a_primary, "append");
    shell_result r = run_scene(&s, VERIFY "-d 3");
    assert_status(&r, 0);
    assert_true(figure(&r, "lost") < 1 && figure(&r, "lost_by_failover") < 1);
    assert_true(figure(&r, "disconnects") > 0);
    clear_stage(&s, &r);
}

static void verify_tells_what_a_failover_lost(void **state) {
    (void)state;
    scene s;
    set_stage(&s, kill_a_primary, "append");
    assert_int_equal(kw_lab_set_replication_delay_ms(s.lab, 200), KW_OK);
    shell_result r = run_scene(&s, VERIFY "-d 3");
    assert_status(&r, 4);
    assert_true(figure(&r, "lost_by_failover") > 0);
    assert_true(figure(&r, "lost") < 1 && figure(&r, "stale") < 1);
    assert_true(figure(&r, "oldest_lost_ms") < 2000);
    clear_stage(&s, &r);
}

static void kill_a_primary_for_a_moment(scene *s) {
    assert_int_equal(kw_lab_kill(s->lab, 1), KW_OK);
    sleep_ms(20); /* nobody takes over so soon; it comes back empty */
    assert_int_equal(kw_lab_revive(s->lab, 1), KW_OK);
}

static void verify_notices_a_failure_however_short(void **state) {
    (void)state;
    scene s;
    set_stage(&s, kill_a_primary_for_a_moment, "append");
    shell_result r = run_scene(&s, VERIFY "-d 2");
    assert_status(&r, 4);
    assert_true(figure(&r, "lost_by_failover") > 0);
    assert_true(figure(&r, "lost") < 1 && figure(&r, "stale") < 1);
    clear_stage(&s, &r);
}

/* Some commands meet a fault; nobody dies. */
static shell_result verify_with_fault(scene *s, const char *command, kw_lab_action action,
                                      const char *text) {
    kw_lab_fault fault;
    set_stage(s, NULL, "");
    kw_lab_fault_init(&fault);
    fault.command = command;
    fault.skip = 3000;
    fault.count = 4;
    fault.action = action;
    fault.text = text;
    assert_int_equal(kw_lab_add_fault(s->lab, &fault, NULL), KW_OK);
    return run_scene(s, VERIFY "-n 15000");
}

static void verify_catches_a_lost_write(void **state) {
    (void)state;
    scene s;
    shell_result r = verify_with_fault(&s, "append", KW_LAB_REPLY, ":16\r\n");
    assert_status(&r, 1);
    assert_int_equal((int)figure(&r, "lost"), 4);
    assert_non_null(strstr(r.out, "was acknowledged, the key then 1 tokens long, and is gone"));
    clear_stage(&s, &r);
}

static void verify_catches_a_stale_read(void **state) {
    (void)state;
    scene s;
    shell_result r = verify_with_fault(&s, "getrange", KW_LAB_REPLY, "$0\r\n\r\n");
    assert_status(&r, 1);
    assert_true(figure(&r, "stale") > 0 && figure(&r, "lost") < 1);
    clear_stage(&s, &r);
}

static void verify_counts_ambiguous_writes_apart(void **state) {
    (void)state;
    scene s;
    shell_result r = verify_with_fault(&s, "append", KW_LAB_DROP_AFTER, NULL);
    assert_status(&r, 0);
    assert_true(figure(&r, "ambiguous_executed") >= 4);
    clear_stage(&s, &r);
    r = verify_with_fault(&s, "append", KW_LAB_DROP_BEFORE, NULL);
    assert_status(&r, 0);
    assert_true(figure(&r, "ambiguous_not_executed") >= 4);
    clear_stage(&s, &r);
}

/* Writes tokens that were written already a second time. */
static void write_twice(scene *s) {
    kw_lab_filter filter;
    kw_lab_log *log = NULL;
    kw_client *client = NULL;
    kw_lab_filter_init(&filter);
    filter.command = "append";
    filter.outcome = "served";
    assert_int_equal(kw_open(kw_lab_url(s->lab), NULL, &client, NULL), KW_OK);
    assert_int_equal(kw_lab_read_log(s->lab, &filter, &log), KW_OK);
    const kw_lab_entry *last = kw_lab_log_at(log, kw_lab_log_size(log) - 1);
    assert_non_null(last);
    kw_reply *reply = NULL;
    assert_int_equal(kw_call_argv(client, last->argv, last->argc, NULL, &reply, NULL), KW_OK);
    kw_reply_free(reply);
    kw_lab_log_free(log);
    kw_close(client);
}

static void verify_catches_a_doubled_write(void **state) {
    (void)state;
    scene s;
    set_stage(&s, write_twice, "append");
    shell_result r = run_scene(&s, "-c 1 --verify --keys 1000 -d 2 --ratio 3:1");
    assert_status(&r, 1);
    assert_int_equal((int)figure(&r, "doubled"), 1);
    assert_non_null(strstr(r.out, "is there twice, as tokens"));
    clear_stage(&s, &r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_exact_in_any_shape),
        cmocka_unit_test(duration_is_kept),
        cmocka_unit_test(fill_leaves_no_key_missing),
        cmocka_unit_test(own_commands_are_sent_and_their_errors_counted),
        cmocka_unit_test(last_replies_belong_to_the_last_second),
        cmocka_unit_test(table_fits_a_narrow_terminal),
        cmocka_unit_test(deadline_holds_for_what_would_block_for_ever),
        cmocka_unit_test(misspelt_place_is_pointed_out),
        cmocka_unit_test(pipe_shows_plain_lines_and_a_table),
        cmocka_unit_test(wrong_arguments_are_told),
        cmocka_unit_test(nobody_there_is_told_at_once),
        cmocka_unit_test(commands_that_no_handle_takes_end_it),
        cmocka_unit_test(interrupt_shows_the_table),
        cmocka_unit_test(rate_shows_a_stall_in_the_percentiles),
        cmocka_unit_test(what_was_never_sent_is_told),
        cmocka_unit_test(redirects_of_a_reshard_are_counted),
        cmocka_unit_test(verify_passes_while_slots_move),
        cmocka_unit_test(verify_passes_a_failover_that_loses_nothing),
        cmocka_unit_test(verify_tells_what_a_failover_lost),
        cmocka_unit_test(verify_notices_a_failure_however_short),
        cmocka_unit_test(verify_catches_a_lost_write),
        cmocka_unit_test(verify_catches_a_stale_read),
        cmocka_unit_test(verify_catches_a_doubled_write),
        cmocka_unit_test(verify_counts_ambiguous_writes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
