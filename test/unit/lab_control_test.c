/* The control functions of lab.h. Nodes are asked over bare sockets, one line at a time. */
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Slots: {a} 15495 is node 2's of three, {b} 3300 node 0's. */

static kw_lab *start_seeded(int primaries, int replicas, uint64_t seed) {
    kw_lab_options *options = lab_peer_options(primaries, replicas);
    kw_lab_options_set_seed(options, seed);
    return lab_peer_start(options);
}

static kw_lab *start(int primaries, int replicas) {
    return start_seeded(primaries, replicas, 1);
}

static int connect_to(const kw_lab *lab, int index) {
    int fd = lab_peer_connect(lab_peer_port(lab, index));
    assert_true(fd >= 0);
    return fd;
}

/* Sends a line to a node over a connection of its own. */
static void ask(const kw_lab *lab, int index, const char *line, const char *reply) {
    char ended[256];
    assert_true((size_t)snprintf(ended, sizeof ended, "%s\r\n", line) < sizeof ended);
    lab_peer_ask(lab_peer_port(lab, index), ended, reply);
}

/* -------------------------------------------------------------------------------------- faults */

static void faults_hit_as_often_as_told(void **state) {
    (void)state;
    kw_lab *lab = start(1, 0);
    kw_lab_fault fault;
    uint64_t id = 0;
    kw_lab_fault_init(&fault);
    fault.command = "GET";
    fault.key = "user:*";
    fault.skip = 1;
    fault.count = 1;
    fault.action = KW_LAB_ERROR;
    fault.text = "TRYAGAIN wait";
    assert_int_equal(kw_lab_add_fault(lab, &fault, &id), KW_OK);
    ask(lab, 0, "GET user:1", "$-1\r\n");
    ask(lab, 0, "GET other", "$-1\r\n");
    ask(lab, 0, "GET user:1", "-TRYAGAIN wait\r\n");
    ask(lab, 0, "GET user:1", "$-1\r\n");
    assert_int_equal(kw_lab_fault_hits(lab, id), 1);
    assert_int_equal(kw_lab_fault_hits(lab, id + 1), 0);
    assert_int_equal(kw_lab_remove_fault(lab, id), KW_OK);
    assert_int_equal(kw_lab_remove_fault(lab, id), KW_ERR_INVALID);
    kw_lab_stop(lab);
}

static void texts_of_faults_may_hold_any_byte(void **state) {
    (void)state;
    static const char reply[] = "$3\r\na\0b\r\n";
    kw_lab *lab = start(1, 0);
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "cluster slots";
    fault.action = KW_LAB_REPLY;
    fault.text = reply;
    fault.text_len = sizeof reply - 1;
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
    int fd = connect_to(lab, 0);
    char got[16];
    assert_int_equal(send(fd, "CLUSTER SLOTS\r\n", 15, MSG_NOSIGNAL), 15);
    assert_int_equal(recv(fd, got, sizeof reply - 1, MSG_WAITALL), sizeof reply - 1);
    assert_memory_equal(got, reply, sizeof reply - 1);
    close(fd);
    assert_int_equal(kw_lab_clear_faults(lab), KW_OK);
    ask(lab, 0, "CLUSTER KEYSLOT {b}", ":3300\r\n");
    kw_lab_stop(lab);
}

static void wrong_faults_are_refused(void **state) {
    (void)state;
    char long_text[600];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    kw_lab_fault bad[9];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        kw_lab_fault_init(&bad[i]);
    }
    bad[0].node = 9;
    bad[1].node = -2;
    bad[2].probability = 1.5;
    bad[3].delay_ms = -1;
    bad[4].action = KW_LAB_MOVED; /* to nobody */
    bad[5].command = long_text;
    bad[6].key = long_text;
    bad[7].action = KW_LAB_ERROR;
    bad[7].text = long_text;
    bad[8].first_slot = 7; /* without an end */
    kw_lab *lab = start(1, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint64_t id = 77;
        assert_int_equal(kw_lab_add_fault(lab, &bad[i], &id), KW_ERR_INVALID);
        assert_int_equal(id, 77);
    }
    kw_lab_stop(lab);
}

static void seed_makes_chances_and_ids_repeat(void **state) {
    (void)state;
    char ids[2][41];
    uint64_t hits[2];
    for (int run = 0; run < 2; run++) {
        kw_lab *lab = start_seeded(1, 0, 77);
        kw_lab_node node;
        kw_lab_fault fault;
        uint64_t id = 0;
        assert_true(kw_lab_node_at(lab, 0, &node));
        memcpy(ids[run], node.id, sizeof node.id);
        kw_lab_fault_init(&fault);
        fault.probability = 0.5;
        assert_int_equal(kw_lab_add_fault(lab, &fault, &id), KW_OK);
        for (int i = 0; i < 40; i++) {
            ask(lab, 0, "PING", "+PONG\r\n");
        }
        hits[run] = kw_lab_fault_hits(lab, id);
        kw_lab_stop(lab);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_int_equal(hits[0], hits[1]);
    assert_in_range(hits[0], 5, 35);
}

/* --------------------------------------------------------------------------------------- the log
 */

static void log_is_read_as_a_copy(void **state) {
    (void)state;
    kw_lab *lab = start(3, 0);
    ask(lab, 0, "SET {b}x hello", "+OK\r\n");
    ask(lab, 0, "CLUSTER KEYSLOT {b}", ":3300\r\n");
    ask(lab, 1, "ECHO hi", "$2\r\nhi\r\n");
    kw_lab_log *log = NULL;
    assert_int_equal(kw_lab_read_log(lab, NULL, &log), KW_OK);
    assert_int_equal(kw_lab_log_size(log), 3);
    kw_lab_filter filter;
    kw_lab_filter_init(&filter);
    filter.node = 0;
    filter.command = "CLUSTER";
    assert_int_equal(kw_lab_count_log(lab, &filter), 1);
    filter.command = NULL;
    filter.key = "{b}*";
    assert_int_equal(kw_lab_count_log(lab, &filter), 1);
    filter.node = 9;
    assert_int_equal(kw_lab_count_log(lab, &filter), 0);
    assert_int_equal(kw_lab_clear_log(lab), KW_OK);
    assert_int_equal(kw_lab_count_log(lab, NULL), 0);
    kw_lab_stop(lab);

    const kw_lab_entry *e = kw_lab_log_at(log, 0); /* it outlives the lab */
    assert_int_equal(e->number, 1);
    assert_int_equal(e->node, 0);
    assert_string_equal(e->command, "set");
    assert_string_equal(e->outcome, "served");
    assert_int_equal(e->argc, 3);
    assert_int_equal(e->kept_count, 3);
    assert_slice_is(e->argv[1], "{b}x");
    assert_slice_is(e->argv[2], "hello");
    assert_string_equal(kw_lab_log_at(log, 1)->command, "cluster|keyslot");
    assert_string_equal(kw_lab_log_at(log, 2)->command, "echo");
    assert_null(kw_lab_log_at(log, 3));
    kw_lab_log_free(log);
    kw_lab_log_free(NULL);
}

/* -------------------------------------------------------------------------------------- events */

typedef struct listener {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    char names[16][32];
    int count;
    int nodes; /* as the listener saw them from inside */
} listener;

static void hear(kw_lab *lab, const kw_lab_event *event, void *arg) {
    listener *l = arg;
    int nodes = kw_lab_node_count(lab);
    pthread_mutex_lock(&l->mutex);
    if (l->count < (int)COUNT_OF(l->names)) {
        (void)snprintf(l->names[l->count++], sizeof l->names[0], "%s %d", event->name, event->node);
    }
    l->nodes = nodes;
    pthread_cond_signal(&l->came);
    pthread_mutex_unlock(&l->mutex);
}

static void wait_for(listener *l, const char *name) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    bool found = false;
    int error = 0;
    pthread_mutex_lock(&l->mutex);
    while (!found && error == 0) {
        for (int i = 0; i < l->count; i++) {
            found = found || strcmp(l->names[i], name) == 0;
        }
        if (!found) {
            error = pthread_cond_timedwait(&l->came, &l->mutex, &until);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    if (!found) {
        fail_msg("no event %s", name);
    }
}

static void events_come_to_their_listener(void **state) {
    (void)state;
    listener l = {.mutex = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    kw_lab *lab = start(3, 1);
    assert_int_equal(kw_lab_set_failover_ms(lab, 20), KW_OK);
    assert_int_equal(kw_lab_pause(lab, 1, true), KW_OK); /* before anybody listened */
    assert_int_equal(kw_lab_pause(lab, 1, false), KW_OK);
    assert_int_equal(kw_lab_on_event(lab, hear, &l), KW_OK);
    assert_int_equal(kw_lab_kill(lab, 2), KW_OK);
    wait_for(&l, "node-killed 2");
    wait_for(&l, "failover-won 5");
    assert_string_equal(l.names[0], "node-killed 2");
    assert_int_equal(l.nodes, 6);
    assert_int_equal(kw_lab_on_event(lab, NULL, NULL), KW_OK);
    int count = l.count;
    assert_int_equal(kw_lab_revive(lab, 2), KW_OK);
    assert_int_equal(l.count, count);
    kw_lab_stop(lab);
}

/* ------------------------------------------------------------------------------------ commands */

static void commands_answer_with_text(void **state) {
    (void)state;
    kw_lab *lab = start(3, 0);
    char *text = NULL;
    kw_error err;
    assert_int_equal(kw_lab_command(lab, &text, &err, "SLOT BEGIN %d %d", 3300, 1), KW_OK);
    assert_string_equal(text, "OK");
    kw_lab_free_text(text);
    assert_int_equal(kw_lab_command(lab, &text, &err, "SLOT SHOW %d", 3300), KW_OK);
    assert_string_equal(text, "node=0 owner=0 migrating-to=1 importing-from=- keys=0\n"
                              "node=1 owner=0 migrating-to=- importing-from=0 keys=0\n"
                              "node=2 owner=0 migrating-to=- importing-from=- keys=0");
    kw_lab_free_text(text);
    assert_int_equal(kw_lab_command(lab, &text, &err, "SLOT KEYS 3300 1"), KW_OK);
    assert_string_equal(text, "0");
    kw_lab_free_text(text);
    ask(lab, 0, "ECHO {b}x", "$4\r\n{b}x\r\n");
    ask(lab, 0, "ECHO \"a b\\n\"", "$4\r\na b\n\r\n");
    assert_int_equal(kw_lab_command(lab, NULL, NULL, "LOG CLEAR"), KW_OK);
    ask(lab, 0, "ECHO \"a b\\n\"", "$4\r\na b\n\r\n");
    assert_int_equal(kw_lab_command(lab, &text, &err, "LOG"), KW_OK);
    assert_non_null(
        strstr(text, " command=echo outcome=served rule=0 arguments=ECHO \"a b\\x0a\""));
    kw_lab_free_text(text);
    assert_int_equal(kw_lab_command(lab, &text, &err, "FAULT LIST"), KW_OK);
    assert_string_equal(text, "");
    kw_lab_free_text(text);
    kw_lab_free_text(NULL);
    kw_lab_stop(lab);
}

static void commands_that_fail_say_why(void **state) {
    (void)state;
    kw_lab *lab = start(1, 0);
    char *text = NULL;
    kw_error err;
    assert_int_equal(kw_lab_command(lab, &text, &err, "KIL 0"), KW_ERR_INVALID);
    assert_null(text);
    assert_string_equal(err.message,
                        "unknown command 'LAB KIL'. Did you mean LAB KILL? LAB HELP lists them.");
    assert_int_equal(kw_lab_command(lab, NULL, NULL, "KILL %d", 7), KW_ERR_INVALID);
    assert_int_equal(kw_lab_command(lab, NULL, &err, "%y"), KW_ERR_INVALID);
    const kw_slice argv[] = {{"ECHO\0", 5}};
    assert_int_equal(kw_lab_command_argv(lab, NULL, &err, argv, 1), KW_ERR_INVALID);
    assert_int_equal(kw_lab_command_argv(lab, NULL, &err, NULL, 0), KW_ERR_INVALID);
    assert_string_equal(err.message, "LAB what? LAB HELP lists what there is.");
    kw_lab_stop(lab);
}

static void functions_refuse_what_is_not_there(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1);
    int added = 0;
    assert_int_equal(kw_lab_kill(lab, 6), KW_ERR_INVALID);
    assert_int_equal(kw_lab_kill(lab, -1), KW_ERR_INVALID);
    assert_int_equal(kw_lab_restart(lab, 99, 0), KW_ERR_INVALID);
    assert_int_equal(kw_lab_revive_at(lab, 0, 0), KW_ERR_INVALID); /* it lives */
    assert_int_equal(kw_lab_promote(lab, 0), KW_ERR_INVALID);      /* no replica */
    assert_int_equal(kw_lab_move(lab, 5, 4, 0), KW_ERR_INVALID);
    assert_int_equal(kw_lab_move(lab, 0, 16384, 0), KW_ERR_INVALID);
    assert_int_equal(kw_lab_force_view(lab, 0, 0, 1, 9), KW_ERR_INVALID);
    assert_int_equal(kw_lab_delay_view(lab, 0, -5), KW_ERR_INVALID);
    assert_int_equal(kw_lab_set_endpoint(lab, 0, (kw_lab_endpoint)9), KW_ERR_INVALID);
    assert_int_equal(kw_lab_set_hostname(lab, 9, "x"), KW_ERR_INVALID);
    assert_int_equal(kw_lab_migrate_clear(lab, 16384, -1), KW_ERR_INVALID);
    assert_int_equal(kw_lab_add_node(lab, 3, 0, &added), KW_ERR_INVALID); /* no primary */
    assert_int_equal(kw_lab_add_node(lab, -2, 0, &added), KW_ERR_INVALID);
    assert_int_equal(added, 0);
    assert_int_equal(kw_lab_node_count(lab), 6);
    assert_int_equal(kw_lab_remove_node(lab, 0), KW_ERR_INVALID); /* it owns slots */
    kw_lab_stop(lab);
}

static void control_over_the_wire_may_be_forbidden(void **state) {
    (void)state;
    kw_lab_options *options = NULL;
    kw_lab *lab = NULL;
    kw_error err;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    kw_lab_options_set_control(options, false);
    assert_int_equal(kw_lab_start(options, &lab, &err), KW_OK);
    kw_lab_options_free(options);
    ask(lab, 0, "LAB NODES", "-ERR unknown command 'LAB', with args beginning with: 'NODES' \r\n");
    assert_int_equal(kw_lab_command(lab, NULL, &err, "NODES"), KW_OK);
    kw_lab_stop(lab);
}

static void data_of_a_stopped_node_is_with_its_replica(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1);
    assert_int_equal(kw_lab_set_failover_ms(lab, -1), KW_OK);
    assert_int_equal(kw_lab_set_replication_delay_ms(lab, 60000), KW_OK);
    ask(lab, 2, "SET {a}x v", "+OK\r\n");
    assert_int_equal(kw_lab_shutdown(lab, 2), KW_OK);
    assert_int_equal(kw_lab_promote(lab, 5), KW_OK);
    ask(lab, 5, "GET {a}x", "$1\r\nv\r\n");
    ask(lab, 5, "SET {a}x w", "+OK\r\n");
    assert_int_equal(kw_lab_revive(lab, 2), KW_OK);
    assert_int_equal(kw_lab_sync(lab), KW_OK);
    kw_lab_node node;
    assert_true(kw_lab_node_at(lab, 2, &node));
    assert_false(node.primary);
    assert_int_equal(node.key_count, 1);
    assert_int_equal(kw_lab_flush(lab), KW_OK);
    ask(lab, 5, "GET {a}x", "$-1\r\n");
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_hit_as_often_as_told),
        cmocka_unit_test(texts_of_faults_may_hold_any_byte),
        cmocka_unit_test(wrong_faults_are_refused),
        cmocka_unit_test(seed_makes_chances_and_ids_repeat),
        cmocka_unit_test(log_is_read_as_a_copy),
        cmocka_unit_test(events_come_to_their_listener),
        cmocka_unit_test(commands_answer_with_text),
        cmocka_unit_test(commands_that_fail_say_why),
        cmocka_unit_test(functions_refuse_what_is_not_there),
        cmocka_unit_test(control_over_the_wire_may_be_forbidden),
        cmocka_unit_test(data_of_a_stopped_node_is_with_its_replica),
    };
    return cmocka_run_group_tests_name("lab_control", tests, NULL, NULL);
}
