/* Runs shell commands for tests of the `keyway` program, and keeps what they print. $KEYWAY names
 * the program that was built. */
#ifndef INTEGRATION_SUPPORT_SHELL_H
#define INTEGRATION_SUPPORT_SHELL_H

#include <stddef.h>

typedef struct shell_result {
    int status; /* exit status; 128 + n: ended by signal n */
    char *out;  /* standard output, terminated */
    size_t out_len;
    char *err;
    size_t err_len;
    long max_rss_kb; /* of the largest process */
} shell_result;

/* Runs `sh -c` of the formatted text with empty standard input, at most a minute; neither
 * KEYWAY_URL nor anything of a terminal is in its environment. Fails the test if it cannot be run.
 */
shell_result shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
void shell_result_done(shell_result *r);

/* The command's standard output is exactly this, its standard error empty, its status 0. */
void assert_shell(const char *command, const char *expected);

/* The last lines of both texts are shown when they differ. */
void assert_same_output(const shell_result *a, const shell_result *b, const char *what);

#endif
