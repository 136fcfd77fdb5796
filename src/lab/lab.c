#include "lab/lab_connection.h"
#include "lab/lab_options.h"
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

typedef struct waker {
    lab_owner_kind kind;
    int fd;
    loop_token token;
} waker;

struct kw_lab {
    const mem *mem;
    kw_lab_options options;
    loop *loop;
    node_fleet *fleet;
    lab_net net;
    lab_server *servers;
    uint16_t count;
    tls_context *tls;  /* NULL: no node speaks it */
    char *url;         /* NULL if all speak only TLS */
    char *tls_url;     /* NULL without TLS */
    uint64_t epoch_us; /* the Unix time at which the monotonic clock was 0 */
    waker waker;
    pthread_t thread;
    bool started;
    bool stopping;
    pthread_mutex_t mutex; /* guards queue and the requests' done */
    pthread_cond_t answered;
    list queue;
};

/* By the lab's clock, which may stand still. */
static uint64_t now_us(const kw_lab *lab) {
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

static int timeout_ms(const kw_lab *lab) {
    (void)now_us(lab); /* the clock is read */
    uint64_t fleet_us =
        node_clock_until(&fleet_lab(lab->fleet)->clock, fleet_deadline_us(lab->fleet));
    uint64_t net_us = lab_net_wait_us(&lab->net);
    uint64_t wait_us = fleet_us < net_us ? fleet_us : net_us;
    return wait_us == 0 ? 0 : wait_us < WAIT_US_MAX ? (int)(wait_us / 1000 + 1) : WAIT_MS_MAX;
}

static void dispatch(kw_lab *lab, const loop_event *event) {
    uint64_t now = now_us(lab);
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
        lab_connection_resume(s->owner, now_us(lab));
    }
}

static void *run_lab(void *arg) {
    kw_lab *lab = arg;
    loop_event events[EVENTS_PER_TURN];
    while (!lab->stopping) {
        size_t count = loop_wait(lab->loop, events, EVENTS_PER_TURN, timeout_ms(lab));
        for (size_t i = 0; i < count; i++) {
            dispatch(lab, &events[i]);
            fleet_run_deferred(lab->fleet, now_us(lab));
            resume_ready(lab);
        }
        fleet_tick(lab->fleet, now_us(lab));
        lab_net_check(&lab->net, now_us(lab));
        resume_ready(lab);
    }
    return NULL;
}

/* Has the lab's thread do something, and waits for it. */
static kw_status ask(const kw_lab *asked, kw_status (*run)(kw_lab *lab, void *arg), void *arg) {
    kw_lab *lab = (kw_lab *)(uintptr_t)asked; /* questions leave the lab as it was */
    const uint64_t one = 1;
    request r = {.run = run, .arg = arg};
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

/* ------------------------------------------------------------------- what concerns sockets, too */

static kw_status end_node(kw_lab *lab, const fleet_act *a, uint64_t now) {
    if (!fleet_node(lab->fleet, a->node)) {
        return KW_ERR_INVALID;
    }
    lab_server_shut(&lab->servers[a->node]);
    return fleet_act_alone(lab->fleet, a, now);
}

/* port 0: the same as before. */
static kw_status start_node(kw_lab *lab, const fleet_act *a, uint64_t now) {
    lab_server *s = &lab->servers[a->node];
    lab_port *port = lab_server_main_port(s);
    uint16_t before = port->number;
    if (fleet_node(lab->fleet, a->node)) {
        return KW_ERR_INVALID;
    }
    port->number = a->port ? a->port : before;
    kw_status status = lab_server_listen(s, NULL);
    if (status != KW_OK) {
        port->number = before;
        return status;
    }
    status = fleet_act_alone(lab->fleet, a, now);
    if (status != KW_OK) {
        lab_server_shut(s);
    }
    return status;
}

static kw_status pause_node(kw_lab *lab, const fleet_act *a, uint64_t now) {
    bool was_paused = fleet_is_paused(lab->fleet, a->node);
    bool paused = a->kind == ACT_PAUSE;
    kw_status status = fleet_act_alone(lab->fleet, a, now);
    if (status == KW_OK && paused != was_paused) {
        lab_server_pause(&lab->servers[a->node], paused, now);
    }
    return status;
}

static kw_status act(void *arg, const fleet_act *a, uint64_t now) {
    kw_lab *lab = arg;
    fleet_act part = *a;
    kw_status status = KW_OK;
    switch (a->kind) {
    case ACT_KILL:
    case ACT_STOP:
        return end_node(lab, a, now);
    case ACT_START:
        return start_node(lab, a, now);
    case ACT_RESTART:
        part.kind = ACT_KILL;
        status = fleet_node(lab->fleet, a->node) ? end_node(lab, &part, now) : KW_OK;
        part.kind = ACT_START;
        return status == KW_OK ? start_node(lab, &part, now) : status;
    case ACT_PAUSE:
    case ACT_RESUME:
        return pause_node(lab, a, now);
    case ACT_ADD:
    case ACT_REMOVE:
        break;
    }
    return KW_ERR_INVALID;
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

static kw_status make_servers(kw_lab *lab, kw_error *err) {
    lab->waker.kind = LAB_OWNER_WAKER;
    lab->waker.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = errno;
    if (lab->waker.fd >= 0) {
        lab->waker.token = loop_add(lab->loop, lab->waker.fd, LOOP_READ, &lab->waker, &error);
    }
    if (!lab->waker.token) {
        return fail(err, error == ENOMEM ? KW_ERR_NOMEM : KW_ERR_CONNECTION, strerror(error));
    }
    bool ready =
        lab_net_init(&lab->net, lab->mem, lab->loop, lab->tls, &lab->options.output_limits);
    lab->servers = mem_calloc(lab->mem, lab->count, sizeof *lab->servers);
    if (!ready || !lab->servers) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    for (uint16_t i = 0; i < lab->count; i++) {
        lab_server_init(&lab->servers[i], &lab->net, i);
    }
    return KW_OK;
}

/* A node's port when the first one's is `first`; 0: a free one. */
static kw_status number_port(lab_port *port, uint16_t first, kw_error *err) {
    if (first != 0 && first + port->server->index > UINT16_MAX) {
        return fail(err, KW_ERR_INVALID, "the nodes' ports would go beyond 65535");
    }
    lab_port_want(port, first ? (uint16_t)(first + port->server->index) : 0);
    return KW_OK;
}

static kw_status open_ports(kw_lab *lab, kw_error *err) {
    const kw_lab_options *options = &lab->options;
    kw_status status = KW_OK;
    for (uint16_t i = 0; status == KW_OK && i < lab->count; i++) {
        lab_server *s = &lab->servers[i];
        if (options->tls != KW_LAB_TLS_ONLY) {
            status = number_port(&s->plain, options->port, err);
        }
        if (status == KW_OK && options->tls != KW_LAB_TLS_OFF) {
            bool only = options->tls == KW_LAB_TLS_ONLY;
            status = number_port(&s->tls, only ? options->port : options->tls_port, err);
        }
        status = status == KW_OK ? lab_server_listen(s, err) : status;
    }
    return status;
}

static kw_status make_fleet(kw_lab *lab, kw_error *err) {
    uint16_t *ports = mem_calloc(lab->mem, 2 * (size_t)lab->count, sizeof *ports);
    if (!ports) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    for (uint16_t i = 0; i < lab->count; i++) {
        ports[i] = lab_port_number(&lab->servers[i].plain);
        ports[lab->count + i] = lab_port_number(&lab->servers[i].tls);
    }
    const fleet_config config = {
        .mem = lab->mem,
        .seed = loop_random_seed(),
        .primary_count = (uint16_t)lab->options.primaries,
        .replica_count = (uint16_t)lab->options.replicas,
        .host = LAB_HOST,
        .ports = ports,
        .tls_ports = ports + lab->count,
        .failover_ms = lab->options.failover_ms,
        .log_capacity = NODE_LOG_CAPACITY,
        .control = lab->options.control,
        .full_coverage_required = lab->options.full_coverage,
        .user = lab->options.has_user ? lab->options.user : NULL,
        .password = lab->options.has_password ? lab->options.password : NULL,
    };
    const fleet_owner owner = {lab, act};
    kw_status status = fleet_new(&config, now_us(lab), &lab->fleet);
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
    for (uint16_t i = 0; ok && i < lab->count && i < LIMIT_SEEDS; i++) {
        ok = buffer_printf(&text, "%s" LAB_HOST ":%u", i ? "," : "",
                           lab_port_number(tls ? &lab->servers[i].tls : &lab->servers[i].plain));
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
    kw_lab *lab = mem_calloc(&mem_default, 1, sizeof *lab);
    if (!lab) {
        return fail(err, KW_ERR_NOMEM, "out of memory");
    }
    lab->mem = &mem_default;
    lab->waker.fd = -1;
    lab->epoch_us = unix_epoch_us();
    lab_options_init(&lab->options);
    if (options) {
        lab->options = *options;
    }
    lab->count = (uint16_t)(lab->options.primaries * (1 + lab->options.replicas));
    list_init(&lab->queue);
    pthread_mutex_init(&lab->mutex, NULL);
    pthread_cond_init(&lab->answered, NULL);
    kw_status status = loop_new(lab->mem, &lab->loop);
    status = status == KW_OK ? make_tls(lab, err) : fail(err, status, "no event loop");
    status = status == KW_OK ? make_servers(lab, err) : status;
    status = status == KW_OK ? open_ports(lab, err) : status;
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
    if (lab->started) {
        kw_status status = ask(lab, stop, NULL);
        assert(status == KW_OK);
        (void)status; /* without assert */
        pthread_join(lab->thread, NULL);
    }
    for (uint16_t i = 0; lab->servers && i < lab->count; i++) {
        lab_server_shut(&lab->servers[i]);
    }
    mem_free(lab->mem, lab->servers);
    lab_net_done(&lab->net);
    fleet_free(lab->fleet);
    if (lab->waker.fd >= 0) {
        loop_remove(lab->loop, lab->waker.token);
        close(lab->waker.fd);
    }
    loop_free(lab->loop);
    pthread_mutex_destroy(&lab->mutex);
    pthread_cond_destroy(&lab->answered);
    tls_context_free(lab->tls);
    mem_free(lab->mem, lab->url);
    mem_free(lab->mem, lab->tls_url);
    mem_free(lab->mem, lab);
}

/* -------------------------------------------------------------------------------------- asking */

const char *kw_lab_url(const kw_lab *lab) {
    return lab->url ? lab->url : lab->tls_url;
}

const char *kw_lab_tls_url(const kw_lab *lab) {
    return lab->tls_url;
}

const char *kw_lab_tls_certificate(const kw_lab *lab) {
    return lab->tls ? tls_context_trust(lab->tls) : NULL;
}

int kw_lab_node_count(const kw_lab *lab) {
    return lab->count;
}

typedef struct node_question {
    uint16_t node;
    kw_lab_node *ret;
} node_question;

static kw_status describe_node(kw_lab *lab, void *arg) {
    const node_question *q = arg;
    const node *n = fleet_node(lab->fleet, q->node);
    const node_view *view = n ? n->view : fleet_view(lab->fleet);
    const node_peer *peer = &view->peers[q->node];
    kw_lab_node *ret = q->ret;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->id, peer->id, sizeof ret->id);
    lab_server *s = &lab->servers[q->node];
    (void)snprintf(ret->endpoint, sizeof ret->endpoint, LAB_HOST ":%u",
                   lab_server_main_port(s)->number); /* fits */
    ret->tls_port = lab_port_number(&s->tls);
    ret->primary = peer->primary;
    ret->primary_index = peer->primary ? -1 : peer->primary_of;
    ret->alive = n != NULL;
    ret->paused = fleet_is_paused(lab->fleet, q->node);
    ret->stale = fleet_is_frozen(lab->fleet, q->node);
    ret->slot_count = (int)peer->slot_count;
    ret->key_count = n ? keyspace_count(n->keys) : 0;
    return KW_OK;
}

static bool is_node(const kw_lab *lab, int index) {
    return index >= 0 && index < lab->count;
}

bool kw_lab_node_at(const kw_lab *lab, int index, kw_lab_node *ret) {
    node_question q = {(uint16_t)index, ret};
    return is_node(lab, index) && ask(lab, describe_node, &q) == KW_OK;
}

typedef struct slot_question {
    int slot;
    int owner;
} slot_question;

static kw_status find_owner(kw_lab *lab, void *arg) {
    slot_question *q = arg;
    uint16_t owner = fleet_view(lab->fleet)->owner[q->slot];
    q->owner = owner == NODE_NOBODY ? -1 : owner;
    return KW_OK;
}

int kw_lab_owner(const kw_lab *lab, int slot) {
    slot_question q = {slot, -1};
    if (slot < 0 || slot >= SLOT_COUNT || ask(lab, find_owner, &q) != KW_OK) {
        return -1;
    }
    return q.owner;
}

/* ------------------------------------------------------------------------------------- control */

/* The arguments of any control function. */
typedef struct control {
    uint16_t node;
    bool on;
    int slot;
    int last;
    size_t count;
    size_t *ret_left;
} control;

static kw_status do_act(kw_lab *lab, void *arg) {
    return act(lab, arg, now_us(lab));
}

static kw_status do_promote(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_promote(lab->fleet, c->node);
}

static kw_status do_freeze(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_freeze(lab->fleet, c->node, c->on);
}

static kw_status do_migrate_begin(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_begin(lab->fleet, c->slot, c->node);
}

static kw_status do_migrate_keys(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_keys(lab->fleet, c->slot, c->count, c->ret_left);
}

static kw_status do_migrate_end(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_migrate_end(lab->fleet, c->slot);
}

static kw_status do_assign(kw_lab *lab, void *arg) {
    const control *c = arg;
    return fleet_assign(lab->fleet, c->slot, c->last, c->node);
}

static kw_status control_node(kw_lab *lab, kw_status (*run)(kw_lab *, void *), int index, bool on) {
    control c = {.node = (uint16_t)index, .on = on};
    return is_node(lab, index) ? ask(lab, run, &c) : KW_ERR_INVALID;
}

static kw_status act_on(kw_lab *lab, fleet_act_kind kind, int index) {
    fleet_act a = {.kind = kind, .node = (uint16_t)index};
    return is_node(lab, index) ? ask(lab, do_act, &a) : KW_ERR_INVALID;
}

kw_status kw_lab_kill(kw_lab *lab, int index) {
    return act_on(lab, ACT_KILL, index);
}

kw_status kw_lab_revive(kw_lab *lab, int index) {
    return act_on(lab, ACT_START, index);
}

kw_status kw_lab_promote(kw_lab *lab, int replica) {
    return control_node(lab, do_promote, replica, false);
}

kw_status kw_lab_pause(kw_lab *lab, int index, bool paused) {
    return act_on(lab, paused ? ACT_PAUSE : ACT_RESUME, index);
}

kw_status kw_lab_freeze_view(kw_lab *lab, int index, bool frozen) {
    return control_node(lab, do_freeze, index, frozen);
}

kw_status kw_lab_migrate_begin(kw_lab *lab, int slot, int target) {
    control c = {.slot = slot, .node = (uint16_t)target};
    return is_node(lab, target) ? ask(lab, do_migrate_begin, &c) : KW_ERR_INVALID;
}

kw_status kw_lab_migrate_keys(kw_lab *lab, int slot, size_t count, size_t *ret_left) {
    control c = {.slot = slot, .count = count, .ret_left = ret_left};
    return ask(lab, do_migrate_keys, &c);
}

kw_status kw_lab_migrate_end(kw_lab *lab, int slot) {
    control c = {.slot = slot};
    return ask(lab, do_migrate_end, &c);
}

kw_status kw_lab_assign(kw_lab *lab, int first, int last, int index) {
    control c = {.slot = first, .last = last, .node = index < 0 ? NODE_NOBODY : (uint16_t)index};
    return index == -1 || is_node(lab, index) ? ask(lab, do_assign, &c) : KW_ERR_INVALID;
}
