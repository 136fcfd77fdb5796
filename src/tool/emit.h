/* What came of one command, on standard output and standard error, in the way that the user asked
 * for. */
#ifndef TOOL_EMIT_H
#define TOOL_EMIT_H

#include "tool/print.h"
#include "tool/term.h"
#include "tool/tool.h"

typedef struct emitter {
    out *to;    /* replies */
    out *notes; /* standard error: traces */
    term look;  /* of standard error */
    print_mode mode;
    bool explain;
} emitter;

/* A reply. trace may be NULL. Returns STATUS_OK, or STATUS_SERVER_ERROR. */
exit_status emit_reply(emitter *e, const kw_reply *reply, bool as_text, const kw_trace *trace);

/* No reply came. where (may be NULL) leads the line on standard error; with one, a line on standard
 * output keeps the place of the reply among its neighbours. */
exit_status emit_failure(emitter *e, const kw_error *err, const char *where, const kw_trace *trace);

#endif
