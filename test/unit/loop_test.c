#include "io/loop.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENT_MAX = 16, QUICK_MS = 2000 };

typedef struct fixture {
    loop *loop;
    int near; /* watched by the tests */
    int far;
} fixture;

static int set_up(void **state) {
    static fixture f;
    int pair[2];
    assert_int_equal(loop_new(&mem_default, &f.loop), KW_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    f.near = pair[0];
    f.far = pair[1];
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    loop_free(f->loop);
    close(f->near);
    close(f->far);
    return 0;
}

static loop_token watch_near(fixture *f, unsigned interest) {
    int error = 0;
    loop_token token = loop_add(f->loop, f->near, interest, f, &error);
    assert_true(token != 0);
    return token;
}

static void say(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static bool is_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void readable_descriptor_is_reported_with_owner_and_token(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    loop_token token = watch_near(f, LOOP_READ);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, 0), 0);
    say(f->far);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
    assert_ptr_equal(events[0].owner, f);
    assert_true(events[0].token == token);
    assert_int_equal(events[0].ready, LOOP_READ);
}

static void only_what_is_wanted_is_reported(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    loop_token token = watch_near(f, 0);
    say(f->far);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, 0), 0);
    loop_change(f->loop, token, LOOP_WRITE);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
    assert_int_equal(events[0].ready, LOOP_WRITE);
    loop_change(f->loop, token, LOOP_READ | LOOP_WRITE);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
    assert_int_equal(events[0].ready, LOOP_READ | LOOP_WRITE);
}

static void peer_gone_is_a_hangup_even_when_nothing_is_wanted(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    watch_near(f, 0);
    shutdown(f->far, SHUT_RDWR);
    close(f->far);
    f->far = dup(f->near);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
    assert_true(events[0].ready & LOOP_HANGUP);
}

static void removed_watch_is_silent_and_its_token_dead(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    loop_token token = watch_near(f, LOOP_READ);
    assert_true(loop_alive(f->loop, token));
    say(f->far);
    loop_remove(f->loop, token);
    assert_false(loop_alive(f->loop, token));
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, 0), 0);
    loop_remove(f->loop, token);
    assert_false(loop_alive(f->loop, 0));
}

static void stale_token_does_not_touch_the_watch_that_took_its_place(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    loop_token old = watch_near(f, LOOP_READ);
    loop_remove(f->loop, old);
    loop_token new = watch_near(f, LOOP_READ);
    assert_true(old != new);
    loop_change(f->loop, old, 0);
    loop_remove(f->loop, old);
    assert_true(loop_alive(f->loop, new));
    say(f->far);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
    assert_true(events[0].token == new);
}

static void many_watches_are_all_reported(void **state) {
    enum { COUNT = 100 };
    fixture *f = *state;
    int fds[COUNT];
    bool seen[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        int error = 0;
        fds[i] = dup(f->near);
        assert_true(fds[i] >= 0);
        assert_true(loop_add(f->loop, fds[i], LOOP_READ, &seen[i], &error) != 0);
    }
    say(f->far);
    for (int round = 0; round < COUNT; round++) {
        loop_event events[EVENT_MAX];
        size_t count = loop_wait(f->loop, events, EVENT_MAX, QUICK_MS);
        for (size_t i = 0; i < count; i++) {
            *(bool *)events[i].owner = true;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(seen[i]);
        close(fds[i]);
    }
}

static void wake_makes_the_loop_readable_until_the_next_wait(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    for (int i = 0; i < 3; i++) {
        assert_false(is_readable(loop_fd(f->loop)));
        loop_wake(f->loop);
        assert_true(is_readable(loop_fd(f->loop)));
        assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 0);
    }
    assert_false(is_readable(loop_fd(f->loop)));
}

static void unusable_descriptor_gives_its_errno(void **state) {
    fixture *f = *state;
    int error = 0;
    int closed = dup(f->near);
    close(closed);
    assert_true(loop_add(f->loop, closed, LOOP_READ, f, &error) == 0);
    assert_int_equal(error, EBADF);
}

static void forked_child_leaves_the_parents_watches_alone(void **state) {
    fixture *f = *state;
    loop_event events[EVENT_MAX];
    loop_token token = watch_near(f, LOOP_READ);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        loop_abandon(f->loop);
        loop_change(f->loop, token, 0);
        loop_wake(f->loop);
        loop_remove(f->loop, token);
        loop_free(f->loop);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(is_readable(loop_fd(f->loop)));
    say(f->far);
    assert_int_equal(loop_wait(f->loop, events, EVENT_MAX, QUICK_MS), 1);
}

static void failing_allocator_is_reported(void **state) {
    fixture *f = *state;
    loop *l = NULL;
    int error = 0;
    failing_mem t;
    failing_mem_init(&t);
    failing_mem_fail_after(&t, 0);
    assert_int_equal(loop_new(&t.mem, &l), KW_ERR_NOMEM);
    failing_mem_init(&t);
    failing_mem_fail_after(&t, 1);
    assert_int_equal(loop_new(&t.mem, &l), KW_OK);
    assert_true(loop_add(l, f->near, LOOP_READ, f, &error) == 0);
    assert_int_equal(error, ENOMEM);
    failing_mem_fail_at(&t, 0);
    assert_true(loop_add(l, f->near, LOOP_READ, f, &error) != 0);
    loop_free(l);
    assert_int_equal(t.live_count, 0);
}

static void clock_never_goes_back_and_seeds_differ(void **state) {
    (void)state;
    uint64_t before = loop_now_us();
    assert_true(before > 0);
    assert_true(loop_now_us() >= before);
    assert_true(loop_random_seed() != loop_random_seed());
}

int main(void) {
#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_LOOP(readable_descriptor_is_reported_with_owner_and_token),
        WITH_LOOP(only_what_is_wanted_is_reported),
        WITH_LOOP(peer_gone_is_a_hangup_even_when_nothing_is_wanted),
        WITH_LOOP(removed_watch_is_silent_and_its_token_dead),
        WITH_LOOP(stale_token_does_not_touch_the_watch_that_took_its_place),
        WITH_LOOP(many_watches_are_all_reported),
        WITH_LOOP(wake_makes_the_loop_readable_until_the_next_wait),
        WITH_LOOP(unusable_descriptor_gives_its_errno),
        WITH_LOOP(forked_child_leaves_the_parents_watches_alone),
        WITH_LOOP(failing_allocator_is_reported),
        cmocka_unit_test(clock_never_goes_back_and_seeds_differ),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
