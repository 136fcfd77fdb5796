/* Sleeping until another thread of this process changes a word: what latches and gates are made of.
 * Owns nothing. A wake-up may come for no reason: look at the word again. */
#ifndef IO_FUTEX_H
#define IO_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word is `expected`, until futex_wake or until_us (of loop_now_us; UINT64_MAX:
 * without limit). */
void futex_wait(atomic_uint *word, unsigned expected, uint64_t until_us);

/* Wakes one that sleeps on the word. Only the address counts: what stood there may be gone. */
void futex_wake(atomic_uint *word);

#endif
