/* The lab's nodes and real ones get the same commands, those of lab_differential.txt; their replies
 * must be the same bytes. lab_generated_test.c goes on where a person's list ends. */
#include "integration/support/diff_side.h"
#include "integration/support/diff_value.h"
#include "unit/support/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096, REPLY_TIMEOUT_MS = 10000, AGREE_TRIES = 200, AGREE_EVERY_MS = 50 };

typedef struct pair {
    diff_side server;
    diff_side lab;
    buffer server_reply;
    buffer lab_reply;
} pair;

/* What is left to live may differ by the time between the two. */
static bool nearly_equal(const pair *p, const char *command) {
    int64_t x;
    int64_t y;
    kw_slice left = buffer_slice(&p->server_reply);
    kw_slice right = buffer_slice(&p->lab_reply);
    if (strncmp(command, "TTL ", 4) != 0 || left.len < 4 || right.len < 4 ||
        !slice_to_i64(slice_of(left.data + 1, left.len - 3), &x) ||
        !slice_to_i64(slice_of(right.data + 1, right.len - 3), &y)) {
        return false;
    }
    return x > 0 && y > 0 && x - y < 30 && y - x < 30;
}

static void print_reply(const char *name, const buffer *reply) {
    buffer text;
    buffer_init(&text, &mem_default, 0);
    diff_write_reply(&text, buffer_slice(reply));
    printf("    %s: %.*s\n", name, (int)buffer_len(&text), text.data + text.begin);
    buffer_done(&text);
}

static void ask_both(pair *p, int connection, const char *command) {
    char bytes[LINE_SIZE];
    kw_slice argv[DIFF_ARGUMENTS_MAX];
    size_t argc = words_read(command, argv, DIFF_ARGUMENTS_MAX, bytes);
    diff_send(&p->server, connection, argv, argc);
    diff_send(&p->lab, connection, argv, argc);
    if (!diff_receive(&p->server, connection, REPLY_TIMEOUT_MS, &p->server_reply)) {
        fail_msg("%s: no reply from the server", command);
    }
    if (!diff_receive(&p->lab, connection, REPLY_TIMEOUT_MS, &p->lab_reply)) {
        fail_msg("%s: no reply from the lab", command);
    }
    if (strncmp(command, "QUIT", 4) == 0) {
        diff_close(&p->server, connection);
        diff_close(&p->lab, connection);
    }
}

static bool agree(const pair *p, const char *command) {
    return slice_equal(buffer_slice(&p->server_reply), buffer_slice(&p->lab_reply)) ||
           nearly_equal(p, command);
}

/* Runs one line on both sides; true if they agree. */
static bool compare_line(pair *p, const char *line) {
    bool compared = line[0] != '~';
    bool patient = line[0] == '!';
    const char *at = line + (patient || !compared);
    int connection = *at++ - '0';
    if (*at != ' ') {
        connection += DIFF_NODES * (1 + *at++ - 'a');
    }
    at++;
    assert_in_range(connection, 0, DIFF_CONNECTIONS - 1);
    ask_both(p, connection, at);
    for (int i = 0; patient && !agree(p, at) && i < AGREE_TRIES; i++) {
        sleep_ms(AGREE_EVERY_MS);
        ask_both(p, connection, at);
    }
    if (!compared || agree(p, at)) {
        return true;
    }
    printf("%s\n", line);
    print_reply("server", &p->server_reply);
    print_reply("lab", &p->lab_reply);
    return false;
}

static void the_lab_answers_as_redis_server_does(void **state) {
    (void)state;
    const redis_cluster_options options = {
        .primaries = DIFF_PRIMARIES, .replicas = 3, .full_coverage = true};
    redis_cluster *cluster = redis_cluster_start(&options);
    kw_lab *lab = diff_lab_start(cluster, true);
    pair p = {0};
    diff_side_of_cluster(&p.server, cluster);
    diff_side_of_lab(&p.lab, lab);
    buffer_init(&p.server_reply, &mem_default, 0);
    buffer_init(&p.lab_reply, &mem_default, 0);
    diff_wait_for_replicas(cluster);

    char path[512];
    const char *source = getenv("KEYWAY_SOURCE");
    snprintf(path, sizeof path, "%s/test/integration/lab_differential.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[LINE_SIZE];
    size_t compared = 0;
    size_t different = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        compared++;
        different += !compare_line(&p, line);
    }
    fclose(file);
    printf("%zu commands\n", compared);
    diff_side_done(&p.server);
    diff_side_done(&p.lab);
    buffer_done(&p.server_reply);
    buffer_done(&p.lab_reply);
    kw_lab_stop(lab);
    redis_cluster_stop(cluster);
    assert_true(compared > 500);
    assert_int_equal(different, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lab_answers_as_redis_server_does),
    };
    return cmocka_run_group_tests_name("lab_differential", tests, NULL, NULL);
}
