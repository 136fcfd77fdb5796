/* Replies as redis-cli prints them: typed for a person, raw for a pipe. */
#ifndef TOOL_PRINT_H
#define TOOL_PRINT_H

#include "tool/out.h"

typedef enum print_mode { PRINT_TYPED, PRINT_RAW, PRINT_JSON } print_mode;

/* One whole reply with its line end. as_text (see print_is_text): the bare text, no line end added,
 * whether typed or raw. */
void print_reply(out *o, print_mode mode, const kw_reply *reply, bool as_text);

/* True for the commands whose reply is a page of text for a person, such as INFO. */
bool print_is_text(const kw_slice *argv, size_t argc);

#endif
