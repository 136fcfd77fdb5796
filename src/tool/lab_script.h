/* A lab's script: LAB commands and their times, read whole and checked before the first one runs.
 *
 *     at 2s    LAB KILL 0              # since the start of the script, or of this turn
 *     after 1s LAB START 0             # since the step before
 *     repeat 10                        # $turn is 0 to 9 inside
 *         after 100ms LAB MIGRATE BEGIN $turn 1
 *     end
 *
 * Owns its words. Knows the times and the shape of a line; what LAB commands mean, it does not. */
#ifndef TOOL_LAB_SCRIPT_H
#define TOOL_LAB_SCRIPT_H

#include "tool/quote.h"

enum {
    SCRIPT_BYTES_MAX = 1024 * 1024,
    SCRIPT_LINES_MAX = 100 * 1000,
    SCRIPT_TURNS_MAX = 1000 * 1000,
    SCRIPT_STEPS_MAX = 1000 * 1000, /* with every turn of every block */
    SCRIPT_DEPTH_MAX = 8,
    SCRIPT_DAYS_MAX = 365
};

typedef struct lab_script lab_script;

typedef struct script_error {
    unsigned line; /* from 1 */
    unsigned column;
    char message[160];
} script_error;

/* A step whose turn it is. */
typedef struct script_step {
    uint64_t at_us; /* since the script's start */
    unsigned line;
    const kw_slice *argv; /* until the next step is asked for */
    size_t argc;
} script_step;

/* NULL: *ret_error says what is wrong and where. */
lab_script *script_parse(kw_slice text, script_error *ret_error);
void script_free(lab_script *s);

/* The steps one after the other; false after the last. */
bool script_next(lab_script *s, script_step *ret);

/* How many steps there are, and when the script is over. */
uint64_t script_step_count(const lab_script *s);
uint64_t script_end_us(const lab_script *s);

#endif
