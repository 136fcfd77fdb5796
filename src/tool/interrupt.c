#include "tool/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught;

static void on_signal(int number) {
    caught = number;
}

void interrupt_catch(bool all_ends) {
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waiting ends */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    if (all_ends) {
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
    }
}

int interrupt_take(void) {
    int number = caught;
    caught = 0;
    return number;
}

int interrupt_seen(void) {
    return caught;
}
