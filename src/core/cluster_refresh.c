/* When to ask for a view, and whom (ROUTING §4): IDLE -> ARMED -> RUNNING, one run at a time.
 * Commands for healthy slots never wait for it. */
#include "core/cluster_state.h"

#include "core/reply.h"

#include <stdarg.h>
#include <stdio.h>

#define FAILURE_MIN_US 500000u
#define FAILURE_MAX_US 30000000u
#define STRETCH_FACTOR 1000u
#define STRETCH_MAX_US 600000000u
#define WINDOW_NODES_MIN 100u
#define WINDOW_NODES_MAX 1000u
#define WINDOW_GROWTH 10u

void refresh_init(cluster *c) {
    refresh *f = &c->refresh;
    timer_init(&f->start, TIMER_REFRESH);
    timer_init(&f->hedge, TIMER_REFRESH);
    timer_init(&f->periodic, TIMER_REFRESH);
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        timer_init(&f->asks[i].timer, TIMER_ASK);
    }
}

void refresh_done(cluster *c) {
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        view_reader_free(c->refresh.asks[i].reader);
        view_free(c->refresh.asks[i].view);
    }
    view_forget_opinions(c);
}

void refresh_note_error(cluster *c, kw_status status, const char *format, ...) {
    kw_error *e = &c->refresh.error;
    *e = (kw_error){.status = status, .outcome = KW_NOT_SENT, .slot = SLOT_NONE};
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
}

/* ------------------------------------------------------------------ arming */

/* W: from the configured window at 100 nodes to ten times that at 1000. */
static uint64_t window_us(const cluster *c) {
    uint64_t count = 0;
    for (unsigned i = 0; i < c->node_count; i++) {
        count += c->nodes[i] && c->nodes[i]->in_map;
    }
    count = count < WINDOW_NODES_MIN   ? WINDOW_NODES_MIN
            : count > WINDOW_NODES_MAX ? WINDOW_NODES_MAX
                                       : count;
    uint64_t w = c->config.refresh_window_us;
    return w + w * (WINDOW_GROWTH - 1) * (count - WINDOW_NODES_MIN) /
                   (WINDOW_NODES_MAX - WINDOW_NODES_MIN);
}

static uint64_t later_of(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t start_time(cluster *c, refresh_trigger trigger) {
    const refresh *f = &c->refresh;
    uint64_t at_us = c->now_us;
    if (!f->ever_run || MUTANT(GAP_IGNORED)) {
        return at_us;
    }
    if (trigger == REFRESH_URGENT) {
        at_us += prng_range(&c->prng, 0, c->config.refresh_urgent_jitter_us);
        at_us = later_of(at_us, f->last_us + c->config.refresh_urgent_gap_us);
    } else {
        uint64_t w = window_us(c);
        at_us += trigger == REFRESH_NORMAL ? prng_range(&c->prng, 0, w) : 0;
        at_us = later_of(at_us, f->last_us + later_of(w, f->stretch_us));
    }
    return later_of(at_us, f->not_before_us);
}

static void arm_at(cluster *c, refresh_trigger trigger, uint64_t at_us) {
    refresh *f = &c->refresh;
    if (at_us <= c->now_us) {
        timer_start_now(c, &f->start);
    } else if (!f->armed || at_us < f->start.at_us) {
        wheel_start(&c->wheel, &f->start, at_us);
    }
    f->armed = true;
    f->trigger = trigger;
}

void refresh_arm(cluster *c, refresh_trigger trigger, const node *suspect) {
    refresh *f = &c->refresh;
    if (c->closed) {
        return;
    }
    if (suspect) {
        f->suspect = suspect->uid;
    }
    if (f->running && trigger == REFRESH_PERIODIC) {
        return; /* this run will do */
    }
    if (f->running && MUTANT(REFRESH_NOT_SINGLE)) {
        timer_start_now(c, &f->start);
        return;
    }
    if (f->running) {
        f->again_trigger = f->again && f->again_trigger > trigger ? f->again_trigger : trigger;
        f->again = true;
        return;
    }
    if (f->armed && f->trigger >= trigger) {
        return; /* drawing again would move the whole fleet to the earliest time */
    }
    arm_at(c, trigger, start_time(c, trigger));
}

void refresh_hurry(cluster *c) {
    refresh *f = &c->refresh;
    uint64_t at_us = later_of(c->now_us, f->last_us + c->config.refresh_urgent_gap_us);
    if (f->armed && !list_empty(&c->map_waiting) && f->start.at_us > at_us) {
        wheel_start(&c->wheel, &f->start, at_us);
    }
}

uint64_t cluster_refresh(cluster *c, uint64_t now_us) {
    refresh *f = &c->refresh;
    c->now_us = now_us;
    if (f->running) { /* it asked before now: another one follows it at once */
        f->again = true;
        f->again_trigger = REFRESH_URGENT;
        f->again_at_once = true;
    } else if (!c->closed) {
        arm_at(c, REFRESH_URGENT, now_us);
    }
    uint64_t run = f->run_count + 1;
    cluster_settle(c);
    return run;
}

bool cluster_refresh_is_over(const cluster *c, uint64_t run, bool *ret_accepted) {
    const refresh *f = &c->refresh;
    *ret_accepted = f->last_accepted >= run;
    return f->run_count > run || (f->run_count == run && !f->running);
}

uint64_t cluster_refresh_accepted_count(const cluster *c) {
    return c->refresh.accepted_count;
}

const kw_error *cluster_refresh_error(const cluster *c) {
    return &c->refresh.error;
}

/* ------------------------------------------------------------------ asking */

static bool was_asked(const refresh *f, uint64_t uid) {
    for (unsigned i = 0; i < f->asked_total; i++) {
        if (f->asked[i] == uid) {
            return true;
        }
    }
    return false;
}

static node *pick_node(cluster *c, bool spare_suspect) {
    const refresh *f = &c->refresh;
    node *chosen = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < c->node_count; i++) {
        node *n = c->nodes[i];
        if (n && n->in_map && node_is_healthy(n) && !was_asked(f, n->uid) &&
            !(spare_suspect && n->uid == f->spared) && prng_below(&c->prng, ++count) == 0) {
            chosen = n;
        }
    }
    return chosen;
}

static const char view_ping[] = "*1\r\n$4\r\nPING\r\n";
static const char view_slots[] = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";
static const char view_info[] = "*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n";

static const struct {
    const char *bytes;
    size_t len;
    request_kind kind;
} questions[] = {
    {view_ping, sizeof view_ping - 1, REQUEST_VIEW_PING},
    {view_slots, sizeof view_slots - 1, REQUEST_VIEW_SLOTS},
    {view_info, sizeof view_info - 1, REQUEST_VIEW_INFO},
};
#define QUESTION_COUNT (sizeof questions / sizeof *questions)

static refresh_ask *free_ask(refresh *f) {
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        if (!f->asks[i].active) {
            return &f->asks[i];
        }
    }
    return NULL;
}

static bool ask_node(cluster *c, node *n) {
    refresh *f = &c->refresh;
    refresh_ask *ask = free_ask(f);
    request *requests[QUESTION_COUNT] = {NULL};
    link *l = ask ? link_for(c, n, SLOT_NONE) : NULL;
    bool made = l != NULL;
    for (unsigned i = 0; i < QUESTION_COUNT && made; i++) {
        requests[i] =
            request_copy(c, &l->chunk, questions[i].bytes, questions[i].len, questions[i].kind);
        made = requests[i] != NULL;
    }
    if (!made) {
        for (unsigned i = 0; i < QUESTION_COUNT && requests[i]; i++) {
            request_free(c, requests[i]);
        }
        node_release(c, n);
        return false;
    }
    ask->active = true;
    ask->is_seed = f->in_seeds;
    ask->serial = ++f->serial;
    ask->node = n->uid;
    ask->requested_at = c->slots.patch_count;
    ask->ping_us = 0;
    n->holds++;
    f->asked[f->asked_total++] = n->uid;
    wheel_start(&c->wheel, &ask->timer, c->now_us + c->config.refresh_timeout_us);
    for (unsigned i = 0; i < QUESTION_COUNT; i++) {
        requests[i]->at.more->ask = ask->serial;
        link_give_first(c, l, requests[i]);
    }
    return true;
}

static unsigned active_asks(const refresh *f, bool seeds_only) {
    unsigned count = 0;
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        count += f->asks[i].active && (f->asks[i].is_seed || !seeds_only);
    }
    return count;
}

static bool ask_next_seed(cluster *c) {
    refresh *f = &c->refresh;
    while (f->seed_next < c->config.seed_count && active_asks(f, true) < REFRESH_SEEDS_MAX) {
        node *n = node_get(c, &c->seeds[f->seed_next++]);
        if (n && !was_asked(f, n->uid) && ask_node(c, n)) {
            return true;
        }
    }
    return false;
}

static bool ask_next(cluster *c) {
    refresh *f = &c->refresh;
    if (!f->in_seeds && f->asked_count < REFRESH_NODES_MAX && slotmap_loaded(&c->slots)) {
        node *n = pick_node(c, true);
        if (!n) {
            n = pick_node(c, false);
        }
        if (n) {
            f->asked_count++;
            return ask_node(c, n);
        }
    }
    if (f->in_seeds) {
        return ask_next_seed(c);
    }
    f->in_seeds = true;
    bool first = ask_next_seed(c);
    return ask_next_seed(c) || first;
}

/* ----------------------------------------------------------------- the run */

static void end_ask(cluster *c, refresh_ask *ask) {
    if (!ask->active) {
        return;
    }
    ask->active = false;
    wheel_stop(&c->wheel, &ask->timer);
    view_reader_free(ask->reader);
    ask->reader = NULL;
    view_free(ask->view);
    ask->view = NULL;
    node *n = node_by_uid(c, ask->node);
    if (n) {
        n->holds--;
        node_release(c, n);
    }
}

static void end_run(cluster *c) {
    refresh *f = &c->refresh;
    f->running = false;
    wheel_stop(&c->wheel, &f->hedge);
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        end_ask(c, &f->asks[i]);
    }
    if (c->config.refresh_interval_us > 0) {
        wheel_start(&c->wheel, &f->periodic,
                    c->now_us + prng_jitter(&c->prng, c->config.refresh_interval_us, 25));
    }
}

static bool is_hopeless(kw_status status) {
    return status == KW_ERR_AUTH || status == KW_ERR_TLS || status == KW_ERR_NOT_CLUSTER;
}

/* Waiting would not help: a password does not become right by itself. */
static void fail_map_waiting(cluster *c) {
    const kw_error *e = &c->refresh.error;
    while (!list_empty(&c->map_waiting)) {
        request *r = REQUEST_OF(c->map_waiting.next);
        request_unqueue(c, r);
        request_fail(c, r, e->status, NULL, "%s", e->message);
        if (r->has_more && r->at.more->err) {
            memcpy(r->at.more->err->node, e->node, sizeof e->node);
        }
    }
}

static void run_failed(cluster *c) {
    refresh *f = &c->refresh;
    end_run(c);
    if (f->asked_total == 0) {
        refresh_note_error(c, KW_ERR_CONNECTION, "no node could be asked");
    }
    c->counters[KW_COUNT_REFRESH_FAILED]++;
    uint64_t wait_us =
        retry_growing_us(&c->prng, FAILURE_MIN_US, FAILURE_MAX_US, 3, 2, f->failures++);
    f->not_before_us = c->now_us + wait_us;
    watch_event(c, KW_EVENT_REFRESH_FAILED, SLOT_NONE, NULL, NULL, "no view could be had: %s",
                f->error.message);
    if (is_hopeless(f->error.status) && !slotmap_loaded(&c->slots)) {
        fail_map_waiting(c);
    }
    bool at_once = f->again && f->again_at_once;
    f->again = false;
    if (at_once) {
        arm_at(c, REFRESH_URGENT, c->now_us);
    } else if (slotmap_loaded(&c->slots) || !list_empty(&c->map_waiting) || c->config.eager) {
        arm_at(c, f->trigger, f->not_before_us);
        refresh_hurry(c);
    }
}

void refresh_go_on(cluster *c) {
    refresh *f = &c->refresh;
    if (!f->running || c->fence.taking || ask_next(c) || active_asks(f, false) > 0 ||
        view_settle(c)) {
        return;
    }
    run_failed(c);
}

void refresh_accepted(cluster *c) {
    refresh *f = &c->refresh;
    end_run(c);
    f->accepted_count++;
    c->counters[KW_COUNT_REFRESH_ACCEPTED]++;
    f->failures = 0;
    f->not_before_us = 0;
    view_forget_opinions(c);
    f->last_accepted = f->run_count;
    bool again = f->again;
    f->again = false;
    if (again && f->again_at_once) {
        arm_at(c, f->again_trigger, c->now_us);
    } else if (again) {
        refresh_arm(c, f->again_trigger, NULL);
    }
}

static void start_run(cluster *c) {
    static const kw_counter counters[] = {
        [REFRESH_PERIODIC] = KW_COUNT_REFRESH_PERIODIC,
        [REFRESH_NORMAL] = KW_COUNT_REFRESH_NORMAL,
        [REFRESH_URGENT] = KW_COUNT_REFRESH_URGENT,
    };
    refresh *f = &c->refresh;
    f->armed = false;
    f->running = true;
    f->run_count++;
    f->spared = f->suspect;
    f->suspect = 0;
    f->ever_run = true;
    f->again = false;
    f->again_at_once = false;
    f->in_seeds = false;
    f->asked_count = 0;
    f->asked_total = 0;
    f->seed_next = 0;
    f->last_us = c->now_us;
    c->counters[counters[f->trigger]]++;
    watch_event(c, KW_EVENT_REFRESH_STARTED, SLOT_NONE, NULL, NULL, "a refresh begins");
    wheel_start(&c->wheel, &f->hedge, c->now_us + c->config.refresh_hedge_us);
    refresh_go_on(c);
}

void refresh_on_timer(cluster *c, wheel_timer *t) {
    refresh *f = &c->refresh;
    if (c->closed) {
        return;
    }
    if (t == &f->start) {
        start_run(c);
    } else if (t == &f->periodic) {
        refresh_arm(c, REFRESH_PERIODIC, NULL);
    } else if (f->running && !f->in_seeds) {
        wheel_start(&c->wheel, &f->hedge, c->now_us + c->config.refresh_hedge_us);
        (void)ask_next(c); /* the one under way may still answer */
    }
}

/* ----------------------------------------------------------------- answers */

static void ask_failed(cluster *c, refresh_ask *ask, kw_status status, const char *message) {
    refresh_note_error(c, status, "%s", message);
    char text[ENDPOINT_TEXT_BYTES];
    kw_error *e = &c->refresh.error;
    const node *n = node_by_uid(c, ask->node);
    (void)slice_copy(e->node, sizeof e->node, slice_text(n ? node_text(n, text) : ""));
    end_ask(c, ask);
    refresh_go_on(c);
}

void refresh_on_ask_timer(cluster *c, refresh_ask *ask) {
    char text[ENDPOINT_TEXT_BYTES];
    char message[KW_ERROR_MESSAGE_SIZE];
    const node *n = node_by_uid(c, ask->node);
    snprintf(message, sizeof message, "%s gave no slot map within %llu ms",
             n ? node_text(n, text) : "a node",
             (unsigned long long)(c->config.refresh_timeout_us / 1000));
    ask_failed(c, ask, KW_ERR_TIMEOUT, message);
}

static refresh_ask *ask_of(refresh *f, uint32_t serial) {
    for (unsigned i = 0; i < REFRESH_ASKS_MAX; i++) {
        if (f->asks[i].active && f->asks[i].serial == serial) {
            return &f->asks[i];
        }
    }
    return NULL;
}

static view_reader *reader_of(cluster *c, refresh_ask *ask, const node *n) {
    if (!ask->reader) {
        ask->reader = view_reader_new(c->mem, &n->endpoint);
    }
    return ask->reader;
}

void refresh_on_part(cluster *c, const request *r, kw_slice part) {
    refresh_ask *ask = c->closed ? NULL : ask_of(&c->refresh, r->at.more->ask);
    const node *n = ask ? node_by_uid(c, ask->node) : NULL;
    view_reader *reader = n ? reader_of(c, ask, n) : NULL;
    if (reader) { /* else the whole reply will be refused */
        view_read_rows(reader, part.data, part.len);
    }
}

static void read_slots(cluster *c, refresh_ask *ask, const node *n, const link_frame *frame) {
    char text[ENDPOINT_TEXT_BYTES];
    char message[KW_ERROR_MESSAGE_SIZE];
    const char *why = "out of memory";
    view_reader *reader = reader_of(c, ask, n);
    kw_status status =
        reader ? view_read_end(reader, frame->data, frame->len, &ask->view, &why) : KW_ERR_NOMEM;
    view_reader_free(reader);
    ask->reader = NULL;
    if (status == KW_OK) {
        return;
    }
    if (status == KW_ERR_PROTOCOL) {
        c->counters[KW_COUNT_REFUSED_MALFORMED]++;
    }
    snprintf(message, sizeof message, "%s gave no slot map: %s", node_text(n, text), why);
    watch_event(c, KW_EVENT_REFRESH_REFUSED, SLOT_NONE, n, NULL, "%s", message);
    ask_failed(c, ask, status, message);
}

static void read_info(cluster *c, view *v, const link_frame *frame) {
    kw_reply *reply = reply_build(c->mem, frame->data, frame->len, frame->node_count);
    if (reply) {
        view_read_info(v, reply);
    }
    reply_free(reply);
}

/* A slow fetch is a cost to the cluster: the next ones wait in proportion. */
static void note_cost(refresh *f, uint64_t fetch_us, uint64_t ping_us) {
    uint64_t cost_us = fetch_us > ping_us ? fetch_us - ping_us : 0;
    f->stretch_us =
        cost_us < STRETCH_MAX_US / STRETCH_FACTOR ? cost_us * STRETCH_FACTOR : STRETCH_MAX_US;
}

void refresh_on_answer(cluster *c, request *r, const link_frame *frame, kw_status status,
                       const char *message) {
    refresh *f = &c->refresh;
    refresh_ask *ask = c->closed ? NULL : ask_of(f, r->at.more->ask);
    node *n = ask ? node_by_uid(c, ask->node) : NULL;
    if (!n) {
        return; /* too late to matter */
    }
    if (!frame) {
        ask_failed(c, ask, status, message);
        return;
    }
    if (r->kind == REQUEST_VIEW_PING) {
        ask->ping_us = c->now_us - r->at.more->sent_us;
        return;
    }
    if (r->kind == REQUEST_VIEW_SLOTS) {
        read_slots(c, ask, n, frame);
    } else if (ask->view) {
        view *v = ask->view;
        ask->view = NULL;
        read_info(c, v, frame);
        note_cost(f, c->now_us - r->at.more->sent_us, ask->ping_us);
        uint32_t requested_at = ask->requested_at;
        n->holds++; /* the judge still needs it */
        end_ask(c, ask);
        view_judge(c, n, requested_at, v);
        n->holds--;
        node_release(c, n);
    }
}
