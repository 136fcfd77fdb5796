#include "tool/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static int wake[2] = {-1, -1}; /* a pipe: a signal just before poll must still end it */

static void on_signal(int number) {
    int saved = errno;
    caught = number;
    ssize_t written = write(wake[1], "", 1); /* a full pipe wakes as well */
    (void)written;
    errno = saved;
}

void interrupt_catch(bool all_ends) {
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        wake[0] = wake[1] = -1; /* then EINTR alone has to do */
    }
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waiting ends */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    if (all_ends) {
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
    }
}

int interrupt_fd(void) {
    return wake[0];
}

int interrupt_take(void) {
    char drained[64];
    while (read(wake[0], drained, sizeof drained) > 0) {
    }
    int number = caught;
    caught = 0;
    return number;
}

int interrupt_seen(void) {
    return caught;
}
