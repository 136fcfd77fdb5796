/* Timers on a hierarchical timing wheel: start and stop in constant time, ticks of 1 ms (1024 us).
 * Owns nothing: timers live inside what they time. A timer fires at its time or up to one tick
 * after, never before. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include "base/list.h"

#include <stdint.h>

#define WHEEL_LEVELS 9 /* 6 bits each: every 64-bit time has its place */
#define WHEEL_SLOTS 64
#define WHEEL_TICK_US 1024u
#define WHEEL_NEVER UINT64_MAX

typedef struct wheel_timer {
    list node;
    uint64_t at_us; /* WHEEL_NEVER when not running */
    uint32_t tag;   /* the user's: tells timers apart */
} wheel_timer;

typedef struct wheel {
    uint64_t now_tick;
    uint64_t pending[WHEEL_LEVELS]; /* a bit for each slot that holds a timer */
    list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    list expired;
} wheel;

void wheel_init(wheel *w, uint64_t now_us);
void wheel_timer_init(wheel_timer *t);

/* Starts or restarts a timer. A time in the past fires at the next wheel_expired; WHEEL_NEVER only
 * stops it. */
void wheel_start(wheel *w, wheel_timer *t, uint64_t at_us);
void wheel_stop(wheel *w, wheel_timer *t);
static inline int wheel_running(const wheel_timer *t) {
    return t->at_us != WHEEL_NEVER;
}

/* Advances to now_us; then each call gives one timer whose time has come (stopped), NULL when there
 * are no more. Timers may be started and stopped between the calls. */
void wheel_advance(wheel *w, uint64_t now_us);
wheel_timer *wheel_expired(wheel *w);

/* When wheel_advance should be called next: never later than the earliest timer's time + one tick;
 * may be earlier (timers far away are sorted in steps). WHEEL_NEVER if none runs. */
uint64_t wheel_deadline_us(const wheel *w);

#endif
