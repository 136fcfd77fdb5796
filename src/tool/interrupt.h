/* Ctrl-C as a flag and a descriptor, for those who must tidy up or go on. The one mutable global of
 * the tool: signals know no other place. */
#ifndef TOOL_INTERRUPT_H
#define TOOL_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT (and SIGTERM, SIGHUP, if all_ends) only sets the flag, and interrupts waiting.
 */
void interrupt_catch(bool all_ends);

/* Readable from a signal until it is taken: waiting for this too misses none. -1: there is none. */
int interrupt_fd(void);

/* The signal that came since the last call, or 0. */
int interrupt_take(void);

/* The same, without forgetting it. */
int interrupt_seen(void);

#endif
