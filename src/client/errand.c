#include "client/errand.h"

#include "client/thread.h"
#include "io/io_error.h"

/* A command, with what becomes of it. */
typedef struct command {
    client_errand errand;
    client_waiter waiter;
    client_submission what;
} command;

static uint64_t deadline_of(const kw_client *c, const client_submission *s) {
    uint64_t timeout_us = s->options ? (uint64_t)s->options->timeout_ms * 1000u : 0;
    return s->submitted_us + (timeout_us > 0 ? timeout_us : c->timeout_us);
}

static void begin(kw_client *c, command *cmd, const kw_slice *argv, size_t argc,
                  const kw_call_options *options) {
    cmd->what = (client_submission){
        .argv = argv, .argc = argc, .options = options, .submitted_us = loop_now_us()};
    cmd->errand.deadline_us = deadline_of(c, &cmd->what);
}

/* Gives a command to the brain. KW_ERR_LIMIT with *ret_again: there is no room for it now. */
static kw_status give(kw_client *c, const command *cmd, uint64_t now_us, bool *ret_again,
                      kw_error *err) {
    client_thread *t = c->thread;
    *ret_again = false;
    if (cmd->errand.deadline_us <= now_us) {
        return io_fail(err, KW_ERR_TIMEOUT, "too many commands were pending until its deadline");
    }
    kw_status status = client_submit(c, &cmd->what, now_us, err);
    if (status == KW_ERR_LIMIT && cluster_pending(c->cluster) > 0) {
        t->is_full = true;
        *ret_again = true;
    }
    return status;
}

/* ---------------------------------------------------------------- waited for */

/* On the stack of its caller, as are the arguments. */
typedef struct call {
    command command; /* first */
    client_thread *thread;
    kw_status status;
    kw_reply *reply;
    kw_error *err;
} call;

static void take_completion(client_waiter *waiter, const cluster_completion *done) {
    call *k = LIST_ENTRY(waiter, call, command.waiter);
    k->reply = done->reply;
    if (!done->reply) {
        k->status = done->err.status;
        *k->err = done->err;
    }
    thread_finish(k->thread, &k->command.errand);
}

static bool run_call(client_errand *errand, kw_client *c, uint64_t now_us) {
    call *k = (call *)errand;
    client_thread *t = c->thread;
    bool again = false;
    t->alone = cluster_pending(c->cluster) == 0 ? t->alone + 1 : 0;
    k->status = give(c, &k->command, now_us, &again, k->err);
    if (k->status != KW_OK && !again) {
        thread_finish(t, errand);
    }
    return !again;
}

kw_status errand_call(kw_client *c, const kw_slice *argv, size_t argc,
                      const kw_call_options *options, kw_reply **ret, kw_error *err) {
    client_thread *t = c->thread;
    kw_error unwanted;
    call k = {.thread = t, .err = err ? err : &unwanted};
    kw_status status = thread_enter(c, true, k.err);
    if (status != KW_OK) {
        return status;
    }
    status = cluster_check_size(argv, argc, k.err);
    if (status == KW_OK) {
        begin(c, &k.command, argv, argc, options);
        k.command.errand.run = run_call;
        k.command.waiter.take = take_completion;
        k.command.what.waiter = &k.command.waiter;
        latch_init(&k.command.errand.done);
        if (thread_borrow(t, &k.command.errand)) {
            thread_wait(t, &k.command.errand);
        } else {
            status = thread_send_and_wait(t, &k.command.errand, k.err);
        }
    }
    gate_leave(&t->gate);
    if (status == KW_OK) {
        status = k.status;
    }
    if (status == KW_OK) {
        *ret = k.reply;
    }
    return status;
}

/* ------------------------------------------------------------------ submitted */

/* On the heap, until the brain has it: the options, the slices and the bytes lie behind. */
typedef struct submitted {
    command command; /* first */
    kw_call_options options;
    uint64_t bytes; /* of all arguments */
    bool is_pooled;
    kw_slice argv[];
} submitted;

static submitted *copy_command(kw_client *c, const kw_slice *argv, size_t argc,
                               const kw_call_options *options) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < argc; i++) {
        bytes += argv[i].len;
    }
    submitted *s = NULL;
    size_t size = sizeof *s + argc * sizeof *argv + (size_t)bytes;
    bool is_pooled = size <= BLOCK_POOL_BYTES;
    s = is_pooled ? block_pool_take(&c->thread->blocks) : mem_alloc(c->mem, size);
    if (!s) {
        return NULL;
    }
    s->bytes = bytes;
    s->is_pooled = is_pooled;
    s->options = options ? *options : (kw_call_options){.slot = SLOT_NONE};
    char *at = (char *)(s->argv + argc);
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].len > 0) {
            memcpy(at, argv[i].data, argv[i].len);
        }
        s->argv[i] = slice_of(at, argv[i].len);
        at += argv[i].len;
    }
    begin(c, &s->command, s->argv, argc, &s->options);
    return s;
}

static void free_command(const kw_client *c, submitted *s, pool_block **used) {
    if (s->is_pooled) {
        block_chain_add(used, s);
    } else {
        mem_free(c->mem, s);
    }
}

static bool run_submitted(client_errand *errand, kw_client *c, uint64_t now_us) {
    submitted *s = (submitted *)errand;
    const client_submission *what = &s->command.what;
    bool again = false;
    kw_error err;
    c->thread->alone = 0;
    kw_status status = give(c, &s->command, now_us, &again, &err);
    if (again) {
        return false;
    }
    if (status != KW_OK) {
        c->given++;
        client_call_back(c, what->on_reply, NULL, &err, what->arg);
    }
    atomic_fetch_sub_explicit(&c->thread->waiting_bytes, s->bytes, memory_order_relaxed);
    free_command(c, s, &c->thread->used);
    return true;
}

void errand_drop(kw_client *c, client_errand *errand) {
    if (errand->run == run_submitted) {
        mem_free(c->mem, errand);
    }
}

/* Counts the command as pending. */
static kw_status reserve(client_thread *t, kw_error *err) {
    atomic_fetch_add_explicit(&t->submitted, 1, memory_order_relaxed);
    size_t pending = thread_pending(t);
    if (pending <= t->pending_max) {
        return KW_OK;
    }
    atomic_fetch_sub_explicit(&t->submitted, 1, memory_order_relaxed);
    return io_fail(err, KW_ERR_BUSY, "%zu submitted commands are pending, and no more may be",
                   t->pending_max);
}

static kw_status hand_over(kw_client *c, const client_submission *what, kw_error *err) {
    client_thread *t = c->thread;
    submitted *s = copy_command(c, what->argv, what->argc, what->options);
    if (!s) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    s->command.errand.run = run_submitted;
    s->command.what.on_reply = what->on_reply;
    s->command.what.arg = what->arg;
    uint64_t bytes = s->bytes;
    uint64_t before = atomic_fetch_add_explicit(&t->waiting_bytes, bytes, memory_order_relaxed);
    kw_status status = KW_OK;
    if (before > 0 && before + bytes > t->waiting_bytes_max) {
        status = io_fail(err, KW_ERR_BUSY, "%llu bytes of submitted commands wait",
                         (unsigned long long)before);
    } else if (!thread_send(t, &s->command.errand)) {
        status = io_fail(err, KW_ERR_CLOSED, "the handle is closed");
    }
    if (status != KW_OK) {
        atomic_fetch_sub_explicit(&t->waiting_bytes, bytes, memory_order_relaxed);
        pool_block *used = NULL;
        free_command(c, s, &used);
        block_pool_give(&t->blocks, &used);
    }
    return status;
}

kw_status errand_submit(kw_client *c, const kw_slice *argv, size_t argc,
                        const kw_call_options *options, kw_reply_fn *on_reply, void *arg,
                        kw_error *err) {
    client_thread *t = c->thread;
    kw_error unwanted;
    err = err ? err : &unwanted;
    client_submission what = {
        .argv = argv, .argc = argc, .options = options, .on_reply = on_reply, .arg = arg};
    kw_status status = thread_enter(c, false, err);
    if (status != KW_OK) {
        return status;
    }
    status = cluster_check_size(argv, argc, err);
    if (status == KW_OK) {
        status = reserve(t, err);
    }
    if (status == KW_OK) {
        if (thread_is_own(t)) { /* in a callback, inside a turn that sees to the rest */
            what.submitted_us = loop_now_us();
            status = client_submit(c, &what, what.submitted_us, err);
        } else {
            status = hand_over(c, &what, err);
        }
        if (status != KW_OK) {
            atomic_fetch_sub_explicit(&t->submitted, 1, memory_order_relaxed);
        }
    }
    gate_leave(&t->gate);
    return status;
}

/* ----------------------------------------------------------------------- jobs */

static bool run_job(client_errand *errand, kw_client *c, uint64_t now_us) {
    (void)now_us;
    list_push_back(&c->thread->jobs, &((client_job *)errand)->node);
    return true;
}

kw_status errand_run_job(kw_client *c, client_job *job, kw_error *err) {
    kw_status status = thread_enter(c, true, err);
    if (status == KW_OK) {
        job->errand.deadline_us = 0;
        job->errand.run = run_job;
        latch_init(&job->errand.done);
        status = thread_send_and_wait(c->thread, &job->errand, err);
        gate_leave(&c->thread->gate);
    }
    return status;
}

typedef struct task {
    client_errand errand; /* first */
    errand_fn *fn;
    void *arg;
} task;

static bool run_task(client_errand *errand, kw_client *c, uint64_t now_us) {
    task *k = (task *)errand;
    (void)now_us;
    k->fn(c, k->arg);
    thread_finish(c->thread, errand);
    return true;
}

kw_status errand_do(kw_client *c, errand_fn *fn, void *arg) {
    client_thread *t = c->thread;
    kw_status status = thread_enter(c, false, NULL);
    if (status != KW_OK) {
        return status;
    }
    if (thread_is_own(t)) {
        fn(c, arg);
    } else {
        task k = {.errand.run = run_task, .fn = fn, .arg = arg};
        latch_init(&k.errand.done);
        status = thread_send_and_wait(t, &k.errand, NULL);
    }
    gate_leave(&t->gate);
    return status;
}
