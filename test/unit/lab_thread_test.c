/* A lab's own thread: its ends, forks and signals. */
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int events_heard;
static atomic_int nodes_seen;

static void stop_it(kw_lab *lab, const kw_lab_event *event, void *arg) {
    (void)event;
    (void)arg;
    atomic_fetch_add(&events_heard, 1);
    atomic_store(&nodes_seen, kw_lab_node_count(lab)); /* a listener may ask, */
    kw_lab_stop(lab);                                  /* ... and end it */
}

static void a_listener_may_stop_the_lab(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int fd = lab_peer_connect(port);
    atomic_store(&events_heard, 0);
    assert_int_equal(kw_lab_on_event(lab, stop_it, NULL), KW_OK);
    lab_peer_send(fd, "LAB PAUSE 1\r\nLAB PAUSE 2\r\n"); /* two events, and the first ends it */
    (void)lab_peer_drain(fd);
    close(fd);
    int again = -1;
    for (int i = 0; i < 1000 && (again = lab_peer_connect(port)) >= 0; i++) {
        close(again);
        usleep(10000);
    }
    assert_int_equal(again, -1);
    assert_int_equal(atomic_load(&events_heard), 1);
    assert_int_equal(atomic_load(&nodes_seen), 3);
}

/* In a child: true if everything is as it should be. */
static bool child_can_only_free(kw_lab *lab) {
    kw_lab_node node;
    bool ok = kw_lab_kill(lab, 0) == KW_ERR_FORKED && !kw_lab_node_at(lab, 0, &node) &&
              kw_lab_owner(lab, 0) == -1 && kw_lab_node_count(lab) == 0;
    kw_lab_stop(lab);
    return ok;
}

static void a_forks_child_can_only_free_it(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 1);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "PING\r\n");
    lab_peer_expect(fd, "+PONG\r\n");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(child_can_only_free(lab) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    lab_peer_send(fd, "PING\r\n"); /* the parent's goes on, old connections and new ones */
    lab_peer_expect(fd, "+PONG\r\n");
    lab_peer_ask(lab_peer_port(lab, 1), "PING\r\n", "+PONG\r\n");
    close(fd);
    kw_lab_stop(lab);
}

static void signals_are_left_to_the_program(void **state) {
    (void)state;
    const struct timespec patience = {.tv_sec = 20};
    sigset_t usr1;
    sigset_t before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    kw_lab *lab = lab_peer_start_size(1, 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0); /* any thread that takes it ends the process */
    lab_peer_ask(lab_peer_port(lab, 0), "PING\r\n", "+PONG\r\n");
    assert_int_equal(sigtimedwait(&usr1, NULL, &patience), SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    kw_lab_stop(lab);
}

static void *start_and_stop(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        kw_lab *lab = NULL;
        kw_error err;
        if (kw_lab_start(NULL, &lab, &err) != KW_OK) {
            return NULL;
        }
        kw_lab_stop(lab);
    }
    return &events_heard; /* anything but NULL */
}

static void labs_come_and_go_side_by_side(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, start_and_stop, NULL), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_may_stop_the_lab),
        cmocka_unit_test(a_forks_child_can_only_free_it),
        cmocka_unit_test(signals_are_left_to_the_program),
        cmocka_unit_test(labs_come_and_go_side_by_side),
    };
    return cmocka_run_group_tests_name("lab thread", tests, NULL, NULL);
}
