/* A lab's nodes and clients that behave badly, or are many. */
#include "lab/lab_handle.h"
#include "unit/support/failing_mem.h"
#include "unit/support/lab_peer.h"
#include "unit/support/test_net.h"
#include "unit/support/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static kw_status count_bytes(kw_lab *lab, void *arg) {
    const failing_mem *t = lab->mem->arg;
    *(size_t *)arg = t->live_bytes;
    return KW_OK;
}

/* What the lab holds, as its own thread sees it between two turns. */
static size_t bytes_of(const kw_lab *lab) {
    size_t bytes = 0;
    assert_int_equal(lab_ask(lab, count_bytes, &bytes), KW_OK);
    return bytes;
}

/* Until the lab's thread has dealt with what was done to it. */
static void wait_for_bytes_below(const kw_lab *lab, size_t most) {
    for (int i = 0; i < 2000 && bytes_of(lab) > most; i++) {
        usleep(10000);
    }
    assert_true(bytes_of(lab) <= most);
}

/* The peer closes with a reset, as one that was killed does. */
static void reset(int fd) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

static void ten_thousand_connections_come_and_go(void **state) {
    (void)state;
    enum { TOTAL = 10000, AT_ONCE = 200 };
    failing_mem t;
    failing_mem_init(&t);
    kw_lab_options *options = lab_peer_options(1, 0);
    options->mem = &t.mem;
    kw_lab *lab = lab_peer_start(options);
    uint16_t port = lab_peer_port(lab, 0);
    int fds[AT_ONCE];
    size_t bytes_before = 0;
    for (int done = 0; done < TOTAL; done += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++) {
            fds[i] = lab_peer_connect(port);
            assert_true(fds[i] >= 0);
            if (i % 4 > 0) {
                lab_peer_send(fds[i], i % 4 == 1 ? "PING\r\n" : "*2\r\n$3\r\nGET\r\n$1000\r\nk");
            }
        }
        for (int i = 0; i < AT_ONCE; i++) {
            if (i % 8 == 0) {
                close(fds[i]); /* each of these keeps a port busy for a minute */
            } else {
                reset(fds[i]);
            }
        }
        lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
        if (done == 0) {
            bytes_before = bytes_of(lab);
        }
    }
    wait_for_bytes_below(lab, bytes_before + 64 * 1024);
    kw_lab_stop(lab);
    assert_int_equal(t.live_count, 0);
}

static void half_a_command_costs_what_came_of_it(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        size_t most_bytes;
    } cases[] = {
        {"*1000000\r\n$3\r\nSET\r\n", 4096},
        {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n", 4096},
        {"GET", 4096},
        {"", 4096},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum { CLIENTS = 50 };
        failing_mem t;
        failing_mem_init(&t);
        kw_lab_options *options = lab_peer_options(1, 0);
        options->mem = &t.mem;
        kw_lab *lab = lab_peer_start(options);
        uint16_t port = lab_peer_port(lab, 0);
        int fds[CLIENTS];
        lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
        size_t before = bytes_of(lab);
        for (size_t j = 0; j < CLIENTS; j++) {
            fds[j] = lab_peer_connect(port);
            lab_peer_send(fds[j], "PING\r\n");
            lab_peer_expect(fds[j], "+PONG\r\n");
            lab_peer_send(fds[j], cases[i].wire);
        }
        lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
        size_t all = bytes_of(lab);
        if (all > before + CLIENTS * cases[i].most_bytes) {
            fail_msg("%s: %zu bytes a client", cases[i].wire, (all - before) / CLIENTS);
        }
        for (size_t j = 0; j < CLIENTS; j++) {
            reset(fds[j]);
        }
        kw_lab_stop(lab);
        assert_int_equal(t.live_count, 0);
    }
}

static void a_large_value_costs_about_twice_what_came(void **state) {
    (void)state;
    enum { VALUE = 8 * 1024 * 1024, PIECE = 64 * 1024 };
    failing_mem t;
    failing_mem_init(&t);
    kw_lab_options *options = lab_peer_options(1, 0);
    options->mem = &t.mem;
    kw_lab *lab = lab_peer_start(options);
    uint16_t port = lab_peer_port(lab, 0);
    static char piece[PIECE];
    memset(piece, 'x', sizeof piece);
    lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
    size_t before = bytes_of(lab);
    int fd = lab_peer_connect(port);
    lab_peer_send(fd, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n");
    for (size_t sent = 0; sent < VALUE; sent += PIECE) {
        assert_int_equal(send(fd, piece, PIECE, MSG_NOSIGNAL), PIECE);
    }
    for (int i = 0; i < 1000 && bytes_of(lab) < before + VALUE; i++) {
        lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
    }
    assert_in_range(bytes_of(lab) - before, VALUE, 2 * VALUE + 256 * 1024);
    reset(fd);
    kw_lab_stop(lab);
    assert_int_equal(t.live_count, 0);
}

/* What the process has used of the processor, in milliseconds. */
static long cpu_ms(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (long)(used.tv_sec * 1000 + used.tv_nsec / 1000000);
}

static rlim_t set_descriptor_limit(rlim_t count) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void without_descriptors_clients_wait_and_nothing_spins(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int asking = lab_peer_connect(port);
    lab_peer_send(asking, "PING\r\n");
    lab_peer_expect(asking, "+PONG\r\n");
    int highest = dup(asking);
    assert_true(highest >= 0);
    close(highest);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(waiting, highest);
    rlim_t before = set_descriptor_limit((rlim_t)waiting + 1); /* none is left for the node */
    assert_int_equal(connect(waiting, (struct sockaddr *)&address, sizeof address), 0);
    lab_peer_send(waiting, "PING\r\n");
    long used_before = cpu_ms();
    lab_peer_set_patience_ms(waiting, 500);
    char byte;
    assert_int_equal(recv(waiting, &byte, 1, 0), -1);
    long used = cpu_ms() - used_before;
    lab_peer_send(asking, "PING\r\n"); /* the others are served */
    lab_peer_expect(asking, "+PONG\r\n");
    (void)set_descriptor_limit(before);
    lab_peer_set_patience_ms(waiting, 20000);
    lab_peer_expect(waiting, "+PONG\r\n");
    assert_true(used < 250);
    close(waiting);
    close(asking);
    kw_lab_stop(lab);
}

static void clients_beyond_the_limit_are_told_so(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 1); /* the links between the nodes count as two */
    uint16_t port = lab_peer_port(lab, 0);
    int first = lab_peer_connect(port);
    lab_peer_send(first, "CONFIG SET maxclients 4\r\n");
    lab_peer_expect(first, "+OK\r\n");
    int second = lab_peer_connect(port);
    lab_peer_send(second, "PING\r\n");
    lab_peer_expect(second, "+PONG\r\n");
    int third = lab_peer_connect(port);
    lab_peer_expect(third, "-ERR max number of clients + cluster connections reached\r\n");
    assert_int_equal(lab_peer_drain(third), 0);
    close(second);
    close(third);
    for (int i = 0; i < 1000; i++) { /* until the second one's end is seen */
        int again = lab_peer_connect(port);
        char got[64] = {0};
        (void)!send(again, "PING\r\n", 6, MSG_NOSIGNAL);
        ssize_t len = recv(again, got, sizeof got - 1, 0);
        close(again);
        if (len > 0 && strcmp(got, "+PONG\r\n") == 0) {
            close(first);
            kw_lab_stop(lab);
            return;
        }
        usleep(10000);
    }
    fail_msg("%s", "nobody is let in again");
}

static void idle_clients_are_closed_after_the_timeout(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int idle = lab_peer_connect(port);
    int listening = lab_peer_connect(port);
    lab_peer_send(idle, "PING\r\n");
    lab_peer_expect(idle, "+PONG\r\n");
    lab_peer_send(listening, "SUBSCRIBE a\r\n");
    lab_peer_expect(listening, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    lab_peer_ask(port, "CONFIG SET timeout 100\r\n", "+OK\r\n");
    lab_peer_ask(port, "LAB TIME ADVANCE 101000\r\n", ":");
    assert_int_equal(lab_peer_drain(idle), 0);
    lab_peer_send(listening, "PING\r\n"); /* who listens may be silent */
    lab_peer_expect(listening, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    close(idle);
    close(listening);
    kw_lab_stop(lab);
}

static void note_cut(kw_lab *lab, const kw_lab_event *event, void *arg) {
    (void)lab;
    if (strcmp(event->name, "client-cut") == 0) {
        sem_post(arg);
    }
}

/* From now on `cuts` is posted for each client that is cut off. */
static void watch_cuts(kw_lab *lab, sem_t *cuts) {
    assert_int_equal(sem_init(cuts, 0, 0), 0);
    assert_int_equal(kw_lab_on_event(lab, note_cut, cuts), KW_OK);
}

static void wait_for_cut(sem_t *cuts) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    assert_int_equal(sem_timedwait(cuts, &until), 0);
}

/* Publishes until nobody listens, or far more than sockets hold. */
static void publish_much(uint16_t port) {
    enum { VALUE = 100000, MESSAGES = 300 };
    static char command[VALUE + 64];
    int header = snprintf(command, 64, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%d\r\n", VALUE);
    memset(command + header, 'x', VALUE);
    memcpy(command + header + VALUE, "\r\n", 2);
    const ssize_t size = header + VALUE + 2;
    int fd = lab_peer_connect(port);
    bool heard = true;
    for (int i = 0; i < MESSAGES && heard; i++) {
        char reply[8] = {0};
        assert_int_equal(send(fd, command, (size_t)size, MSG_NOSIGNAL), size);
        assert_int_equal(recv(fd, reply, 4, MSG_WAITALL), 4);
        heard = strcmp(reply, ":1\r\n") == 0;
        assert_true(heard || strcmp(reply, ":0\r\n") == 0);
    }
    close(fd);
}

static void subscribers_that_do_not_read_are_cut_off(void **state) {
    (void)state;
    const char *limits[] = {"pubsub 1mb 0 0", "pubsub 0 1mb 1"};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        kw_lab *lab = lab_peer_start_size(1, 0);
        uint16_t port = lab_peer_port(lab, 0);
        char command[128];
        snprintf(command, sizeof command, "CONFIG SET client-output-buffer-limit \"%s\"\r\n",
                 limits[i]);
        lab_peer_ask(port, command, "+OK\r\n");
        int fd = lab_peer_connect(port);
        lab_peer_send(fd, "SUBSCRIBE a\r\n");
        lab_peer_expect(fd, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        sem_t cuts;
        watch_cuts(lab, &cuts);
        publish_much(port);
        wait_for_cut(&cuts);
        lab_peer_ask(port, "PUBLISH a x\r\n", ":0\r\n");
        assert_true(lab_peer_drain(fd) > 0);
        close(fd);
        kw_lab_stop(lab);
        sem_destroy(&cuts);
    }
}

/* It asks for more than it may have waiting, and reads nothing. */
static void a_client_that_stops_reading_is_cut_off(void **state) {
    (void)state;
    enum { FULL = 1024 * 1024, GETS = 2000 };
    failing_mem t;
    failing_mem_init(&t);
    kw_lab_options *options = lab_peer_options(1, 0);
    options->mem = &t.mem;
    options->output_limits =
        (lab_output_limits){.full_bytes = FULL, .hard_bytes = 100 * FULL, .stall_us = 300000};
    kw_lab *lab = lab_peer_start(options);
    uint16_t port = lab_peer_port(lab, 0);
    lab_peer_ask(port, "SETRANGE k 99999 x\r\n", ":100000\r\n");
    sem_t cuts;
    watch_cuts(lab, &cuts);
    size_t before = bytes_of(lab);
    int fd = lab_peer_connect(port);
    static char gets[GETS * 7 + 1];
    for (size_t i = 0; i < GETS; i++) {
        memcpy(gets + i * 7, "GET k\r\n", 7);
    }
    lab_peer_send(fd, gets); /* at once: soon nobody takes anything any more */
    lab_peer_ask(port, "PING\r\n", "+PONG\r\n");
    assert_true(bytes_of(lab) < before + 3 * FULL);
    wait_for_cut(&cuts);
    assert_true(lab_peer_drain(fd) < (size_t)GETS * 100000);
    close(fd);
    kw_lab_stop(lab);
    sem_destroy(&cuts);
    assert_int_equal(t.live_count, 0);
}

static void clients_are_listed_by_their_addresses(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int fd = lab_peer_connect(port);
    struct sockaddr_in mine;
    socklen_t len = sizeof mine;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&mine, &len), 0);
    char expected[128];
    snprintf(expected, sizeof expected,
             "addr=127.0.0.1:%u laddr=127.0.0.1:%u fd=", ntohs(mine.sin_port), port);
    lab_peer_send(fd, "CLIENT LIST\r\n");
    char got[1024] = {0};
    assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
    if (!strstr(got, expected) || strstr(got, "fd=-1")) {
        fail_msg("%s is not in %s", expected, got);
    }
    close(fd);
    kw_lab_stop(lab);
}

/* -1 and errno if it is refused. */
static int connect_to_ipv6(uint16_t port) {
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* `localhost` may be either. */
static void nodes_listen_at_both_loopback_addresses(void **state) {
    (void)state;
    if (!test_has_ipv6()) {
        skip();
    }
    kw_lab *lab = lab_peer_start_size(2, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int fd = connect_to_ipv6(port);
    char got[1024] = {0};
    assert_true(fd >= 0);
    lab_peer_send(fd, "CLIENT INFO\r\n");
    assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
    assert_non_null(strstr(got, "addr=[::1]:"));
    assert_non_null(strstr(got, "laddr=[::1]:"));
    assert_int_equal(kw_lab_kill(lab, 0), KW_OK);
    assert_int_equal(lab_peer_drain(fd), 0);
    close(fd);
    assert_int_equal(connect_to_ipv6(port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    kw_lab_stop(lab);
}

static void what_is_no_command_is_refused_and_ends_it(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        const char *reply;
    } cases[] = {
        {"*abc\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"PING\r\n*1\r\n!\r\n", "+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n"},
        {"*1\r\n$-1\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"ECHO \"x\r\nPING\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
    };
    kw_lab *lab = lab_peer_start_size(1, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = lab_peer_connect(lab_peer_port(lab, 0));
        lab_peer_send(fd, cases[i].wire);
        lab_peer_expect(fd, cases[i].reply);
        assert_int_equal(lab_peer_drain(fd), 0);
        close(fd);
    }
    kw_lab_stop(lab);
}

static void the_longest_argument_is_as_set(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "*2\r\n$4\r\nECHO\r\n$1048577\r\n");
    int other = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(other, "CONFIG SET proto-max-bulk-len 1mb\r\n*2\r\n$4\r\nECHO\r\n$1048577\r\n");
    lab_peer_expect(other, "+OK\r\n-ERR Protocol error: invalid bulk length\r\n");
    assert_int_equal(lab_peer_drain(other), 0);
    close(other);
    close(fd);
    kw_lab_stop(lab);
}

static void each_failed_allocation_of_the_start_is_survived(void **state) {
    (void)state;
    const kw_lab_tls kinds[] = {KW_LAB_TLS_OFF, KW_LAB_TLS_BESIDE};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        kw_status status = KW_ERR_NOMEM;
        for (size_t call = 1; status != KW_OK && call < 1000; call++) {
            failing_mem t;
            kw_lab *lab = NULL;
            kw_error err = {0};
            kw_lab_options *options = lab_peer_options(2, 1);
            failing_mem_init(&t);
            failing_mem_fail_at(&t, call);
            options->mem = &t.mem;
            assert_int_equal(kw_lab_options_set_tls(options, kinds[k]), KW_OK);
            status = kw_lab_start(options, &lab, &err);
            kw_lab_options_free(options);
            if (status == KW_OK) {
                kw_lab_stop(lab);
            } else {
                assert_int_equal(status, KW_ERR_NOMEM);
                assert_int_equal(err.status, KW_ERR_NOMEM);
                assert_null(lab);
            }
            assert_int_equal(t.live_count, 0);
        }
        assert_int_equal(status, KW_OK);
    }
}

static kw_status fail_at(kw_lab *lab, void *arg) {
    failing_mem_fail_at(lab->mem->arg, *(const size_t *)arg);
    return KW_OK;
}

/* True if an allocation failed since. */
static kw_status has_failed(kw_lab *lab, void *arg) {
    const failing_mem *t = lab->mem->arg;
    *(bool *)arg = t->call_count >= t->fail_at;
    return KW_OK;
}

/* Whatever the node makes of it; the connection may end. */
static void talk(uint16_t port) {
    char sink[4096];
    int fd = lab_peer_connect(port);
    static const char text[] = "HELLO 3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\nGET k\r\n"
                               "SUBSCRIBE c\r\nUNSUBSCRIBE\r\nLPUSH l 1 2 3\r\nBLPOP l 1\r\n"
                               "MULTI\r\nINCR n\r\nEXEC\r\nCLUSTER SLOTS\r\nCLIENT LIST\r\n"
                               "*2\r\n$4\r\nECHO\r\n$10\r\nhalf";
    (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (recv(fd, sink, sizeof sink, 0) > 0) {
    }
    close(fd);
}

static void each_failed_allocation_of_a_connection_is_survived(void **state) {
    (void)state;
    failing_mem t;
    failing_mem_init(&t);
    kw_lab_options *options = lab_peer_options(1, 0);
    options->mem = &t.mem;
    kw_lab *lab = lab_peer_start(options);
    uint16_t port = lab_peer_port(lab, 0);
    bool failed = true;
    size_t call = 0;
    while (failed && call < 1000) {
        size_t never = 0;
        call++;
        assert_int_equal(lab_ask(lab, fail_at, &call), KW_OK);
        talk(port);
        assert_int_equal(lab_ask(lab, has_failed, &failed), KW_OK);
        assert_int_equal(lab_ask(lab, fail_at, &never), KW_OK);
        lab_peer_ask(port, "FLUSHALL\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    }
    assert_false(failed);
    assert_true(call > 10);
    kw_lab_stop(lab);
    assert_int_equal(t.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_connections_come_and_go),
        cmocka_unit_test(half_a_command_costs_what_came_of_it),
        cmocka_unit_test(a_large_value_costs_about_twice_what_came),
        cmocka_unit_test(without_descriptors_clients_wait_and_nothing_spins),
        cmocka_unit_test(clients_beyond_the_limit_are_told_so),
        cmocka_unit_test(idle_clients_are_closed_after_the_timeout),
        cmocka_unit_test(subscribers_that_do_not_read_are_cut_off),
        cmocka_unit_test(a_client_that_stops_reading_is_cut_off),
        cmocka_unit_test(clients_are_listed_by_their_addresses),
        cmocka_unit_test(nodes_listen_at_both_loopback_addresses),
        cmocka_unit_test(what_is_no_command_is_refused_and_ends_it),
        cmocka_unit_test(the_longest_argument_is_as_set),
        cmocka_unit_test(each_failed_allocation_of_the_start_is_survived),
        cmocka_unit_test(each_failed_allocation_of_a_connection_is_survived),
    };
    return cmocka_run_group_tests_name("lab clients", tests, NULL, NULL);
}
