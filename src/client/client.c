/* A handle's life, and the calls that turn it. */
#include "client/errand.h"
#include "client/handle.h"
#include "client/options.h"
#include "client/shared_mem.h"
#include "client/thread.h"
#include "client/url.h"
#include "io/io_error.h"

/* ------------------------------------------------------------ open and close */

void client_destroy(kw_client *c) {
    const mem *m = c->mem;
    cluster_free(c->cluster);
    resolver_free(c->resolver);
    client_close_links(c);
    tls_context_free(c->tls);
    loop_free(c->loop);
    fork_mark_done(&c->fork);
    thread_free(c->thread);
    mem_free(m, c);
    shared_mem_unref(m);
}

static kw_status assemble(kw_client *c, const kw_options *options, const url_seeds *seeds,
                          kw_error *err) {
    cluster_config config;
    tls_config tls;
    options_config(options, seeds->seeds, seeds->count, &config);
    options_stream(options, &c->stream_options);
    c->timeout_us = config.timeout_us;
    kw_status status = loop_new(c->mem, &c->loop);
    if (status != KW_OK) {
        return io_fail(err, status,
                       status == KW_ERR_NOMEM
                           ? "out of memory"
                           : "cannot make an epoll descriptor: too many are open");
    }
    status = resolver_new(c->loop, c->mem, NULL, &c->resolver);
    if (status != KW_OK) {
        return io_fail(err, status, "out of memory");
    }
    if (options->tls) {
        options_tls(options, &tls);
        status = tls_context_new(c->mem, &tls, &c->tls, err);
        if (status != KW_OK) {
            return status;
        }
    }
    return cluster_new(c->mem, &config, options->seed ? options->seed : loop_random_seed(),
                       loop_now_us(), &c->cluster, err);
}

/* `options` is a copy of the caller's, which the URL may change. */
static kw_status open_with(const char *url, kw_options *options, kw_client **ret, kw_error *err) {
    url_seeds seeds;
    kw_status status = url_parse(url, options, &seeds, err);
    if (status == KW_OK) {
        status = options_check(options, err);
    }
    if (status != KW_OK) {
        return status;
    }
    const mem *m = shared_mem_new(&options->memory);
    kw_client *c = m ? mem_calloc(m, 1, sizeof *c) : NULL;
    if (!c) {
        shared_mem_unref(m);
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    c->mem = m;
    fork_mark_init(&c->fork);
    status = assemble(c, options, &seeds, err);
    if (status == KW_OK && options->io_thread) {
        status = thread_start(c, options->pending_max, options->config.waiting_bytes_max, err);
    }
    if (status != KW_OK) {
        client_destroy(c);
        return status;
    }
    if (!c->thread) {
        client_touch(c); /* the brain may want to load its map at once */
    }
    *ret = c;
    return KW_OK;
}

kw_status kw_open(const char *url, const kw_options *options, kw_client **ret, kw_error *err) {
    kw_options *copy = NULL;
    kw_error unwanted;
    err = err ? err : &unwanted;
    if (!url) {
        return io_fail(err, KW_ERR_INVALID, "the URL is NULL");
    }
    kw_status status = options_copy(options ? &options->memory : &mem_default, options, &copy);
    if (status != KW_OK) {
        return io_fail(err, status, "out of memory");
    }
    status = open_with(url, copy, ret, err);
    kw_options_free(copy);
    return status;
}

void kw_close(kw_client *c) {
    if (c && c->thread) {
        thread_close(c);
        return;
    }
    if (!c || c->is_closed) {
        return;
    }
    bool is_child = fork_mark_is_child(&c->fork);
    if (is_child) {
        loop_abandon(c->loop);
    }
    c->is_closed = true;
    c->on_event = NULL;
    cluster_shutdown(c->cluster, is_child ? KW_ERR_FORKED : KW_ERR_CLOSED, loop_now_us());
    if (c->in_callback) {
        return; /* the turn that called it hands the rest over, and frees */
    }
    client_enter(c);
    (void)client_settle(c);
    client_leave(c);
}

/* ------------------------------------------------------------- one's own turn */

kw_status client_check(kw_client *c, bool waits, kw_error *err) {
    if (fork_mark_is_child(&c->fork)) {
        return io_fail(err, KW_ERR_FORKED, "the handle belongs to the process that forked");
    }
    if (c->is_closed) {
        return io_fail(err, KW_ERR_CLOSED, "the handle is closed");
    }
    if (waits && c->in_callback) {
        return io_fail(err, KW_ERR_INVALID, "a callback must not call what waits");
    }
    return KW_OK;
}

void client_enter(kw_client *c) {
    c->depth++;
}

void client_leave(kw_client *c) {
    if (--c->depth == 0 && c->is_closed) {
        client_destroy(c);
    }
}

static kw_status turn_once(kw_client *c, int wait_ms) {
    client_enter(c);
    client_turn(c, wait_ms);
    bool is_closed = c->is_closed;
    client_leave(c);
    return is_closed ? KW_ERR_CLOSED : KW_OK;
}

/* The calls by which a program drives a handle. */
static kw_status check_driver(kw_client *c, bool waits) {
    kw_status status = c->thread ? thread_check(c, NULL) : client_check(c, waits, NULL);
    return status == KW_OK && c->thread ? KW_ERR_INVALID : status;
}

kw_status kw_process(kw_client *c) {
    kw_status status = check_driver(c, false);
    if (status != KW_OK) {
        return status;
    }
    /* in a callback: the turn that called it goes on by itself */
    return c->in_callback ? KW_OK : turn_once(c, 0);
}

kw_status kw_wait(kw_client *c, int timeout_ms) {
    kw_status status = check_driver(c, true);
    return status == KW_OK ? turn_once(c, timeout_ms < 0 ? -1 : timeout_ms) : status;
}

int kw_fd(const kw_client *c) {
    if (c->thread) {
        return -1;
    }
    if (c->is_dirty) {
        loop_wake(c->loop); /* nobody was, until now */
    }
    return loop_fd(c->loop);
}

int kw_timeout_ms(const kw_client *c) {
    return c->thread ? -1 : client_wait_ms(c);
}

size_t kw_pending(const kw_client *c) {
    return c->thread ? thread_pending(c->thread) : cluster_pending(c->cluster);
}

/* ------------------------------------------------------------ map and watching */

typedef struct refresh {
    client_job job; /* first */
    bool is_begun;
    uint64_t run; /* the brain's number of it */
    uint64_t timeout_us;
    kw_status status;
    kw_error err; /* if the status is an error */
} refresh;

static bool end_refresh(refresh *r, kw_status status, const char *message) {
    r->status = io_fail(&r->err, status, "%s", message);
    return true;
}

static bool step_refresh(client_job *job, kw_client *c, uint64_t now_us) {
    refresh *r = (refresh *)job;
    bool accepted = false;
    if (c->is_closed) {
        return end_refresh(r, KW_ERR_CLOSED, "the handle was closed meanwhile");
    }
    if (!r->is_begun) {
        r->is_begun = true;
        r->run = cluster_refresh(c->cluster, now_us);
        client_touch(c); /* it is carried out before the handle sleeps */
    }
    if (!cluster_refresh_is_over(c->cluster, r->run, &accepted)) {
        return now_us >= job->until_us &&
               end_refresh(r, KW_ERR_TIMEOUT, "no view of the cluster was accepted in time");
    }
    r->err = *cluster_refresh_error(c->cluster);
    r->status = accepted ? KW_OK : r->err.status;
    return true;
}

/* Without an I/O thread: turns the handle until the job is done, and looks whether it is before
 * each wait: nothing may come any more that would end the wait. */
static void drive_job(kw_client *c, client_job *job) {
    client_enter(c);
    client_turn(c, 0);
    for (uint64_t now_us = loop_now_us(); !job->step(job, c, now_us); now_us = loop_now_us()) {
        loop_event events[CLIENT_EVENTS_PER_WAIT];
        uint64_t next_us = client_next_us(c, now_us);
        next_us = next_us < job->until_us ? next_us : job->until_us;
        size_t count =
            loop_wait(c->loop, events, CLIENT_EVENTS_PER_WAIT, client_ms_until(next_us, now_us));
        client_handle_events(c, events, count);
        (void)client_settle(c);
    }
    client_leave(c);
}

kw_status kw_refresh(kw_client *c, uint32_t timeout_ms, kw_error *err) {
    refresh r = {.job.step = step_refresh};
    r.job.until_us = loop_now_us() + (timeout_ms ? (uint64_t)timeout_ms * 1000u : c->timeout_us);
    bool has_thread = c->thread; /* once the job is done, the handle may be gone */
    kw_status status = has_thread ? errand_run_job(c, &r.job, err) : client_check(c, true, err);
    if (status != KW_OK) {
        return status;
    }
    if (!has_thread) {
        drive_job(c, &r.job);
    }
    if (r.status != KW_OK && err) {
        *err = r.err;
    }
    return r.status;
}

typedef struct slot_range {
    int first;
    int last;
} slot_range;

static void forget_slots(kw_client *c, void *arg) {
    const slot_range *range = arg;
    cluster_forget_slots(c->cluster, range->first, range->last, loop_now_us());
}

kw_status kw_forget_slots(kw_client *c, int first, int last) {
    slot_range range = {first, last};
    if (first < 0 || last < first || last >= KW_SLOT_COUNT) {
        return KW_ERR_INVALID;
    }
    if (c->thread) {
        return errand_do(c, forget_slots, &range);
    }
    kw_status status = client_check(c, false, NULL);
    if (status == KW_OK) {
        forget_slots(c, &range);
        client_touch(c);
    }
    return status;
}

typedef struct snapshot {
    kw_status status;
    kw_map **ret_map; /* or */
    kw_stats **ret_stats;
} snapshot;

static void take_snapshot(kw_client *c, void *arg) {
    snapshot *s = arg;
    s->status = s->ret_map ? cluster_map_snapshot(c->cluster, s->ret_map)
                           : cluster_stats_snapshot(c->cluster, s->ret_stats);
    if (s->status == KW_OK) {
        (void)shared_mem_ref(c->mem); /* the snapshot's, until it is freed */
    }
}

static kw_status snapshot_of(const kw_client *c, snapshot s) {
    kw_client *handle = (kw_client *)(uintptr_t)c; /* looking at it takes a turn of its thread */
    if (c->thread) {
        kw_status status = errand_do(handle, take_snapshot, &s);
        return status == KW_OK ? s.status : status;
    }
    take_snapshot(handle, &s);
    return s.status;
}

kw_status kw_map_new(const kw_client *c, kw_map **ret) {
    return snapshot_of(c, (snapshot){.ret_map = ret});
}

kw_status kw_stats_new(const kw_client *c, kw_stats **ret) {
    return snapshot_of(c, (snapshot){.ret_stats = ret});
}

typedef struct listener {
    kw_event_fn *on_event;
    void *arg;
} listener;

static void listen_to_events(kw_client *c, void *arg) {
    const listener *l = arg;
    c->on_event = c->is_closed ? NULL : l->on_event;
    c->on_event_arg = l->arg;
    cluster_watch_events(c->cluster, c->on_event != NULL);
}

void kw_on_event(kw_client *c, kw_event_fn *on_event, void *arg) {
    listener l = {on_event, arg};
    if (!c->thread) {
        listen_to_events(c, &l);
    } else if (errand_do(c, listen_to_events, &l) != KW_OK) {
        return; /* it is closed: there are no events */
    }
}
