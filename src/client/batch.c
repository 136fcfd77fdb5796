/* Many commands that are run together. Owns them, encoded, until they are run, and their replies
 * until it is cleared. */
#include "base/arena.h"
#include "client/errand.h"
#include "client/handle.h"
#include "client/shared_mem.h"
#include "client/thread.h"
#include "core/command.h"
#include "core/format.h"
#include "core/reply_pool.h"
#include "core/resp_short.h"
#include "io/io_error.h"

/* So many items are under way at most: enough to keep all nodes busy. */
enum { BATCH_WINDOW = 16384 };

typedef struct batch_item {
    client_waiter base;
    kw_batch *batch;
    cluster_encoded encoded;        /* in the arena until it is run; SLOT_NONE: read it again */
    const kw_call_options *options; /* in the arena too; NULL: the defaults */
    uint32_t argc;
    bool is_run;
    kw_status status;
    kw_reply *reply;
    kw_error *err; /* NULL: there is none, or no memory for it */
} batch_item;

struct kw_batch {
    const mem *mem; /* shared_mem */
    kw_client *client;
    arena commands;        /* of the items not yet run */
    command_recent recent; /* the names of the last ones */
    reply_pool cleared;    /* replies' blocks, for the client's next ones */
    batch_item *items;
    size_t count;
    size_t capacity;
    size_t first; /* the first item not yet run */
    size_t open;  /* items under way */
    size_t failed;
    bool is_running;
};

static const kw_error NOT_RUN = {.status = KW_ERR_INVALID,
                                 .slot = -1,
                                 .message = "the batch has no such command, or was not run"};
static const kw_error NO_DETAILS = {
    .status = KW_ERR_NOMEM, .slot = -1, .message = "no memory was left to keep the error"};

static void fail_item(batch_item *item, const kw_error *err) {
    const mem *m = item->batch->mem;
    item->batch->failed++;
    item->status = err->status;
    item->err = mem_alloc(m, sizeof *item->err);
    if (item->err) {
        *item->err = *err;
    }
}

static void take_completion(client_waiter *base, const cluster_completion *done) {
    batch_item *item = (batch_item *)base;
    item->batch->open--;
    if (done->reply) {
        item->status = KW_OK;
        item->reply = done->reply;
        reply_hold(done->reply);
    } else {
        fail_item(item, &done->err);
    }
}

kw_status kw_batch_new(kw_client *client, kw_batch **ret) {
    kw_batch *b = mem_calloc(client->mem, 1, sizeof *b);
    if (!b) {
        return KW_ERR_NOMEM;
    }
    b->mem = shared_mem_ref(client->mem);
    b->client = client;
    arena_init(&b->commands, b->mem);
    reply_pool_init(&b->cleared, b->mem);
    *ret = b;
    return KW_OK;
}

void kw_batch_free(kw_batch *b) {
    if (!b) {
        return;
    }
    kw_batch_clear(b);
    const mem *m = b->mem;
    reply_pool_done(&b->cleared);
    arena_done(&b->commands);
    mem_free(m, b->items);
    mem_free(m, b);
    shared_mem_unref(m);
}

void kw_batch_clear(kw_batch *b) {
    if (b->is_running) {
        return; /* a callback of another command: the items are still waited for */
    }
    for (size_t i = 0; i < b->count; i++) {
        reply_release(&b->cleared, b->items[i].reply);
    }
    for (size_t i = 0; i < b->count && b->failed > 0; i++) {
        mem_free(b->mem, b->items[i].err);
    }
    arena_reset(&b->commands);
    b->failed = 0;
    b->count = 0;
    b->first = 0;
}

static bool has_room(kw_batch *b) {
    if (b->count < b->capacity) {
        return true;
    }
    size_t capacity = b->capacity ? b->capacity * 2 : 16;
    batch_item *items = mem_resize(b->mem, b->items, capacity, sizeof *items);
    if (items) {
        b->items = items;
        b->capacity = capacity;
    }
    return items != NULL;
}

static bool encode_short(arena *a, const kw_slice *argv, size_t argc, const resp_short_name *name,
                         cluster_encoded *ret) {
    char *bytes = argc <= RESP_SHORT_ARGUMENTS ? arena_room(a, resp_short_room(argc)) : NULL;
    char *end = bytes ? resp_short_encode(bytes, argv, argc, name) : NULL;
    if (!end) {
        return false;
    }
    ret->bytes = bytes;
    ret->len = (uint32_t)(end - bytes);
    arena_take(a, ret->len);
    return true;
}

static kw_status encode_any(arena *a, const kw_slice *argv, size_t argc, cluster_encoded *ret,
                            kw_error *err) {
    kw_error unwanted;
    kw_status status = cluster_check_size(argv, argc, err ? err : &unwanted);
    if (status != KW_OK) {
        return status;
    }
    size_t len = (size_t)resp_command_size(argv, argc);
    char *bytes = arena_alloc(a, len);
    if (!bytes) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    resp_command_encode(bytes, argv, argc);
    ret->bytes = bytes;
    ret->len = (uint32_t)len;
    return KW_OK;
}

/* Most commands need be looked at only once, here; the handle itself is not asked. */
static kw_status encode(kw_batch *b, const kw_slice *argv, size_t argc, cluster_encoded *ret,
                        kw_error *err) {
    const command_seen *seen = command_find_plain(&b->recent, argv, argc);
    if (!seen) {
        ret->slot = SLOT_NONE;
        return encode_any(&b->commands, argv, argc, ret, err);
    }
    ret->slot = (int16_t)slot_of_key(argv[seen->info->sole_key]);
    ret->reads_only = command_only_reads(seen->info);
    return encode_short(&b->commands, argv, argc, &seen->name, ret)
               ? KW_OK
               : encode_any(&b->commands, argv, argc, ret, err);
}

/* NULL stays NULL; false if memory is short. */
static bool copy_options(kw_batch *b, const kw_call_options *options, const kw_call_options **ret) {
    kw_call_options *copy = options ? arena_alloc(&b->commands, sizeof *copy) : NULL;
    if (copy) {
        *copy = *options;
    }
    *ret = copy;
    return !options || copy;
}

kw_status kw_batch_add(kw_batch *b, const kw_slice *argv, size_t argc,
                       const kw_call_options *options, kw_error *err) {
    if (b->is_running) {
        return io_fail(err, KW_ERR_INVALID, "the batch is being run");
    }
    if (!has_room(b)) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    batch_item *item = &b->items[b->count];
    item->base.take = take_completion;
    item->batch = b;
    item->argc = (uint32_t)argc;
    item->is_run = false;
    item->status = KW_ERR_INVALID;
    item->reply = NULL;
    item->err = NULL;
    kw_status status = encode(b, argv, argc, &item->encoded, err);
    if (status != KW_OK) {
        return status;
    }
    if (!copy_options(b, options, &item->options)) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    b->count++;
    return KW_OK;
}

kw_status kw_batch_addf(kw_batch *b, kw_error *err, const char *format, ...) {
    format_args f;
    const char *why = NULL;
    va_list args;
    va_start(args, format);
    kw_status status = format_command(b->mem, format, args, &f, &why);
    va_end(args);
    if (status != KW_OK) {
        return io_fail(err, status, "%s", why ? why : "out of memory");
    }
    status = kw_batch_add(b, f.argv, f.argc, NULL, err);
    format_args_done(&f);
    return status;
}

/* ------------------------------------------------------------------ running */

/* With an I/O thread others' commands take room too, and make it when they are done. */
static bool may_submit(const kw_client *c) {
    return !c->thread || c->is_closed || thread_has_room(c->thread);
}

static bool may_wait(const kw_batch *b) {
    return b->open > 0 || (b->client->thread && cluster_pending(b->client->cluster) > 0);
}

/* Reads the command back, and submits it as any other. */
static kw_status submit_item(kw_batch *b, batch_item *item, uint64_t now_us, kw_error *err) {
    size_t argc = 0;
    size_t len = 0;
    const char *why = NULL;
    kw_slice *argv = mem_calloc(b->mem, item->argc, sizeof *argv);
    if (!argv) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    (void)resp_read_command(item->encoded.bytes, item->encoded.len, argv, item->argc, &argc, &len,
                            &why); /* it was written here */
    kw_status status =
        client_submit_waiter(b->client, argv, argc, item->options, &item->base, now_us, err);
    mem_free(b->mem, argv);
    return status;
}

static bool is_plain(const batch_item *item) {
    return item->encoded.slot != SLOT_NONE && !item->options;
}

/* Fills what the window has room for; returns the next item to submit. */
static size_t submit_more(kw_batch *b, size_t next, uint64_t now_us) {
    for (; next < b->count && b->open < BATCH_WINDOW && may_submit(b->client); next++) {
        batch_item *item = &b->items[next];
        kw_error err;
        item->is_run = true;
        if (is_plain(item) &&
            client_submit_encoded(b->client, &item->encoded, &item->base, now_us)) {
            b->open++;
            continue;
        }
        kw_status status = submit_item(b, item, now_us, &err);
        if (status == KW_OK) {
            b->open++;
        } else if (status == KW_ERR_LIMIT && may_wait(b)) {
            break; /* again when some are done */
        } else {
            fail_item(item, &err);
        }
    }
    return next;
}

static kw_status first_failure(const kw_batch *b, kw_error *err) {
    for (size_t i = b->first; i < b->count && b->failed > 0; i++) {
        const kw_error *why = NULL;
        kw_status status = kw_batch_status(b, i, &why);
        if (status != KW_OK) {
            if (err) {
                *err = *why;
                err->status = status;
            }
            return status;
        }
    }
    return KW_OK;
}

typedef struct batch_run {
    client_job job; /* first */
    kw_batch *batch;
    size_t next; /* the next item to submit */
} batch_run;

static void prepare(kw_batch *b) {
    b->is_running = true;
    reply_pool_hand_over(cluster_replies(b->client->cluster), &b->cleared);
}

static bool step_batch(client_job *job, kw_client *c, uint64_t now_us) {
    batch_run *run = (batch_run *)job;
    size_t before = run->next;
    prepare(run->batch);
    run->next = submit_more(run->batch, before, now_us);
    c->is_dirty = c->is_dirty || run->next > before; /* what is submitted is to be written */
    return run->batch->open == 0 && run->next == run->batch->count;
}

static void drive(kw_batch *b) {
    kw_client *c = b->client;
    client_enter(c);
    prepare(b);
    uint64_t now_us = loop_now_us();
    size_t next = submit_more(b, b->first, now_us);
    if (b->open > 0 && next == b->count) {
        client_turn_for_replies(c, b->open, now_us);
    }
    while (b->open > 0) {
        client_turn(c, -1);
        if (next < b->count) {
            next = submit_more(b, next, loop_now_us());
        }
    }
    client_leave(c);
}

kw_status kw_batch_run(kw_batch *b, kw_error *err) {
    kw_client *c = b->client;
    batch_run run = {
        .job = {.step = step_batch, .until_us = UINT64_MAX}, .batch = b, .next = b->first};
    bool has_thread = c->thread; /* once the job is done, the handle may be gone */
    kw_status status = has_thread ? errand_run_job(c, &run.job, err) : client_check(c, true, err);
    if (status == KW_OK && !has_thread) {
        drive(b);
    }
    if (status != KW_OK) {
        return status;
    }
    b->is_running = false;
    status = first_failure(b, err);
    b->first = b->count;
    arena_reset(&b->commands);
    return status;
}

/* ------------------------------------------------------------------- reading */

size_t kw_batch_count(const kw_batch *b) {
    return b->count;
}

kw_reply *kw_batch_reply(const kw_batch *b, size_t index) {
    return index < b->count ? b->items[index].reply : NULL;
}

kw_status kw_batch_status(const kw_batch *b, size_t index, const kw_error **ret_err) {
    static const batch_item none = {.status = KW_ERR_INVALID};
    const batch_item *item = index < b->count ? &b->items[index] : &none;
    const kw_error *err = NULL;
    if (item->status != KW_OK) {
        err = item->err ? item->err : item->is_run ? &NO_DETAILS : &NOT_RUN;
    }
    if (ret_err) {
        *ret_err = err;
    }
    return item->status;
}
