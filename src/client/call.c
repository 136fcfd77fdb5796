/* Calls that wait for one reply, the printf-like forms, and the options of a call. */
#include "client/errand.h"
#include "client/handle.h"
#include "client/shared_mem.h"
#include "client/thread.h"
#include "core/format.h"
#include "io/io_error.h"

/* ------------------------------------------------------------------ options */

kw_status kw_call_options_new(kw_call_options **ret) {
    kw_call_options *options = mem_calloc(&mem_default, 1, sizeof *options);
    if (!options) {
        return KW_ERR_NOMEM;
    }
    options->slot = SLOT_NONE;
    *ret = options;
    return KW_OK;
}

void kw_call_options_free(kw_call_options *options) {
    mem_free(&mem_default, options);
}

void kw_call_options_set_timeout_ms(kw_call_options *options, uint32_t timeout_ms) {
    options->timeout_ms = timeout_ms;
}

void kw_call_options_set_idempotent(kw_call_options *options, bool idempotent) {
    options->idempotent = idempotent;
}

void kw_call_options_set_slot(kw_call_options *options, int slot) {
    options->slot = slot < 0 ? SLOT_NONE : slot;
}

void kw_call_options_set_trace(kw_call_options *options, kw_trace *trace) {
    options->trace = trace;
}

/* --------------------------------------------------------------------- sync */

typedef struct call_waiter {
    client_waiter base;
    bool is_done;
    kw_reply *reply;
    kw_error err;
} call_waiter;

static void take_completion(client_waiter *base, const cluster_completion *done) {
    call_waiter *waiter = (call_waiter *)base;
    waiter->is_done = true;
    waiter->reply = done->reply;
    if (!done->reply) {
        waiter->err = done->err;
    }
}

kw_status kw_call_argv(kw_client *c, const kw_slice *argv, size_t argc,
                       const kw_call_options *options, kw_reply **ret, kw_error *err) {
    if (c->thread) {
        return errand_call(c, argv, argc, options, ret, err);
    }
    call_waiter waiter;
    waiter.base.take = take_completion;
    waiter.is_done = false;
    waiter.reply = NULL; /* its err is filled when it is needed */
    kw_status status = client_check(c, true, err);
    if (status != KW_OK) {
        return status;
    }
    uint64_t now_us = loop_now_us();
    status = client_submit_waiter(c, argv, argc, options, &waiter.base, now_us, &waiter.err);
    if (status != KW_OK) {
        waiter.is_done = true;
    }
    client_enter(c);
    if (!waiter.is_done) {
        client_turn_for_replies(c, 1, now_us);
    }
    while (!waiter.is_done) {
        client_turn(c, -1);
    }
    client_leave(c);
    if (waiter.reply) {
        *ret = waiter.reply;
        return KW_OK;
    }
    if (err) {
        *err = waiter.err;
    }
    return waiter.err.status;
}

/* Puts the arguments together; their memory is the handle's. */
static kw_status read_format(kw_client *c, const char *format, va_list args, format_args *ret,
                             kw_error *err) {
    const char *why = NULL;
    kw_status status = format_command(c->mem, format, args, ret, &why);
    return status == KW_OK ? KW_OK : io_fail(err, status, "%s", why ? why : "out of memory");
}

/* A call that uses the handle before it has submitted anything: a closing thread waits for it. */
static kw_status go_in(kw_client *c, bool waits, kw_error *err) {
    return c->thread ? thread_enter(c, waits, err) : client_check(c, waits, err);
}

static void go_out(client_thread *t) {
    if (t) {
        gate_leave(&t->gate);
    }
}

kw_status kw_vcall(kw_client *c, kw_reply **ret, kw_error *err, const char *format, va_list args) {
    format_args f;
    kw_status status = go_in(c, true, err);
    if (status != KW_OK) {
        return status;
    }
    client_thread *t = c->thread;
    status = read_format(c, format, args, &f, err);
    if (status == KW_OK) {
        const mem *m = shared_mem_ref(c->mem); /* a callback may close the handle meanwhile */
        status = kw_call_argv(c, f.argv, f.argc, NULL, ret, err);
        format_args_done(&f);
        shared_mem_unref(m);
    }
    go_out(t);
    return status;
}

kw_status kw_call(kw_client *c, kw_reply **ret, kw_error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kw_status status = kw_vcall(c, ret, err, format, args);
    va_end(args);
    return status;
}

/* -------------------------------------------------------------------- async */

kw_status kw_submitf(kw_client *c, kw_reply_fn *on_reply, void *arg, kw_error *err,
                     const char *format, ...) {
    format_args f;
    va_list args;
    kw_status status = go_in(c, false, err);
    if (status != KW_OK) {
        return status;
    }
    va_start(args, format);
    status = read_format(c, format, args, &f, err);
    va_end(args);
    if (status == KW_OK) {
        status = kw_submit(c, f.argv, f.argc, NULL, on_reply, arg, err);
        format_args_done(&f);
    }
    go_out(c->thread);
    return status;
}
