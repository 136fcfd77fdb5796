/* Where a handle's turns wait. Who waits for replies and for nothing else does so in the reads, not
 * in the loop: how seldom the loop is asked, and that nothing is lost or late because it is not.
 * And a loop of somebody else's is told when a turn is due. */
#include "io/loop.h"
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <keyway/keyway.h>

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>

enum {
    WARM_UP = 50,
    CALLS = 300,
    LATE_MS = 40,
    TIMEOUT_MS = 60,
    SHORT_MS = 1000,
    SIGNAL_EVERY_US = 2000
};

static pthread_t caller;
static unsigned sleeps;          /* of the caller's, in the loop */
static atomic_uint short_sleeps; /* of all threads, in a loop, with something due at their end */
static kw_lab *lab;
static kw_client *client;

/* In place of the library's. */
int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms) {
    if (timeout_ms != 0 && pthread_equal(pthread_self(), caller)) {
        sleeps++;
    }
    short_sleeps += timeout_ms > 0 && timeout_ms < SHORT_MS;
    return epoll_pwait(epoll, events, max, timeout_ms, NULL);
}

static int open_both(void **state) {
    kw_error err;
    (void)state;
    caller = pthread_self();
    lab = lab_peer_start(NULL);
    return kw_open(kw_lab_url(lab), NULL, &client, &err) == KW_OK ? 0 : -1;
}

static int close_both(void **state) {
    (void)state;
    kw_close(client);
    kw_lab_stop(lab);
    return 0;
}

/* At each node in turn: the keys' slots are in different thirds. */
static const char *const keys[] = {"{b}", "{c}", "{a}"};

static void set_some(int count) {
    for (int i = 0; i < count; i++) {
        kw_reply *reply = NULL;
        kw_error err;
        if (kw_call(client, &reply, &err, "SET %s %d", keys[i % 3], i) != KW_OK) {
            fail_msg("%s", err.message);
        }
        assert_string_equal(kw_reply_string(reply, NULL), "OK");
        kw_reply_free(reply);
    }
}

static kw_status get(uint32_t timeout_ms, kw_error *err) {
    static const kw_slice argv[] = {{"GET", 3}, {"{a}", 3}};
    kw_call_options *options = NULL;
    kw_reply *reply = NULL;
    assert_int_equal(kw_call_options_new(&options), KW_OK);
    kw_call_options_set_timeout_ms(options, timeout_ms);
    kw_status status = kw_call_argv(client, argv, 2, options, &reply, err);
    kw_call_options_free(options);
    kw_reply_free(reply);
    return status;
}

static void treat_get(kw_lab_action action, int delay_ms) {
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "get";
    fault.action = action;
    fault.delay_ms = delay_ms;
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
}

static void lone_call_hardly_ever_sleeps_in_the_loop(void **state) {
    (void)state;
    set_some(WARM_UP);
    sleeps = 0;
    set_some(CALLS);
    assert_in_range(sleeps, 0, CALLS / 4); /* a reply that comes late is waited for there */
}

static void call_with_others_under_way_sleeps_in_the_loop(void **state) {
    (void)state;
    kw_error err;
    static const kw_slice argv[] = {{"BLPOP", 5}, {"{b}list", 7}, {"0", 1}};
    set_some(WARM_UP);
    assert_int_equal(kw_submit(client, argv, 3, NULL, NULL, NULL, &err), KW_OK);
    sleeps = 0;
    set_some(CALLS);
    assert_in_range(sleeps, CALLS, UINT32_MAX);
}

enum { BATCH = 30 };

/* At each of the three nodes a third. */
static void run_batches(int count) {
    kw_batch *batch = NULL;
    kw_error err;
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    for (int i = 0; i < count; i++) {
        for (int n = 0; n < BATCH; n++) {
            assert_int_equal(kw_batch_addf(batch, &err, "SET %s%d %d", keys[n % 3], n, n + i),
                             KW_OK);
            assert_int_equal(kw_batch_addf(batch, &err, "GET %s%d", keys[n % 3], n), KW_OK);
        }
        if (kw_batch_run(batch, &err) != KW_OK) {
            fail_msg("%s", err.message);
        }
        for (int n = 0; n < BATCH; n++) {
            assert_int_equal(atoi(kw_reply_string(kw_batch_reply(batch, 2 * (size_t)n + 1), NULL)),
                             n + i);
        }
        kw_batch_clear(batch);
    }
    kw_batch_free(batch);
}

static void batch_hardly_ever_sleeps_in_the_loop(void **state) {
    (void)state;
    run_batches(WARM_UP);
    sleeps = 0;
    run_batches(CALLS);
    assert_in_range(sleeps, 0, CALLS / 4);
}

static void batch_waits_for_a_late_node(void **state) {
    (void)state;
    run_batches(WARM_UP);
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.node = 1;
    fault.delay_ms = LATE_MS;
    fault.count = 1;
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
    run_batches(1);
}

static void batch_survives_a_slot_that_moves_and_a_connection_that_is_lost(void **state) {
    (void)state;
    run_batches(WARM_UP);
    int slot = kw_key_slot("{b}", 3);
    int owner = kw_lab_owner(lab, slot);
    assert_int_equal(kw_lab_move(lab, slot, slot, (owner + 1) % 3), KW_OK);
    run_batches(2);
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "set";
    fault.action = KW_LAB_DROP_BEFORE;
    fault.count = 1;
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
    kw_batch *batch = NULL;
    kw_error err;
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    for (int n = 0; n < BATCH; n++) {
        assert_int_equal(kw_batch_addf(batch, &err, "SET %s%d x", keys[n % 3], n), KW_OK);
    }
    assert_int_not_equal(kw_batch_run(batch, &err), KW_OK);
    assert_int_equal(err.outcome, KW_MAYBE_EXECUTED);
    kw_batch_free(batch);
    run_batches(2);
}

static bool is_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void process_until_done(void) {
    for (int i = 0; i < 20000 && kw_pending(client) > 0; i++) {
        assert_int_equal(kw_wait(client, 10), KW_OK);
    }
    assert_int_equal(kw_pending(client), 0);
}

static void submit(void) {
    static const kw_slice argv[] = {{"GET", 3}, {"{a}", 3}};
    kw_error err;
    assert_int_equal(kw_submit(client, argv, 2, NULL, NULL, NULL, &err), KW_OK);
    assert_int_equal(kw_timeout_ms(client), 0);
}

static void descriptor_is_readable_whether_asked_for_before_or_after_a_submission(void **state) {
    (void)state;
    set_some(WARM_UP);
    submit();
    assert_true(is_readable(kw_fd(client)));
    process_until_done();
    assert_false(is_readable(kw_fd(client)));
    int fd = kw_fd(client);
    submit();
    assert_true(is_readable(fd));
    process_until_done();
}

static void late_reply_comes(void **state) {
    (void)state;
    kw_error err;
    set_some(WARM_UP);
    treat_get(KW_LAB_NONE, LATE_MS);
    assert_int_equal(get(0, &err), KW_OK);
}

static void lost_connection_is_told(void **state) {
    (void)state;
    kw_error err;
    set_some(WARM_UP);
    treat_get(KW_LAB_DROP_AFTER, 0);
    assert_int_equal(get(TIMEOUT_MS, &err), KW_ERR_TIMEOUT); /* a read is tried again */
    assert_true(kw_lab_clear_faults(lab) == KW_OK);
    set_some(WARM_UP);
}

static void ignore(int signal_number) {
    (void)signal_number;
}

static void deadline_holds_while_signals_interrupt_the_wait(void **state) {
    (void)state;
    kw_error err;
    const struct sigaction action = {.sa_handler = ignore};
    struct itimerval often = {{0, SIGNAL_EVERY_US}, {0, SIGNAL_EVERY_US}};
    set_some(WARM_UP);
    treat_get(KW_LAB_SWALLOW, 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    kw_status status = get(TIMEOUT_MS, &err);
    often = (struct itimerval){0};
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_int_equal(status, KW_ERR_TIMEOUT);
}

/* A write to the closed connection would be lost there, and INCR not sent again. */
static void connection_closed_during_calls_to_others_is_noticed(void **state) {
    (void)state;
    kw_error err;
    kw_reply *reply = NULL;
    set_some(WARM_UP);
    int node = kw_lab_owner(lab, kw_key_slot("{b}", 3));
    assert_int_not_equal(node, kw_lab_owner(lab, kw_key_slot("{a}", 3)));
    lab_peer_ask(lab_peer_port(lab, node), "CLIENT KILL TYPE normal SKIPME yes\r\n", ":1\r\n");
    for (uint64_t until_us = loop_now_us() + 20000; loop_now_us() < until_us;) {
        assert_int_equal(get(0, &err), KW_OK);
    }
    if (kw_call(client, &reply, &err, "INCR {b}n") != KW_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(kw_reply_integer(reply), 1);
    kw_reply_free(reply);
}

static void refresh_that_fails_at_once_is_not_waited_for(void **state) {
    (void)state;
    kw_client *lost = NULL;
    kw_error err;
    assert_int_equal(kw_open("unix:///nonexistent/socket", NULL, &lost, &err), KW_OK);
    sleeps = 0;
    assert_int_equal(kw_refresh(lost, 0, &err), KW_ERR_CONNECTION);
    assert_int_equal(sleeps, 0);
    kw_close(lost);
}

static void note_sleeps(kw_client *c, const kw_event *event, void *arg) {
    unsigned *ret_sleeps = arg;
    (void)c;
    if (kw_event_get_type(event) == KW_EVENT_REFRESH_FAILED) {
        *ret_sleeps = short_sleeps;
    }
}

/* The hedge's timer, which is due in 300 ms, must not be what wakes the thread. A thread that has
 * done something sleeps for a command's timeout, 5 s: that may be before or after the refresh. */
static void refresh_of_an_io_thread_begins_before_it_sleeps(void **state) {
    (void)state;
    kw_client *lost = NULL;
    kw_error err;
    unsigned before_the_end = UINT_MAX;
    assert_int_equal(kw_open("unix:///nonexistent/socket?io_thread=yes", NULL, &lost, &err), KW_OK);
    kw_on_event(lost, note_sleeps, &before_the_end);
    short_sleeps = 0;
    assert_int_equal(kw_refresh(lost, 0, &err), KW_ERR_CONNECTION);
    assert_int_equal(before_the_end, 0);
    kw_close(lost);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(lone_call_hardly_ever_sleeps_in_the_loop),
        TEST(call_with_others_under_way_sleeps_in_the_loop),
        TEST(late_reply_comes),
        TEST(refresh_that_fails_at_once_is_not_waited_for),
        cmocka_unit_test(refresh_of_an_io_thread_begins_before_it_sleeps), /* a lab sleeps, too */
        TEST(lost_connection_is_told),
        TEST(deadline_holds_while_signals_interrupt_the_wait),
        TEST(connection_closed_during_calls_to_others_is_noticed),
        TEST(batch_hardly_ever_sleeps_in_the_loop),
        TEST(batch_waits_for_a_late_node),
        TEST(batch_survives_a_slot_that_moves_and_a_connection_that_is_lost),
        TEST(descriptor_is_readable_whether_asked_for_before_or_after_a_submission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
