#include "io/fork_mark.h"

#include "unit/support/unit.h"

#include <sys/wait.h>
#include <unistd.h>

static bool is_child_after_fork(const fork_mark *mark) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fork_mark_is_child(mark) ? 1 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

static void only_a_child_is_one(void **state) {
    (void)state;
    fork_mark mark;
    fork_mark_init(&mark);
    assert_false(fork_mark_is_child(&mark));
    assert_true(is_child_after_fork(&mark));
    assert_false(fork_mark_is_child(&mark));
    fork_mark_done(&mark);
    fork_mark_done(&mark);
}

static void process_id_serves_where_the_kernel_wipes_nothing(void **state) {
    (void)state;
    const fork_mark mark = {.pid = getpid()};
    assert_false(fork_mark_is_child(&mark));
    assert_true(is_child_after_fork(&mark));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_child_is_one),
        cmocka_unit_test(process_id_serves_where_the_kernel_wipes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
