/* A call that has nothing else to do waits for its reply in the read, not in the loop: how seldom
 * the loop is asked, and that nothing is lost or late because it is not. */
#include "io/loop.h"
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <keyway/keyway.h>

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>

enum { WARM_UP = 50, CALLS = 300, LATE_MS = 40, TIMEOUT_MS = 60, SIGNAL_EVERY_US = 2000 };

static pthread_t caller;
static unsigned sleeps; /* of the caller's, in the loop */
static kw_lab *lab;
static kw_client *client;

/* In place of the library's. */
int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms) {
    sleeps += timeout_ms != 0 && pthread_equal(pthread_self(), caller);
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
static void set_some(int count) {
    static const char *const keys[] = {"{b}", "{c}", "{a}"};
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lone_call_hardly_ever_sleeps_in_the_loop, open_both,
                                        close_both),
        cmocka_unit_test_setup_teardown(call_with_others_under_way_sleeps_in_the_loop, open_both,
                                        close_both),
        cmocka_unit_test_setup_teardown(late_reply_comes, open_both, close_both),
        cmocka_unit_test_setup_teardown(lost_connection_is_told, open_both, close_both),
        cmocka_unit_test_setup_teardown(deadline_holds_while_signals_interrupt_the_wait, open_both,
                                        close_both),
        cmocka_unit_test_setup_teardown(connection_closed_during_calls_to_others_is_noticed,
                                        open_both, close_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
