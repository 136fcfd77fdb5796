#include "io/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void futex_wait(atomic_uint *word, unsigned expected, uint64_t until_us) {
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000u),
                             .tv_nsec = (long)(until_us % 1000000u) * 1000};
    /* the form with a bit set takes a point in time instead of a span */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                  until_us == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(atomic_uint *word) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
