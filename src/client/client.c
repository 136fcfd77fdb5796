/* A handle's life, and the calls that turn it. */
#include "client/handle.h"
#include "client/options.h"
#include "client/shared_mem.h"
#include "client/url.h"
#include "io/io_error.h"

/* ------------------------------------------------------------ open and close */

static void destroy(kw_client *c) {
    const mem *m = c->mem;
    cluster_free(c->cluster);
    resolver_free(c->resolver);
    client_close_links(c);
    tls_context_free(c->tls);
    loop_free(c->loop);
    fork_mark_done(&c->fork);
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
    if (status != KW_OK) {
        destroy(c);
        return status;
    }
    client_touch(c); /* the brain may want to load its map at once */
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
        destroy(c);
    }
}

static kw_status turn_once(kw_client *c, int wait_ms) {
    client_enter(c);
    client_turn(c, wait_ms);
    bool is_closed = c->is_closed;
    client_leave(c);
    return is_closed ? KW_ERR_CLOSED : KW_OK;
}

kw_status kw_process(kw_client *c) {
    kw_status status = client_check(c, false, NULL);
    if (status != KW_OK) {
        return status;
    }
    /* in a callback: the turn that called it goes on by itself */
    return c->in_callback ? KW_OK : turn_once(c, 0);
}

kw_status kw_wait(kw_client *c, int timeout_ms) {
    kw_status status = client_check(c, true, NULL);
    return status == KW_OK ? turn_once(c, timeout_ms < 0 ? -1 : timeout_ms) : status;
}

int kw_fd(const kw_client *c) {
    return loop_fd(c->loop);
}

size_t kw_pending(const kw_client *c) {
    return cluster_pending(c->cluster);
}

/* ------------------------------------------------------------ map and watching */

kw_status kw_refresh(kw_client *c, uint32_t timeout_ms, kw_error *err) {
    kw_status status = client_check(c, true, err);
    if (status != KW_OK) {
        return status;
    }
    bool accepted = false;
    uint64_t now_us = loop_now_us();
    uint64_t end_us = now_us + (timeout_ms ? (uint64_t)timeout_ms * 1000u : c->timeout_us);
    client_enter(c);
    uint64_t run = cluster_refresh(c->cluster, now_us);
    while (!c->is_closed && now_us < end_us &&
           !cluster_refresh_is_over(c->cluster, run, &accepted)) {
        client_turn(c, client_ms_until(end_us, now_us));
        now_us = loop_now_us();
    }
    if (c->is_closed) {
        status = io_fail(err, KW_ERR_CLOSED, "the handle was closed by a callback");
    } else if (cluster_refresh_is_over(c->cluster, run, &accepted) && accepted) {
        status = KW_OK;
    } else if (cluster_refresh_is_over(c->cluster, run, &accepted)) {
        const kw_error *why = cluster_refresh_error(c->cluster);
        status = why->status;
        if (err) {
            *err = *why;
        }
    } else {
        status = io_fail(err, KW_ERR_TIMEOUT, "no view of the cluster was accepted in time");
    }
    client_leave(c);
    return status;
}

kw_status kw_forget_slots(kw_client *c, int first, int last) {
    kw_status status = client_check(c, false, NULL);
    if (status != KW_OK) {
        return status;
    }
    if (first < 0 || last < first || last >= KW_SLOT_COUNT) {
        return KW_ERR_INVALID;
    }
    cluster_forget_slots(c->cluster, first, last, loop_now_us());
    client_touch(c);
    return KW_OK;
}

kw_status kw_map_new(const kw_client *c, kw_map **ret) {
    kw_status status = cluster_map_snapshot(c->cluster, ret);
    if (status == KW_OK) {
        (void)shared_mem_ref(c->mem); /* the snapshot's, until kw_map_free */
    }
    return status;
}

kw_status kw_stats_new(const kw_client *c, kw_stats **ret) {
    kw_status status = cluster_stats_snapshot(c->cluster, ret);
    if (status == KW_OK) {
        (void)shared_mem_ref(c->mem); /* the snapshot's, until kw_stats_free */
    }
    return status;
}

void kw_on_event(kw_client *c, kw_event_fn *on_event, void *arg) {
    c->on_event = c->is_closed ? NULL : on_event;
    c->on_event_arg = arg;
    cluster_watch_events(c->cluster, c->on_event != NULL);
}
