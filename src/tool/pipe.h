/* Commands from a descriptor, one a line, pipelined: many are under way at once, their replies are
 * printed in the order of the lines. Memory stays flat however long the input is. */
#ifndef TOOL_PIPE_H
#define TOOL_PIPE_H

#include "tool/emit.h"

/* Runs until the input ends, or a line says `quit` or `exit`. Blank lines and lines that begin with
 * # are skipped; `3 INCR n` runs three times. timeout_ms: of each command; 0 = the handle's.
 * Returns the highest status of all lines. */
exit_status pipe_run(kw_client *client, int fd, emitter *e, uint32_t timeout_ms);

#endif
