/* Tells the process that made it from a child of a fork, at the price of one load: a page that the
 * kernel wipes in every child (MADV_WIPEONFORK, Linux 4.14). Where it cannot, the process id is
 * asked for. Owns its page; keeps no global state and registers no handler. */
#ifndef IO_FORK_MARK_H
#define IO_FORK_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct fork_mark {
    const volatile uint32_t *page; /* 0 in a child; NULL: pid is compared */
    pid_t pid;
} fork_mark;

/* Never fails. */
void fork_mark_init(fork_mark *mark);
/* A zeroed mark is allowed. */
void fork_mark_done(fork_mark *mark);

/* The slow way: by the process id. */
bool fork_mark_differs(const fork_mark *mark);

/* Is this process a child of the one that made the mark? */
static inline bool fork_mark_is_child(const fork_mark *mark) {
    return mark->page ? *mark->page == 0 : fork_mark_differs(mark);
}

#endif
