#include "lab/lab_connection.h"
#include "lab/lab_handle.h"
#include "lab/lab_nodes.h"
#include "lab/lab_server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256
#define EVENTS_TOLD_PER_TURN 1000
#define WAIT_MS_MAX 60000
#define WAIT_US_MAX (WAIT_MS_MAX * 1000ull)

/* Something that another thread wants done in the lab's; it waits for it on its own stack. */
typedef struct request {
    list in_queue;
    kw_status (*run)(kw_lab *lab, void *arg);
    void *arg;
    kw_status status;
    bool done;
} request;

uint64_t lab_now_us(const kw_lab *lab) {
    uint64_t real_us = lab->epoch_us + loop_now_us();
    return lab->fleet ? node_clock_read(&fleet_lab(lab->fleet)->clock, real_us) : real_us;
}

/* ---------------------------------------------------------------------------- the lab's thread */

static void run_requests(kw_lab *lab) {
    uint64_t count;
    ssize_t len = read(lab->waker.fd, &count, sizeof count);
    (void)len; /* nothing there: another turn has read it already */
    pthread_mutex_lock(&lab->mutex);
    list *at;
    while ((at = list_pop_front(&lab->queue))) {
        request *r = LIST_ENTRY(at, request, in_queue);
        pthread_mutex_unlock(&lab->mutex);
        kw_status status = r->run(lab, r->arg);
        pthread_mutex_lock(&lab->mutex);
        r->status = status;
        r->done = true;
        pthread_cond_broadcast(&lab->answered);
    }
    pthread_mutex_unlock(&lab->mutex);
}

static bool has_untold_events(const kw_lab *lab) {
    return lab->on_event && node_events_next(&fleet_lab(lab->fleet)->events, lab->told_event);
}

static int timeout_ms(const kw_lab *lab) {
    (void)lab_now_us(lab); /* the clock is read */
    if (has_untold_events(lab)) {
        return 0;
    }
    uint64_t fleet_us =
        node_clock_until(&fleet_lab(lab->fleet)->clock, fleet_deadline_us(lab->fleet));
    uint64_t net_us = lab_net_wait_us(&lab->net);
    uint64_t wait_us = fleet_us < net_us ? fleet_us : net_us;
    return wait_us == 0 ? 0 : wait_us < WAIT_US_MAX ? (int)(wait_us / 1000 + 1) : WAIT_MS_MAX;
}

static void dispatch(kw_lab *lab, const loop_event *event) {
    uint64_t now = lab_now_us(lab);
    if (!loop_alive(lab->loop, event->token)) {
        return;
    }
    switch (*(const lab_owner_kind *)event->owner) {
    case LAB_OWNER_WAKER:
        run_requests(lab);
        break;
    case LAB_OWNER_PORT:
        lab_port_accept(event->owner, now);
        break;
    case LAB_OWNER_CONNECTION:
        lab_connection_handle(event->owner, event->ready, now);
        break;
    }
}

/* Commands of one connection may have given something to others, which may give in their turn. */
static void resume_ready(kw_lab *lab) {
    node_session *s;
    while ((s = fleet_next_ready(lab->fleet))) {
        lab_connection_resume(s->owner, lab_now_us(lab));
    }
}

/* What happened since the last turn is told; what the listener does may go on in the next one. */
static void tell_events(kw_lab *lab) {
    const node_events *events = &fleet_lab(lab->fleet)->events;
    for (int i = 0; has_untold_events(lab) && !lab->stopping && i < EVENTS_TOLD_PER_TURN; i++) {
        const node_event copy = *node_events_next(events, lab->told_event);
        const kw_lab_event event = {
            .number = copy.number,
            .time_ms = copy.time_us / 1000,
            .name = node_event_name(copy.kind),
            .node = copy.node == NODE_NOBODY ? -1 : copy.node,
            .text = copy.text,
        };
        lab->told_event = copy.number;
        lab->on_event(lab, &event, lab->event_arg);
    }
}

static bool is_own_thread(const kw_lab *lab) {
    return lab->started && pthread_equal(pthread_self(), lab->thread);
}

/* Its thread has ended, or ends with this. */
static void free_lab(kw_lab *lab) {
    lab_nodes_close(&lab->net);
    lab_net_done(&lab->net);
    fleet_free(lab->fleet);
    if (lab->waker.fd >= 0) {
        loop_remove(lab->loop, lab->waker.token);
        close(lab->waker.fd);
    }
    loop_free(lab->loop);
    if (lab->pid == getpid()) { /* a fork's child would wait for those who wait in its parent */
        pthread_mutex_destroy(&lab->mutex);
        pthread_cond_destroy(&lab->answered);
    }
    tls_context_free(lab->tls);
    mem_free(lab->mem, lab->url);
    mem_free(lab->mem, lab->tls_url);
    mem_free(lab->mem, lab);
}

static void *run_lab(void *arg) {
    kw_lab *lab = arg;
    loop_event events[EVENTS_PER_TURN];
    while (!lab->stopping) {
        size_t count = loop_wait(lab->loop, events, EVENTS_PER_TURN, timeout_ms(lab));
        for (size_t i = 0; i < count; i++) {
            dispatch(lab, &events[i]);
            fleet_run_deferred(lab->fleet, lab_now_us(lab));
            resume_ready(lab);
        }
        fleet_tick(lab->fleet, lab_now_us(lab));
        lab_net_check(&lab->net, lab_now_us(lab));
        resume_ready(lab);
        tell_events(lab);
    }
    if (lab->frees_itself) {
        free_lab(lab);
    }
    return NULL;
}

kw_status lab_ask(const kw_lab *asked, kw_status (*run)(kw_lab *lab, void *arg), void *arg) {
    kw_lab *lab = (kw_lab *)(uintptr_t)asked; /* questions leave the lab as it was */
    const uint64_t one = 1;
    request r = {.run = run, .arg = arg};
    if (lab->pid != getpid()) {
        return KW_ERR_FORKED;
    }
    if (is_own_thread(lab)) {
        return run(lab, arg); /* a listener of events asks */
    }
    pthread_mutex_lock(&lab->mutex);
    list_push_back(&lab->queue, &r.in_queue);
    ssize_t written = write(lab->waker.fd, &one, sizeof one);
    (void)written; /* full: the thread is woken already */
    while (!r.done) {
        pthread_cond_wait(&lab->answered, &lab->mutex);
    }
    pthread_mutex_unlock(&lab->mutex);
    return r.status;
}

/* ------------------------------------------------------------------------------ starting, ending
 */

static kw_status fail(kw_error *err, kw_status status, const char *message) {
    if (err) {
        *err = (kw_error){.status = status, .outcome = KW_NOT_SENT, .slot = -1};
        slice_copy(err->message, sizeof err->message, slice_text(message));
    }
    return status;
}

static kw_status open_sockets(kw_lab *lab, kw_error *err) {
    lab->waker.kind = LAB_OWNER_WAKER;
    lab->waker.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = errno;
    if (lab->waker.fd >= 0) {
        lab->waker.token = loop_add(lab->loop, lab->waker.fd, LOOP_READ, &lab->waker, &error);
    }
    if (!lab->waker.token) {
        return fail(err, error == ENOMEM ? KW_ERR_NOMEM : KW_ERR_CONNECTION, strerror(error));
    }
    if (!lab_net_init(&lab->net, lab->mem, lab->loop, &lab->options.output_limits)) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    lab->net.tls = lab->tls;
    lab->net.speaks_plain = lab->options.tls != KW_LAB_TLS_ONLY;
    const lab_ports ports = {
        .plain = lab->net.speaks_plain ? lab->options.port : 0,
        .tls = lab->net.speaks_plain ? lab->options.tls_port : lab->options.port,
    };
    uint16_t count = (uint16_t)(lab->options.primaries * (1 + lab->options.replicas));
    return lab_nodes_open(&lab->net, count, ports, err);
}

static kw_status make_fleet(kw_lab *lab, kw_error *err) {
    uint16_t count = lab->net.server_count;
    uint16_t *ports = mem_calloc(lab->mem, 2 * (size_t)count, sizeof *ports);
    if (!ports) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    for (uint16_t i = 0; i < count; i++) {
        ports[i] = lab_port_number(&lab->net.servers[i]->plain);
        ports[count + i] = lab_port_number(&lab->net.servers[i]->tls);
    }
    const fleet_config config = {
        .mem = lab->mem,
        .seed = lab->options.has_seed ? lab->options.seed : loop_random_seed(),
        .primary_count = (uint16_t)lab->options.primaries,
        .replica_count = (uint16_t)lab->options.replicas,
        .host = LAB_HOST,
        .ports = ports,
        .tls_ports = ports + count,
        .failover_ms = lab->options.failover_ms,
        .log_capacity = NODE_LOG_CAPACITY,
        .control = lab->options.control,
        .full_coverage_required = lab->options.full_coverage,
        .user = lab->options.has_user ? lab->options.user : NULL,
        .password = lab->options.has_password ? lab->options.password : NULL,
    };
    const fleet_owner owner = {&lab->net, lab_nodes_act};
    kw_status status = fleet_new(&config, lab_now_us(lab), &lab->fleet);
    mem_free(lab->mem, ports);
    if (status != KW_OK) {
        return fail(err, status, "out of memory");
    }
    fleet_set_owner(lab->fleet, &owner);
    lab->net.fleet = lab->fleet;
    return KW_OK;
}

/* Plain or TLS; NULL if memory is short. */
static char *write_url(const kw_lab *lab, bool tls) {
    buffer text;
    buffer_init(&text, lab->mem, 0);
    bool ok = buffer_append_text(&text, tls ? "rediss://" : "redis://");
    for (uint16_t i = 0; ok && i < lab->net.server_count && i < LIMIT_SEEDS; i++) {
        const lab_server *s = lab->net.servers[i];
        ok = buffer_printf(&text, "%s" LAB_HOST ":%u", i ? "," : "",
                           lab_port_number(tls ? &s->tls : &s->plain));
    }
    kw_slice url = buffer_slice(&text);
    char *copy = ok ? mem_strndup(lab->mem, url.data, url.len) : NULL;
    buffer_done(&text);
    return copy;
}

static kw_status write_urls(kw_lab *lab, kw_error *err) {
    bool plain = lab->options.tls != KW_LAB_TLS_ONLY;
    bool tls = lab->options.tls != KW_LAB_TLS_OFF;
    lab->url = plain ? write_url(lab, false) : NULL;
    lab->tls_url = tls ? write_url(lab, true) : NULL;
    bool ok = (lab->url || !plain) && (lab->tls_url || !tls);
    return ok ? KW_OK : fail(err, KW_ERR_NOMEM, "out of memory");
}

static const char *path_or_null(const char *path) {
    return path[0] ? path : NULL;
}

static kw_status make_tls(kw_lab *lab, kw_error *err) {
    const kw_lab_options *options = &lab->options;
    const tls_clients demands[] = {
        [KW_LAB_TLS_CLIENTS_ANY] = TLS_CLIENTS_ANY,
        [KW_LAB_TLS_CLIENTS_CHECKED] = TLS_CLIENTS_CHECKED,
        [KW_LAB_TLS_CLIENTS_REQUIRED] = TLS_CLIENTS_REQUIRED,
    };
    const tls_server_config config = {
        .cert_file = path_or_null(options->tls_cert_file),
        .key_file = path_or_null(options->tls_key_file),
        .ca_file = path_or_null(options->tls_ca_file),
        .clients = demands[options->tls_clients],
    };
    return options->tls == KW_LAB_TLS_OFF
               ? KW_OK
               : tls_server_context_new(lab->mem, &config, &lab->tls, err);
}

/* The thread takes no signals: they are the program's. */
static kw_status start_thread(kw_lab *lab, kw_error *err) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&lab->thread, NULL, run_lab, lab);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    lab->started = error == 0;
    return error == 0 ? KW_OK : fail(err, KW_ERR_NOMEM, strerror(error));
}

static uint64_t unix_epoch_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - loop_now_us();
}

kw_status kw_lab_start(const kw_lab_options *options, kw_lab **ret, kw_error *err) {
    const mem *m = options ? options->mem : &mem_default;
    kw_lab *lab = mem_calloc(m, 1, sizeof *lab);
    if (!lab) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    lab->mem = m;
    lab->pid = getpid();
    lab->waker.fd = -1;
    lab->epoch_us = unix_epoch_us();
    lab_options_init(&lab->options);
    if (options) {
        lab->options = *options;
    }
    list_init(&lab->queue);
    pthread_mutex_init(&lab->mutex, NULL);
    pthread_cond_init(&lab->answered, NULL);
    kw_status status = loop_new(lab->mem, &lab->loop);
    status = status == KW_OK ? make_tls(lab, err) : fail(err, status, "no event loop");
    status = status == KW_OK ? open_sockets(lab, err) : status;
    status = status == KW_OK ? make_fleet(lab, err) : status;
    status = status == KW_OK ? write_urls(lab, err) : status;
    status = status == KW_OK ? start_thread(lab, err) : status;
    if (status != KW_OK) {
        kw_lab_stop(lab);
        return status;
    }
    *ret = lab;
    return KW_OK;
}

static kw_status stop(kw_lab *lab, void *arg) {
    (void)arg;
    lab->stopping = true;
    return KW_OK;
}

void kw_lab_stop(kw_lab *lab) {
    if (!lab) {
        return;
    }
    bool is_child = lab->pid != getpid();
    if (lab->started && !is_child) {
        if (is_own_thread(lab)) {
            lab->stopping = true;
            lab->frees_itself = true;
            pthread_detach(lab->thread);
            return;
        }
        kw_status status = lab_ask(lab, stop, NULL);
        assert(status == KW_OK);
        (void)status; /* without assert */
        pthread_join(lab->thread, NULL);
    }
    if (is_child) {
        loop_abandon(lab->loop);
    }
    free_lab(lab);
}

const char *kw_lab_url(const kw_lab *lab) {
    return lab->url ? lab->url : lab->tls_url;
}

const char *kw_lab_tls_url(const kw_lab *lab) {
    return lab->tls_url;
}

const char *kw_lab_tls_certificate(const kw_lab *lab) {
    return lab->tls ? tls_context_trust(lab->tls) : NULL;
}
