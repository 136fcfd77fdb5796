/* Ctrl-C as a flag, for those who must tidy up or go on. The one mutable global of the tool:
 * signals know no other place. */
#ifndef TOOL_INTERRUPT_H
#define TOOL_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT (and SIGTERM, SIGHUP, if all_ends) only sets the flag, and interrupts waiting.
 */
void interrupt_catch(bool all_ends);

/* The signal that came since the last call, or 0. */
int interrupt_take(void);

/* The same, without forgetting it. */
int interrupt_seen(void);

#endif
