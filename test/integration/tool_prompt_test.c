/* The prompt on a terminal: keys in, screen out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/process.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { SCREEN_BYTES = 256 * 1024, WAIT_MS = 10000 };

typedef struct session {
    pid_t pid;
    int fd;
    temp_dir dir;
    size_t len;  /* of the screen so far */
    size_t seen; /* expectations are met behind this place */
    char screen[SCREEN_BYTES];
} session;

static int set_up(void **state) {
    session *s = calloc(1, sizeof *s);
    struct winsize size = {.ws_row = 40, .ws_col = 100};
    assert_true(temp_dir_make(&s->dir));
    s->pid = forkpty(&s->fd, NULL, NULL, &size);
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        const char *program = getenv("KEYWAY_BINARY");
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("XDG_STATE_HOME", s->dir.path, 1);
        setenv("TERM", "xterm", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        setenv("NO_COLOR", "1", 1);
        unsetenv("KEYWAY_URL");
        execl(program ? program : "build/keyway", "keyway", (char *)NULL);
        _exit(127);
    }
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    session *s = *state;
    if (s->pid > 0) {
        process_kill(s->pid);
    }
    close(s->fd);
    temp_dir_remove(&s->dir);
    free(s);
    return 0;
}

/* The prompt can be on the screen before the editor takes keys one by one; a Ctrl-D or a tab typed
 * before that would be the terminal's own. */
static void wait_for_editor(session *s) {
    for (int i = 0; i < WAIT_MS / 5; i++) {
        struct termios now;
        if (tcgetattr(s->fd, &now) == 0 && !(now.c_lflag & ICANON)) {
            return;
        }
        sleep_ms(5);
    }
    fail();
}

static void type(session *s, const char *keys) {
    wait_for_editor(s);
    assert_int_equal(write(s->fd, keys, strlen(keys)), strlen(keys));
}

/* Reads on until the text is on the screen, behind what was expected before. */
static void expect(session *s, const char *text) {
    uint64_t end_us = now_us() + WAIT_MS * 1000ull;
    for (;;) {
        char *found = strstr(s->screen + s->seen, text);
        if (found) {
            s->seen = (size_t)(found - s->screen) + strlen(text);
            return;
        }
        struct pollfd readable = {.fd = s->fd, .events = POLLIN};
        ssize_t got = 0;
        if (now_us() < end_us && poll(&readable, 1, 100) >= 0) {
            got = readable.revents ? read(s->fd, s->screen + s->len, SCREEN_BYTES - 1 - s->len) : 0;
        }
        if (got < 0 || now_us() >= end_us) {
            print_error("not on the screen: %s\n%s\n", text, s->screen + s->seen);
            fail();
        }
        s->len += (size_t)got;
    }
}

static int wait_for_end(session *s) {
    for (int i = 0; i < WAIT_MS / 10; i++) {
        int status = 0;
        char rest[4096];
        struct pollfd readable = {.fd = s->fd, .events = POLLIN};
        if (poll(&readable, 1, 10) > 0 && read(s->fd, rest, sizeof rest) < 0) {
            sleep_ms(10); /* hung up: the end is near */
        }
        if (process_ended(s->pid, &status)) {
            s->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
    }
    return -1;
}

static void command_shows_slot_node_and_reply(void **state) {
    session *s = *state;
    expect(s, "embedded cluster");
    expect(s, "keyway> ");
    type(s, "SET user:1 \"Ada \xc3\xa9\"\r");
    expect(s, "slot 10778 \xe2\x86\x92 127.0.0.1:");
    expect(s, "OK");
    expect(s, "keyway> ");
    type(s, "GET user:1\r");
    expect(s, "\"Ada \\xc3\\xa9\"");
    expect(s, "keyway> ");
    type(s, "GET a b\r");
    expect(s, "(error) ERR wrong number of arguments");
    type(s, "GET \"a\r");
    expect(s, "a quote is not closed");
    type(s, "MGET a b\r");
    expect(s, "CROSSSLOT (NOT_SENT)");
    type(s, "quit\r");
    assert_int_equal(wait_for_end(s), 0);
}

static void tab_completes_the_names_of_commands(void **state) {
    session *s = *state;
    expect(s, "keyway> ");
    type(s, "getde\t");
    expect(s, "l ");
    type(s, "k\r");
    expect(s, "(nil)");
    expect(s, "keyway> ");
    type(s, "CLUSTER COUNT-\x7f\t");
    expect(s, "KEYSINSLOT");
    type(s, "\x15SETB\t");
    expect(s, "IT ");
}

static void ctrl_c_drops_the_line_and_ctrl_d_leaves(void **state) {
    session *s = *state;
    expect(s, "keyway> ");
    type(s, "SET half a li");
    expect(s, "half a li");
    type(s, "\x03");
    expect(s, "^C");
    expect(s, "keyway> ");
    type(s, "EXISTS half\r");
    expect(s, "(integer) 0");
    expect(s, "keyway> ");
    type(s, "\x04");
    assert_int_equal(wait_for_end(s), 0);
}

/* It ends at its server too: what is pushed afterwards stays. */
static void ctrl_c_ends_a_command_that_blocks(void **state) {
    session *s = *state;
    expect(s, "keyway> ");
    type(s, "BLPOP q 0.01\r");
    expect(s, "(nil)");
    expect(s, "keyway> ");
    assert_int_equal(write(s->fd, "BLPOP q 0\r", 10), 10);
    expect(s, "BLPOP q 0");
    sleep_ms(300); /* it is on its way; were it not, Ctrl-C would end it all the same */
    assert_int_equal(write(s->fd, "\x03", 1), 1);
    expect(s, "interrupted: the command");
    expect(s, "keyway> ");
    type(s, "RPUSH q a\r");
    expect(s, "(integer) 1");
    expect(s, "keyway> ");
    type(s, "LLEN q\r");
    expect(s, "(integer) 1");
    expect(s, "keyway> ");
    type(s, "BLPOP q 0\r");
    expect(s, "\"a\"");
    type(s, "\x04");
    assert_int_equal(wait_for_end(s), 0);
}

static void history_keeps_lines_but_no_passwords(void **state) {
    session *s = *state;
    expect(s, "keyway> ");
    type(s, "SET kept 1\r");
    expect(s, "OK");
    expect(s, "keyway> ");
    type(s, "AUTH topsecret\r");
    expect(s, "keyway> ");
    type(s, "\x1b[A"); /* up */
    expect(s, "SET kept 1");
    type(s, "\r");
    expect(s, "OK");
    expect(s, "keyway> ");
    type(s, "quit\r");
    assert_int_equal(wait_for_end(s), 0);
    char path[128];
    char text[512] = {0};
    struct stat info;
    snprintf(path, sizeof path, "%s/keyway/history", s->dir.path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "kept"));
    assert_null(strstr(text, "topsecret"));
}

static void own_commands_answer(void **state) {
    session *s = *state;
    expect(s, "keyway> ");
    type(s, "help\r");
    expect(s, "Tab completes");
    type(s, "slot foo\r");
    expect(s, "12182  \"foo\"");
    type(s, "map\r");
    expect(s, "16384 of 16384 slots covered");
    type(s, "explain on\r");
    expect(s, "explain is on");
    type(s, "3 INCR n\r");
    expect(s, "(integer) 1");
    expect(s, "1 hop");
    expect(s, "(integer) 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(command_shows_slot_node_and_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tab_completes_the_names_of_commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctrl_c_drops_the_line_and_ctrl_d_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctrl_c_ends_a_command_that_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(history_keeps_lines_but_no_passwords, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_commands_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
