#include "base/wheel.h"

#include <assert.h>

#define LEVEL_BITS 6
#define TICK_MAX ((UINT64_C(1) << (LEVEL_BITS * WHEEL_LEVELS)) - 1)

/* A timer stands on the level of the highest digit (of 6 bits) in which its tick differs from
 * now_tick, in the slot of its own digit there. So on each level only slots after now's digit are
 * in use, a timer's place follows from its time alone, and an advance has to look only at the
 * levels up to the highest digit that it changes. */

_Static_assert(WHEEL_SLOTS == 1 << LEVEL_BITS, "a slot for each digit");
_Static_assert(UINT64_MAX / WHEEL_TICK_US <= TICK_MAX, "every time has its tick");

static unsigned digit_of(uint64_t tick, unsigned level) {
    return (unsigned)(tick >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1);
}

/* The level of the highest digit in which two different ticks differ. */
static unsigned level_of(uint64_t a, uint64_t b) {
    return (63u - (unsigned)__builtin_clzll(a ^ b)) / LEVEL_BITS;
}

/* Rounded up: a timer never fires before its time. */
static uint64_t tick_of(uint64_t at_us) {
    uint64_t tick = at_us / WHEEL_TICK_US + (at_us % WHEEL_TICK_US != 0);
    return tick < TICK_MAX ? tick : TICK_MAX;
}

void wheel_init(wheel *w, uint64_t now_us) {
    w->now_tick = now_us / WHEEL_TICK_US;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        w->pending[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            list_init(&w->slots[level][slot]);
        }
    }
    list_init(&w->expired);
}

void wheel_timer_init(wheel_timer *t) {
    list_init(&t->node);
    t->at_us = WHEEL_NEVER;
}

static void place(wheel *w, wheel_timer *t) {
    uint64_t tick = tick_of(t->at_us);
    if (tick <= w->now_tick) {
        list_push_back(&w->expired, &t->node);
        return;
    }
    unsigned level = level_of(tick, w->now_tick);
    unsigned slot = digit_of(tick, level);
    list_push_back(&w->slots[level][slot], &t->node);
    w->pending[level] |= UINT64_C(1) << slot;
}

void wheel_start(wheel *w, wheel_timer *t, uint64_t at_us) {
    wheel_stop(w, t);
    if (at_us != WHEEL_NEVER) {
        t->at_us = at_us;
        place(w, t);
    }
}

void wheel_stop(wheel *w, wheel_timer *t) {
    if (!wheel_running(t)) {
        return;
    }
    list_remove(&t->node);
    uint64_t tick = tick_of(t->at_us);
    t->at_us = WHEEL_NEVER;
    if (tick <= w->now_tick) {
        return;
    }
    unsigned level = level_of(tick, w->now_tick);
    unsigned slot = digit_of(tick, level);
    if (list_empty(&w->slots[level][slot])) {
        w->pending[level] &= ~(UINT64_C(1) << slot);
    }
}

/* Empties the slots of a level up to `last`, in order of time, into a list. */
static void take_slots(wheel *w, unsigned level, unsigned last, list *to) {
    uint64_t upto = last == WHEEL_SLOTS - 1 ? UINT64_MAX : (UINT64_C(1) << (last + 1)) - 1;
    for (uint64_t bits = w->pending[level] & upto; bits != 0; bits &= bits - 1) {
        list_append_all(to, &w->slots[level][__builtin_ctzll(bits)]);
    }
    w->pending[level] &= ~upto;
}

void wheel_advance(wheel *w, uint64_t now_us) {
    uint64_t tick = now_us / WHEEL_TICK_US;
    if (tick <= w->now_tick) {
        return;
    }
    unsigned top = level_of(tick, w->now_tick);
    list taken;
    list_init(&taken);
    for (unsigned level = 0; level < top; level++) {
        take_slots(w, level, WHEEL_SLOTS - 1, &taken);
    }
    take_slots(w, top, digit_of(tick, top), &taken);
    w->now_tick = tick;
    for (list *node = list_pop_front(&taken); node; node = list_pop_front(&taken)) {
        place(w, LIST_ENTRY(node, wheel_timer, node));
    }
}

wheel_timer *wheel_expired(wheel *w) {
    list *node = list_pop_front(&w->expired);
    if (!node) {
        return NULL;
    }
    wheel_timer *t = LIST_ENTRY(node, wheel_timer, node);
    t->at_us = WHEEL_NEVER;
    return t;
}

uint64_t wheel_deadline_us(const wheel *w) {
    if (!list_empty(&w->expired)) {
        return w->now_tick * WHEEL_TICK_US;
    }
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (w->pending[level] != 0) {
            unsigned shift = LEVEL_BITS * level;
            uint64_t slot = (uint64_t)__builtin_ctzll(w->pending[level]);
            uint64_t above = w->now_tick >> shift >> LEVEL_BITS << LEVEL_BITS;
            return ((above | slot) << shift) * WHEEL_TICK_US;
        }
    }
    return WHEEL_NEVER;
}
