#include "integration/support/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { COMMAND_BYTES = 8192, READ_BYTES = 65536 };

typedef struct gathered {
    int fd;
    char *data;
    size_t len;
} gathered;

static void gather(gathered *g) {
    char *grown = realloc(g->data, g->len + READ_BYTES + 1);
    assert_non_null(grown);
    g->data = grown;
    ssize_t got = read(g->fd, g->data + g->len, READ_BYTES);
    if (got > 0) {
        g->len += (size_t)got;
    } else if (got == 0 || errno != EINTR) {
        close(g->fd);
        g->fd = -1;
    }
    g->data[g->len] = '\0';
}

static void run_child(char *command, int out, int err) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    const char *program = getenv("KEYWAY_BINARY");
    char *path = realpath(program ? program : "build/keyway", NULL); /* commands may cd */
    setenv("KEYWAY", path ? path : "keyway-is-not-built", 1);
    unsetenv("KEYWAY_URL");
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    setenv("TERM", "dumb", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    signal(SIGPIPE, SIG_DFL);
    char *argv[] = {"timeout", "-k", "1", "60", "sh", "-c", command, NULL};
    execvp(argv[0], argv);
    _exit(127);
}

shell_result shell(const char *format, ...) {
    char command[COMMAND_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_in_range(len, 0, COMMAND_BYTES - 1);
    int out[2];
    int err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run_child(command, out[1], err[1]);
    }
    close(out[1]);
    close(err[1]);
    gathered both[2] = {{.fd = out[0]}, {.fd = err[0]}};
    while (both[0].fd >= 0 || both[1].fd >= 0) {
        struct pollfd fds[2] = {{.fd = both[0].fd, .events = POLLIN},
                                {.fd = both[1].fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            if (both[i].fd >= 0 && fds[i].revents != 0) {
                gather(&both[i]);
            }
        }
    }
    int status = 0;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    return (shell_result){
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
        .out = both[0].data,
        .out_len = both[0].len,
        .err = both[1].data,
        .err_len = both[1].len,
        .max_rss_kb = usage.ru_maxrss,
    };
}

void shell_result_done(shell_result *r) {
    free(r->out);
    free(r->err);
    *r = (shell_result){0};
}

void assert_shell(const char *command, const char *expected) {
    shell_result r = shell("%s", command);
    if (r.status != 0 || r.err_len > 0 || strcmp(r.out, expected) != 0) {
        print_error("%s\nstatus %d\n%s%s\nexpected\n%s\n", command, r.status, r.out, r.err,
                    expected);
    }
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, expected);
    shell_result_done(&r);
}

void assert_same_output(const shell_result *a, const shell_result *b, const char *what) {
    bool same = a->out_len == b->out_len && memcmp(a->out, b->out, a->out_len) == 0;
    if (!same) {
        print_error("%s:\n<<<\n%s\n===\n%s\n>>>\n", what, a->out, b->out);
    }
    assert_true(same);
}
