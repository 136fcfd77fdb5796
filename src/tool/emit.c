#include "tool/emit.h"

#include "tool/explain.h"
#include "tool/json.h"

/* The trace of what was just printed; after it on the screen, too. */
static void emit_trace(emitter *e, const kw_trace *trace) {
    /* What was refused before it was routed has no way to tell of. */
    bool routed = trace && (kw_trace_slot(trace) >= 0 || kw_trace_hop_count(trace) > 0);
    if (routed && e->explain && e->mode != PRINT_JSON) {
        out_flush(e->to);
        explain_table(e->notes, &e->look, trace);
        out_flush(e->notes);
    }
}

static void emit_json(emitter *e, const kw_reply *reply, const kw_error *err,
                      const kw_trace *trace) {
    bool both = trace && e->explain;
    out_text(e->to, both ? "{\"reply\":" : "");
    if (reply) {
        json_reply(e->to, reply);
    } else {
        json_failure(e->to, err);
    }
    if (both) {
        out_text(e->to, ",\"explain\":");
        explain_json(e->to, trace);
        out_char(e->to, '}');
    }
    out_char(e->to, '\n');
}

exit_status emit_reply(emitter *e, const kw_reply *reply, bool as_text, const kw_trace *trace) {
    bool is_error = kw_reply_is_error(reply);
    if (e->mode == PRINT_JSON) {
        emit_json(e, reply, NULL, trace);
    } else {
        print_reply(e->to, e->mode, reply, as_text && !is_error);
    }
    emit_trace(e, trace);
    return is_error ? STATUS_SERVER_ERROR : STATUS_OK;
}

exit_status emit_failure(emitter *e, const kw_error *err, const char *where,
                         const kw_trace *trace) {
    if (e->mode == PRINT_JSON) {
        emit_json(e, NULL, err, trace);
    } else if (where) {
        out_printf(e->to, "(no reply) %s (%s)\n", kw_status_name(err->status),
                   kw_outcome_name(err->outcome));
    }
    out_flush(e->to);
    complain_error(where, err);
    emit_trace(e, trace);
    return STATUS_NO_REPLY;
}
