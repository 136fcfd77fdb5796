/* What another thread asks of a handle's I/O thread, and the ways to ask: a command whose reply is
 * waited for, a submitted one, or a job of any other kind. An errand that is waited for lies on the
 * stack of the thread that waits; that of a submitted command is freed by the I/O thread.
 *
 * All functions are for handles with an I/O thread (client->thread). */
#ifndef CLIENT_ERRAND_H
#define CLIENT_ERRAND_H

#include "base/list.h"
#include "client/handle.h"
#include "client/mailbox.h"
#include "io/latch.h"

typedef struct client_errand client_errand;
struct client_errand {
    mailbox_node node; /* first */
    /* On the I/O thread. False: there is no room for it now; it is run again later. */
    bool (*run)(client_errand *errand, kw_client *c, uint64_t now_us);
    uint64_t deadline_us; /* of a command, which waits for room until then; 0: no command */
    latch done;           /* of those that are waited for */
};

/* Something that takes several turns: a batch, a refresh. */
typedef struct client_job {
    client_errand errand;
    list node;
    /* At first and after each turn, on the I/O thread; true: it is done. A closed handle's must
     * end. */
    bool (*step)(struct client_job *job, kw_client *c, uint64_t now_us);
    uint64_t until_us; /* it is looked at then, if not before */
} client_job;

/* kw_call_argv and kw_submit. */
KW_CHECKED kw_status errand_call(kw_client *c, const kw_slice *argv, size_t argc,
                                 const kw_call_options *options, kw_reply **ret, kw_error *err);
KW_CHECKED kw_status errand_submit(kw_client *c, const kw_slice *argv, size_t argc,
                                   const kw_call_options *options, kw_reply_fn *on_reply, void *arg,
                                   kw_error *err);

/* In the child of a fork: frees a submitted command that was not run. */
void errand_drop(kw_client *c, client_errand *errand);

/* Runs a job (its step and until_us are filled in) and waits until it is done. KW_ERR_CLOSED,
 * KW_ERR_FORKED or, on the I/O thread, KW_ERR_INVALID: it was not begun. */
KW_CHECKED kw_status errand_run_job(kw_client *c, client_job *job, kw_error *err);

/* Runs a function on the I/O thread, at once if that is the caller's, and waits for it. Errors: as
 * errand_run_job; KW_OK means that it was run. */
typedef void errand_fn(kw_client *c, void *arg);
KW_CHECKED kw_status errand_do(kw_client *c, errand_fn *fn, void *arg);

#endif
