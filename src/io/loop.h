/* The event loop: epoll, with tokens that carry a generation, so that an event of a closed
 * descriptor never reaches whoever got its number next. Owns the epoll descriptor, not the watched
 * ones. Never calls back: loop_wait fills an array, the caller dispatches. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/mem.h"

#include <keyway/keyway.h>

typedef uint64_t loop_token; /* 0 is never a token */

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

typedef struct loop_event {
    void *owner; /* as given to loop_add */
    loop_token token;
    unsigned ready; /* LOOP_READ | LOOP_WRITE | LOOP_HANGUP (error or peer gone) */
} loop_event;

typedef struct loop loop;

KW_CHECKED kw_status loop_new(const mem *m, loop **ret);
void loop_free(loop *l);

/* In the child of a fork: the epoll set is still the parent's too, so nothing is changed in it any
 * more; watches are only forgotten. */
void loop_abandon(loop *l);
bool loop_is_abandoned(const loop *l);

/* The epoll descriptor, for somebody who polls it: readable when loop_wait has events. */
int loop_fd(loop *l);

/* Watches fd level-triggered for `interest` (LOOP_READ, LOOP_WRITE or 0). 0 on failure
 * (*ret_errno says why). */
KW_CHECKED loop_token loop_add(loop *l, int fd, unsigned interest, void *owner, int *ret_errno);
/* A token of a removed watch is ignored. */
void loop_change(loop *l, loop_token token, unsigned interest);
/* Call before fd is closed. Events already fetched for the token are dropped by loop_alive. */
void loop_remove(loop *l, loop_token token);
bool loop_alive(const loop *l, loop_token token);

/* Makes loop_fd readable once, until the next loop_wait: for whoever polls it, or waits in it.
 * Costs a system call. */
void loop_wake(loop *l);
/* The same, but only if somebody asked for loop_fd. */
void loop_wake_poller(loop *l);

/* Waits up to timeout_ms (0 = not at all, -1 = without limit); returns the number of events put
 * into `events` (0 also when interrupted by a signal). */
size_t loop_wait(loop *l, loop_event *events, size_t max, int timeout_ms);

/* The same in two steps, for those who share a loop under a lock: the first one waits without it,
 * and leaves out the owners; the second drops what is gone meanwhile. */
size_t loop_poll(const loop *l, loop_event *events, size_t max, int timeout_ms);
size_t loop_find_owners(const loop *l, loop_event *events, size_t count);

/* Monotonic time, microseconds. */
uint64_t loop_now_us(void);
/* A seed from the system's random source; never fails (falls back to the clock). */
uint64_t loop_random_seed(void);

#endif
