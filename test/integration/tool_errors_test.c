/* What `keyway` says when something is wrong: one line that tells what to do, and the exit status
 * that belongs to it. Needs no server but the embedded cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/shell.h"

#include <keyway/lab.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct wrong {
    const char *arguments;
    int status;
    const char *said; /* part of its line */
} wrong;

static void assert_wrong(const wrong *w) {
    shell_result r = shell("$KEYWAY %s", w->arguments);
    const char *line_end = strchr(r.err, '\n');
    bool one_line = line_end && line_end[1] == '\0' && strncmp(r.err, "keyway: ", 8) == 0;
    if (r.status != w->status || !strstr(r.err, w->said) || !one_line || r.out_len > 0) {
        print_error("keyway %s: status %d\n%s%s", w->arguments, r.status, r.out, r.err);
    }
    assert_int_equal(r.status, w->status);
    assert_non_null(strstr(r.err, w->said));
    assert_true(one_line);
    assert_string_equal(r.out, "");
    shell_result_done(&r);
}

static void wrong_usage_is_told_in_one_line(void **state) {
    (void)state;
    static const wrong cases[] = {
        {"exce GET a", 2, "did you mean `keyway exec`?"},
        {"get a", 2, "`keyway exec get ...`"},
        {"frobnicate", 2, "no command `frobnicate`"},
        {"--nosuch", 2, "no option --nosuch; see `keyway --help`"},
        {"-u", 2, "option -u needs a value"},
        {"-u redis://h exec GET a", 2, "the command comes first"},
        {"-u redis://h GET a", 2, "`keyway exec [OPTION...] GET ...`"},
        {"slot", 2, "the slot of which key? see `keyway slot --help`"},
        {"slot --jsno a", 2, "did you mean --json?"},
        {"map extra", 2, "map takes no arguments"},
        {"map --timeout 0", 2, "from 1 to"},
        {"demo extra", 2, "demo takes no arguments"},
        {"demo --rate 0", 2, "from 1 to"},
        {"lab extra", 2, "lab takes no arguments"},
        {"lab --masters 0", 2, "from 1 to 128"},
        {"lab --replicas 9", 2, "from 0 to 8"},
        {"lab --port 65533", 2, "6 nodes need as many ports: --port is at most 65530"},
        {"lab --failovr-ms 1", 2, "did you mean --failover-ms?"},
        {"lab --endpoint name", 2, "ip, hostname or unknown"},
        {"lab --check", 2, "about a --script FILE"},
        {"lab --until-script-end", 2, "needs a --script FILE"},
        {"lab --script - --until-eof", 2, "either the script or what --until-eof watches"},
        {"lab --tls-key k.pem", 2, "the key of a --tls-cert"},
        {"lab --port 7000 --tls-port 7003", 2, "overlap"},
        {"lab --script nosuch.lab", 2, "cannot read the script nosuch.lab: No such file"},
        {"lab --script /", 2, "cannot read the script /: Is a directory"},
        {"lab --script - <<X\n\n SET a 1\nX\n", 2, "standard input:2:2: unknown word `SET`"},
        {"lab --port 0 --hostname $(printf %0300d 1)", 2, "cannot be a host name"},
        {"help nosuch", 2, "no command `nosuch`"},
        {"demo --plain=1", 2, "takes no value"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_wrong(&cases[i]);
    }
}

static void wrong_url_is_told_in_one_line(void **state) {
    (void)state;
    static const wrong cases[] = {
        {"exec -u http://h GET a", 2, "redis://"},
        {"exec -u redis:// GET a", 2, "a URL looks like redis://"},
        {"exec -u redis://127.0.0.1:99999 GET a", 2, "1..65535"},
        {"exec -u 'redis://127.0.0.1?nosuch=1' GET a", 2, "\"nosuch\""},
        {"exec -u 'redis://127.0.0.1?timeout_ms=x' GET a", 2, "timeout_ms"},
        {"map -u http://h", 2, "redis://"},
        {"-u http://h", 2, "redis://"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_wrong(&cases[i]);
    }
}

static void unreachable_cluster_is_told_in_one_line(void **state) {
    (void)state;
    static const wrong cases[] = {
        {"exec -u redis://127.0.0.1:1 --timeout 200 SET a 1", 3, "(NOT_SENT): "},
        {"exec -u redis://127.0.0.1:1 --timeout 200 SET a 1", 3, "127.0.0.1:1"},
        {"exec -u redis://127.0.0.1:1 --timeout 200 SET a 1", 3, "-u URL names another"},
        {"exec -u redis://nosuchhost.invalid --timeout 200 GET a", 3, "nosuchhost.invalid"},
        {"map -u redis://127.0.0.1:1 --timeout 200", 3, "127.0.0.1:1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_wrong(&cases[i]);
    }
}

static void assert_advice(const char *scheme, const char *user, const kw_lab *lab, const char *more,
                          const char *said) {
    const char *url = kw_lab_url(lab);
    const char *at = strchr(url, '@');
    const char *seed = at ? at + 1 : strstr(url, "//") + 2;
    shell_result r = shell("$KEYWAY exec -u '%s://%s%.*s%s' GET a", scheme, user,
                           (int)strcspn(seed, ","), seed, more);
    assert_int_equal(r.status, 3);
    if (!strstr(r.err, said)) {
        fail_msg("%s", r.err);
    }
    shell_result_done(&r);
}

static void advice_fits_what_is_wrong(void **state) {
    (void)state;
    kw_lab_options *options = NULL;
    kw_lab *lab = NULL;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_tls(options, KW_LAB_TLS_ONLY), KW_OK);
    assert_int_equal(kw_lab_options_set_auth(options, "app", "secret"), KW_OK);
    assert_int_equal(kw_lab_start(options, &lab, NULL), KW_OK);
    kw_lab_options_free(options);
    assert_advice("redis", "app:secret@", lab, "",
                  "; is a node running there? One that speaks TLS needs rediss:// in the URL");
    assert_advice("rediss", "app:no@", lab, "?tls_verify=no",
                  "disabled; give user and password in the URL");
    kw_lab_stop(lab);
}

static void server_of_another_kind_is_told_with_its_address(void **state) {
    (void)state;
    kw_lab *lab = NULL;
    kw_lab_fault fault;
    assert_int_equal(kw_lab_start(NULL, &lab, NULL), KW_OK);
    kw_lab_fault_init(&fault);
    fault.action = KW_LAB_REPLY;
    fault.text = "HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
    assert_advice("redis", "", lab, "", "PROTOCOL (NOT_SENT): 127.0.0.1:");
    assert_advice("redis", "", lab, "", "; is that the port of a Redis or Valkey node?");
    kw_lab_stop(lab);
}

static void url_of_the_environment_is_used_and_u_wins(void **state) {
    (void)state;
    shell_result r = shell("KEYWAY_URL=redis://127.0.0.1:1 $KEYWAY exec --timeout 100 GET a");
    assert_int_equal(r.status, 3);
    assert_non_null(strstr(r.err, "127.0.0.1:1"));
    shell_result_done(&r);
    r = shell("KEYWAY_URL=http://h $KEYWAY exec -u redis://127.0.0.1:2 --timeout 100 GET a");
    assert_int_equal(r.status, 3);
    assert_non_null(strstr(r.err, "127.0.0.1:2"));
    shell_result_done(&r);
}

static void without_a_url_an_embedded_cluster_serves_and_is_named(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY exec SET k v");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "OK\n");
    assert_non_null(strstr(r.err, "embedded cluster"));
    shell_result_done(&r);
    r = shell("printf 'SET k v\\nGET k\\n' | $KEYWAY 2>/dev/null");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "OK\nv\n");
    shell_result_done(&r);
}

static void every_command_has_help_on_standard_output(void **state) {
    (void)state;
    static const char *const commands[] = {"", "exec", "slot", "map", "bench", "lab", "demo"};
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        shell_result r = shell("$KEYWAY %s --help && $KEYWAY %s -h && $KEYWAY help %s", commands[i],
                               commands[i], commands[i]);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.err, "");
        assert_int_equal(strncmp(r.out, "usage: keyway", 13), 0);
        for (const char *line = r.out; *line; line = strchr(line, '\n') + 1) {
            assert_in_range(strchr(line, '\n') - line, 0, 90);
        }
        shell_result_done(&r);
    }
}

static void keys_have_slots_without_a_cluster(void **state) {
    (void)state;
    assert_shell("$KEYWAY slot 123456789 '{user}:1' ''",
                 "12739  123456789\n 5474  {user}:1  (tag user)\n    0  \n");
    assert_shell("$KEYWAY slot --json 'a\"b' '{}x' '{t}'",
                 "{\"key\":\"a\\\"b\",\"slot\":59,\"tag\":null}\n"
                 "{\"key\":\"{}x\",\"slot\":10595,\"tag\":null}\n"
                 "{\"key\":\"{t}\",\"slot\":15891,\"tag\":\"t\"}\n");
    assert_shell("printf 'a\\nb\\nc' | $KEYWAY slot -", "15495  a\n 3300  b\n 7365  c\n");
}

static void map_covers_every_slot_and_is_plain_in_a_pipe(void **state) {
    (void)state;
    shell_result r = shell("$KEYWAY map");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "16384 of 16384 slots covered"));
    assert_non_null(strstr(r.out, "3 primaries, 3 replicas"));
    assert_null(strchr(r.out, '\033'));
    shell_result_done(&r);
    r = shell("$KEYWAY map --json");
    assert_non_null(strstr(r.out, "\"covered\":16384"));
    assert_non_null(strstr(r.out, "\"ranges\":[[0,5460]]"));
    assert_non_null(strstr(r.out, "\"holes\":[],\"suspect\":[]}\n"));
    shell_result_done(&r);
}

static void map_fits_a_narrow_terminal(void **state) {
    (void)state;
    shell_result r =
        shell("TERM=dumb LC_ALL=C script -qec 'stty cols 40; $KEYWAY map 2>/dev/null' /dev/null");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "16384 of 16384 slots covered\r\n3 primaries, 3 replicas\r\n"));
    const char *table = strstr(r.out, " slots state\r\n");
    assert_non_null(table);
    assert_non_null(strstr(table, "  5461 up "));
    for (const char *line = r.out; strchr(line, '\r'); line = strchr(line, '\r') + 2) {
        assert_in_range(strcspn(line, "\r"), 0, 40);
    }
    shell_result_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_told_in_one_line),
        cmocka_unit_test(wrong_url_is_told_in_one_line),
        cmocka_unit_test(unreachable_cluster_is_told_in_one_line),
        cmocka_unit_test(advice_fits_what_is_wrong),
        cmocka_unit_test(server_of_another_kind_is_told_with_its_address),
        cmocka_unit_test(url_of_the_environment_is_used_and_u_wins),
        cmocka_unit_test(without_a_url_an_embedded_cluster_serves_and_is_named),
        cmocka_unit_test(every_command_has_help_on_standard_output),
        cmocka_unit_test(keys_have_slots_without_a_cluster),
        cmocka_unit_test(map_covers_every_slot_and_is_plain_in_a_pipe),
        cmocka_unit_test(map_fits_a_narrow_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
