/* `keyway exec` beside redis-cli on a real server, byte for byte; its pipelined standard input; and
 * its exit statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/redis_cluster.h"
#include "integration/support/shell.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct fixture {
    redis_cluster *cluster; /* one node with all slots: redis-cli needs no -c */
    temp_dir dir;
    char url[REDIS_URL_SIZE];
    int port;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *settings[] = {"--enable-debug-command", "yes", NULL};
    redis_cluster_options options = {.primaries = 1, .settings = settings};
    f->cluster = redis_cluster_start(&options);
    f->port = f->cluster->nodes[0].port;
    redis_cluster_url(f->cluster, f->url);
    assert_true(temp_dir_make(&f->dir));
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    temp_dir_remove(&f->dir);
    redis_cluster_stop(f->cluster);
    free(f);
    return 0;
}

static void write_data(redis_cluster *cluster) {
    redis_cluster_do(cluster, 0, "FLUSHALL");
    redis_cluster_do(cluster, 0, "SET neg -1");
    redis_cluster_do(cluster, 0, "HSET h f1 v1 f2 v2");
    redis_cluster_do(cluster, 0, "SADD s one");
    redis_cluster_do(cluster, 0, "ZADD z 1.5 a 0.25 b");
    redis_cluster_do(cluster, 0, "RPUSH l 1 2 3 4 5 6 7 8 9 10 11");
    redis_cluster_do(cluster, 0, "XADD x 1-1 a 1 b 2");
}

/* As shell words; none changes what another prints. */
static const char *const commands[] = {
    "SET k 'a\"b\n\xc3\xa9\x01\\'",
    "GET k",
    "GET none",
    "STRLEN k",
    "GET neg",
    "GET k x y",
    "INCR k",
    "nosuchcommand a b",
    "HGETALL h",
    "HGETALL none",
    "HMGET h f1 none",
    "SMEMBERS s",
    "SMEMBERS none",
    "ZSCORE z a",
    "ZRANGE z 0 -1 WITHSCORES",
    "LRANGE l 0 -1",
    "LRANGE l 5 1",
    "EVAL 'return {1,{2,{3,{}},4},false,{\"x\"}}' 0",
    "EVAL 'return redis.error_reply(\"MY error\")' 0",
    "EVAL 'redis.setresp(3); return {map={a={1,2}}}' 0",
    "EVAL 'redis.setresp(3); return {map={a={map={b={1,2,3}}}}}' 0",
    "EVAL 'redis.setresp(3); return {map={a={{{1,2},{3}}}}}' 0",
    "EVAL 'redis.setresp(3); return {map={a={map={[{1,2}]=3}}}}' 0",
    "EVAL 'redis.setresp(3); return {map={a={set={x=true}}}}' 0",
    "CONFIG GET 'zset-max-*'",
    "CONFIG GET none",
    "COMMAND INFO GET SET none",
    "CLUSTER INFO",
    "CLUSTER SLOTS",
    "CLUSTER MYID",
    "TYPE h",
    "OBJECT ENCODING h",
    "XRANGE x - +",
    "XINFO STREAM x",
    "DEBUG PROTOCOL string",
    "DEBUG PROTOCOL integer",
    "DEBUG PROTOCOL double",
    "DEBUG PROTOCOL null",
    "DEBUG PROTOCOL array",
    "DEBUG PROTOCOL set",
    "DEBUG PROTOCOL map",
    "DEBUG PROTOCOL verbatim",
    "DEBUG PROTOCOL true",
    "DEBUG PROTOCOL false",
    "LOLWUT VERSION 1",
    "PING ''",
    "ECHO ' '",
};

static void replies_are_those_of_redis_cli(void **state) {
    fixture *f = *state;
    static const char *const modes[][2] = {{"-2 --no-raw", "-2 --typed"},
                                           {"-3 --no-raw", "-3 --typed"},
                                           {"-2 --raw", "-2 --raw"},
                                           {"-3 --raw", "-3 --raw"},
                                           {"-3", ""}};
    write_data(f->cluster);
    for (size_t i = 0; i < COUNT_OF(modes) * COUNT_OF(commands); i++) {
        const char *command = commands[i % COUNT_OF(commands)];
        const char *const *mode = modes[i / COUNT_OF(commands)];
        shell_result cli = shell("redis-cli -p %d %s %s", f->port, mode[0], command);
        shell_result own = shell("$KEYWAY exec -u %s %s %s", f->url, mode[1], command);
        assert_same_output(&cli, &own, command);
        assert_string_equal(own.err, "");
        assert_in_range(own.status, 0, 1);
        shell_result_done(&cli);
        shell_result_done(&own);
    }
}

static void lines_of_standard_input_are_those_of_redis_cli(void **state) {
    fixture *f = *state;
    static const char lines[] = "FLUSHALL\n"
                                "set k \"a \\x41\\n\\\"\" \n"
                                "\n"
                                "   \n"
                                "get k\n"
                                "'get' 'it\\'s'\n"
                                "get \"a\n"
                                "get \"a\"b\n"
                                "3 incr n\n"
                                "5\n"
                                "rpush l a b c\n"
                                "lrange l 0 -1\n"
                                "get none\n"
                                "info nosuchsection\n"
                                "nosuchcommand\n"
                                "incr k\n"
                                "hset h f v g w\n"
                                "hgetall h\n"
                                "  get\tk  \n"
                                "quit\n"
                                "get k\n";
    assert_true(temp_dir_write(&f->dir, "lines", lines));
    static const char *const modes[][2] = {{"--no-raw", "--typed"}, {"--raw", "--raw"}};
    for (size_t m = 0; m < COUNT_OF(modes); m++) {
        shell_result cli =
            shell("redis-cli -3 -p %d %s < %s/lines", f->port, modes[m][0], f->dir.path);
        shell_result own =
            shell("$KEYWAY exec -3 -u %s %s - < %s/lines", f->url, modes[m][1], f->dir.path);
        assert_same_output(&cli, &own, "lines");
        assert_int_equal(own.status, 2); /* two lines were no commands: worse than errors */
        assert_non_null(strstr(own.err, "keyway: line 7: a quote is not closed\n"));
        assert_non_null(strstr(own.err, "keyway: line 8: a closing quote"));
        shell_result_done(&cli);
        shell_result_done(&own);
    }
}

static void many_lines_stay_in_order_and_memory_flat(void **state) {
    fixture *f = *state;
    shell_result set = shell(
        "seq 100000 | sed 's/.*/SET key:& &/' | $KEYWAY exec -u %s - | sort | uniq -c", f->url);
    assert_string_equal(set.err, "");
    assert_string_equal(set.out, " 100000 OK\n");
    shell_result get = shell("seq 100000 > %s/numbers; sed 's/.*/GET key:&/' %s/numbers | "
                             "$KEYWAY exec -u %s - | cmp - %s/numbers",
                             f->dir.path, f->dir.path, f->url, f->dir.path);
    assert_string_equal(get.err, "");
    assert_int_equal(get.status, 0);
#if !defined(__SANITIZE_ADDRESS__)
    assert_in_range(get.max_rss_kb, 1, 48 * 1024);
#endif
    shell_result_done(&set);
    shell_result_done(&get);
}

static void large_values_do_not_pile_up(void **state) {
    fixture *f = *state;
    shell_result r = shell("{ printf 'SET big '; head -c 4000000 /dev/zero | tr '\\0' x; echo; "
                           "for i in $(seq 60); do echo GET big; done; } | "
                           "$KEYWAY exec -u %s - | wc -c",
                           f->url);
    assert_string_equal(r.out, "240000063\n");
#if !defined(__SANITIZE_ADDRESS__)
    assert_in_range(r.max_rss_kb, 1, 160 * 1024); /* 60 replies are 240 MB */
#endif
    shell_result_done(&r);
}

static void any_byte_goes_through(void **state) {
    fixture *f = *state;
    shell_result r = shell("printf 'SET b \"\\\\x00\\\\xff\\\\r\\\\n\"\\nGET b\\nSTRLEN b\\n' | "
                           "$KEYWAY exec -u %s - | od -An -c",
                           f->url);
    assert_string_equal(r.out, "   O   K  \\n  \\0 377  \\r  \\n  \\n   4  \\n\n");
    shell_result_done(&r);
}

static void reply_comes_before_the_input_ends(void **state) {
    fixture *f = *state;
    shell_result r = shell("cd %s; mkfifo in out; $KEYWAY exec -u %s - <in >out & "
                           "exec 3>in 4<out; echo PING >&3; read -r reply <&4; echo \"$reply\"; "
                           "exec 3>&-; wait",
                           f->dir.path, f->url);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, "PONG\n");
    shell_result_done(&r);
}

static void reader_that_leaves_ends_it_quietly(void **state) {
    fixture *f = *state;
    shell_result r =
        shell("seq 200000 | sed 's/.*/ECHO &/' | $KEYWAY exec -u %s - | head -n 1", f->url);
    assert_string_equal(r.out, "1\n");
    assert_string_equal(r.err, "");
    shell_result_done(&r);
}

static void statuses_tell_what_came_of_it(void **state) {
    fixture *f = *state;
    static const struct {
        const char *arguments; /* after `keyway exec -u URL` */
        int status;
        const char *out;
        const char *err; /* part of it */
    } cases[] = {
        {"SET k v", 0, "OK\n", ""},
        {"SET k -1", 0, "OK\n", ""},
        {"INCR k x", 1, "ERR wrong number of arguments for 'incr' command\n\n", ""},
        {"--json GET none", 0, "null\n", ""},
        {"--json INCR k x", 1, "{\"error\":\"ERR wrong number of arguments for 'incr' command\"}\n",
         ""},
        {"", 2, "", "which command shall run?"},
        {"--jsn GET k", 2, "", "no option --jsn (did you mean --json?)"},
        {"--timeout x GET k", 2, "", "takes a number from 1"},
        {"--timeout", 2, "", "option --timeout needs a value"},
        {"-z GET k", 2, "", "no option -z"},
        {"MGET a b", 3, "", "keyway: CROSSSLOT (NOT_SENT): "},
        {"SUBSCRIBE c", 3, "", "keyway: UNSUPPORTED (NOT_SENT): "},
        {"- </dev/null", 0, "", ""},
        {"--typed - <<'.'\nSET k v\nMGET a b\nGET k\n.", 3,
         "OK\n(no reply) CROSSSLOT (NOT_SENT)\n\"v\"\n", "keyway: line 2: CROSSSLOT (NOT_SENT): "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        shell_result r = shell("$KEYWAY exec -u %s %s", f->url, cases[i].arguments);
        if (r.status != cases[i].status || strcmp(r.out, cases[i].out) != 0 ||
            !strstr(r.err, cases[i].err)) {
            print_error("exec %s: status %d\n%s%s", cases[i].arguments, r.status, r.out, r.err);
        }
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(r.out, cases[i].out);
        assert_non_null(strstr(r.err, cases[i].err));
        shell_result_done(&r);
    }
}

/* Until that command waits at the server; in shell. */
#define UNTIL_BLOCKED                                                                              \
    "for i in $(seq 1000); do $KEYWAY exec -u %s INFO clients | grep -q '^blocked_clients:1' && "  \
    "break; sleep 0.01; done; "

static void command_that_blocks_waits_until_somebody_wakes_it(void **state) {
    fixture *f = *state;
    shell_result r = shell("$KEYWAY exec -u %s BLPOP queue 0 & " UNTIL_BLOCKED
                           "$KEYWAY exec -u %s RPUSH queue one >/dev/null; wait $!",
                           f->url, f->url, f->url);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "queue\none\n");
    assert_string_equal(r.err, "");
    shell_result_done(&r);
    r = shell(
        "printf '%%s\n' 'BLMOVE queue {queue}2 LEFT RIGHT 0' 'XREAD BLOCK 0 STREAMS stream 0' "
        "'XADD stream 1-1 a b' 'RPUSH queue two' | timeout 20 $KEYWAY exec --json -u %s -",
        f->url); /* what wakes the first two stands behind them */
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "\"two\"\n{\"stream\":[[\"1-1\",[\"a\",\"b\"]]]}\n\"1-1\"\n1\n");
    shell_result_done(&r);
}

static void command_that_blocks_ends_in_time(void **state) {
    fixture *f = *state;
    static const struct {
        const char *arguments;
        int status;
        const char *out;
        const char *err;
    } cases[] = {
        {"BLPOP none 0.05", 0, "\n", ""}, /* its own time: as redis-cli */
        {"--json BLMOVE none {none}2 LEFT RIGHT 0.05", 0, "null\n", ""},
        {"--typed XREAD BLOCK 50 STREAMS none 0", 0, "(nil)\n", ""},
        {"--timeout 100 BLPOP none 0", 3, "", "keyway: TIMEOUT (MAYBE_EXECUTED): "},
        {"--timeout 100 XREAD BLOCK 0 STREAMS none 0", 3, "", "keyway: TIMEOUT (NO_EFFECT): "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        shell_result r = shell("$KEYWAY exec -u %s %s", f->url, cases[i].arguments);
        if (r.status != cases[i].status || strcmp(r.out, cases[i].out) != 0 ||
            !strstr(r.err, cases[i].err)) {
            fail_msg("exec %s: status %d\n%s%s", cases[i].arguments, r.status, r.out, r.err);
        }
        shell_result_done(&r);
    }
    shell_result r = shell("$KEYWAY exec -u %s RPUSH none x; $KEYWAY exec -u %s LLEN none", f->url,
                           f->url); /* nobody waits there any more */
    assert_string_equal(r.out, "1\n1\n");
    shell_result_done(&r);
}

static void explain_tells_the_way(void **state) {
    fixture *f = *state;
    shell_result r = shell("$KEYWAY exec -u %s --explain --raw GET foo", f->url);
    char node[64];
    snprintf(node, sizeof node, "127.0.0.1:%d  map", f->port);
    assert_non_null(strstr(r.err, "slot 12182 "));
    assert_non_null(strstr(r.err, node));
    assert_null(strstr(r.err, "\033"));
    shell_result_done(&r);
    r = shell("$KEYWAY exec -u %s --explain --json GET foo", f->url);
    assert_non_null(strstr(r.out, "{\"reply\":null,\"explain\":{\"slot\":12182,"));
    assert_non_null(strstr(r.out, "\"reason\":\"map\",\"answer\":\"reply\""));
    assert_string_equal(r.err, "");
    shell_result_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_those_of_redis_cli),
        cmocka_unit_test(lines_of_standard_input_are_those_of_redis_cli),
        cmocka_unit_test(many_lines_stay_in_order_and_memory_flat),
        cmocka_unit_test(large_values_do_not_pile_up),
        cmocka_unit_test(any_byte_goes_through),
        cmocka_unit_test(reply_comes_before_the_input_ends),
        cmocka_unit_test(reader_that_leaves_ends_it_quietly),
        cmocka_unit_test(statuses_tell_what_came_of_it),
        cmocka_unit_test(command_that_blocks_waits_until_somebody_wakes_it),
        cmocka_unit_test(command_that_blocks_ends_in_time),
        cmocka_unit_test(explain_tells_the_way),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
