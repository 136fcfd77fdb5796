#include "tool/bench_load.h"

#include "base/mem.h"
#include "tool/traffic.h"

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    READY_MAX = 64,
    SCAN_US = 5 * 1000, /* handles' timers; a thread never sleeps longer */
    PUBLISH_US = 20 * 1000,
    COUNT_US = 250 * 1000,
    OWNERS_US = 20 * 1000,
    CONNECTING_MAX = 128, /* connections being made at once */
    QUOTA_MAX = 256,
    TIMEOUT_MS = 5000 /* the library's own */
};

struct bench_op {
    bench_client *client;
    bench_op *next; /* among the unused */
    uint64_t due_us;
    uint64_t sent_us;
    int16_t slot;
    uint8_t command;
    uint8_t phase;
    bool is_extra; /* no part of the load: not counted */
    bench_check check;
};

static void *make(size_t count, size_t size) {
    void *made = mem_calloc(&mem_default, count, size);
    if (!made) {
        give_up("out of memory");
    }
    return made;
}

static bool has_rate(const bench_load *l) {
    return l->plan->rate > 0 && l->run->stage == BENCH_MEASURE;
}

/* ------------------------------------------- operations that are not in use */

static void give_back(bench_load *l, bench_op *op) {
    op->next = NULL;
    *l->unused_end = op;
    l->unused_end = &op->next;
}

static bench_op *take_unused(bench_load *l) {
    bench_op *op = l->unused;
    if (op) {
        l->unused = op->next;
        if (!l->unused) {
            l->unused_end = &l->unused;
        }
    }
    return op;
}

/* --------------------------------------------------------- what may be sent */

/* One more command of the load, due at this time; false: it is over. */
static bool take_quota(bench_load *l, uint64_t at_us, uint64_t now_us) {
    bench_run *r = l->run;
    if (l->is_over) {
        return false;
    }
    if (now_us >= r->end_us || at_us >= r->end_us ||
        atomic_load_explicit(&r->stop, memory_order_relaxed)) {
        l->is_over = true;
        return false;
    }
    if (l->plan->ops == 0 || at_us < r->measure_us) {
        return true;
    }
    if (l->quota == 0) {
        uint64_t share = l->plan->ops / (64 * l->plan->threads) + 1;
        share = share < QUOTA_MAX ? share : QUOTA_MAX;
        uint64_t left = atomic_load(&r->ops_left);
        do {
            l->quota = left < share ? left : share;
        } while (!atomic_compare_exchange_weak(&r->ops_left, &left, left - l->quota));
    }
    if (l->quota == 0) {
        l->is_over = true;
        return false;
    }
    l->quota--;
    return true;
}

static void return_quota(bench_load *l, uint64_t at_us) {
    l->quota += l->plan->ops > 0 && at_us >= l->run->measure_us;
}

/* ------------------------------------------------------------------ replies */

static void submit_next(bench_op *op, uint64_t now_us);

static void count_error(bench_tally *t, const char *text) {
    bench_tally_error(t, text, strcspn(text, " "), 1);
}

static void count_failure(bench_tally *t, const kw_error *err) {
    char name[BENCH_ERROR_BYTES];
    int len = snprintf(name, sizeof name, "%s, %s", kw_status_name(err->status),
                       kw_outcome_name(err->outcome));
    t->ambiguous += err->outcome == KW_MAYBE_EXECUTED;
    bench_tally_error(t, name, (size_t)len, 1);
}

static void count_end(bench_load *l, const bench_op *op, const kw_reply *reply, const kw_error *err,
                      uint64_t now_us) {
    bench_tally *t = l->now[op->phase];
    bench_tally_add(t,
                    &(bench_end){.command = op->command,
                                 .node = op->slot >= 0 ? l->owners.node[op->slot] : BENCH_NODE_NONE,
                                 .response_us = now_us - op->due_us,
                                 .service_us = now_us - op->sent_us,
                                 .has_service = has_rate(l)});
    if (!reply) {
        count_failure(t, err);
    } else if (kw_reply_is_error(reply)) {
        count_error(t, kw_reply_string(reply, NULL));
    } else if (kw_reply_is_null(reply) && l->plan->templates[op->command].reads_only_a_key) {
        t->misses++;
    }
    if (op->phase == BENCH_COUNTED) {
        l->last_us = now_us;
    }
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    bench_op *op = arg;
    bench_load *l = op->client->load;
    uint64_t now_us = clock_us();
    l->open--;
    op->client->open--;
    if (op->check.kind != CHECK_NONE) {
        bench_verify_end(l->verify, &op->check, reply, err, now_us);
    }
    if (!op->is_extra && (reply || err->status != KW_ERR_CLOSED)) {
        count_end(l, op, reply, err, now_us);
    }
    submit_next(op, now_us);
}

/* ----------------------------------------------------------------- commands */

static kw_slice key_text(bench_load *l, uint64_t number) {
    bench_key_number(l->key, l->prefix_len, number);
    return slice_of(l->key, l->prefix_len + BENCH_DIGITS);
}

static kw_slice any_value(bench_load *l) {
    const bench_plan *p = l->plan;
    uint64_t dice = prng_next(&l->random);
    size_t len = (size_t)p->size_low;
    if (p->size_high > p->size_low) {
        len = (size_t)prng_range(&l->random, p->size_low, p->size_high);
    }
    return slice_of(l->run->values + dice % (l->run->values_len - len + 1), len);
}

static uint8_t draw_command(bench_load *l) {
    uint8_t command = 0;
    if (l->plan->template_count > 1) {
        uint64_t dice = prng_below(&l->random, l->weight_sum);
        while (dice >= l->plan->templates[command].weight) {
            dice -= l->plan->templates[command++].weight;
        }
    }
    return command;
}

/* The keys of a client's next flight. */
static void fill_flight(bench_load *l, bench_client *c) {
    for (;;) {
        uint64_t key = bench_keys_draw(&l->keys, &l->random);
        kw_slice text = key_text(l, key);
        int node = l->owners.node[kw_key_slot(text.data, text.len)];
        if (bench_flights_add(&l->flights, node, key, c->flight)) {
            c->flight_left = l->flights.size;
            return;
        }
    }
}

static uint64_t next_key(bench_load *l, bench_client *c) {
    if (!c->flight) {
        return bench_keys_draw(&l->keys, &l->random);
    }
    if (c->flight_left == 0) {
        fill_flight(l, c);
    }
    return c->flight[--c->flight_left];
}

static bool submit(bench_op *op, const kw_slice *argv, size_t argc, const kw_call_options *how,
                   uint64_t now_us) {
    bench_client *c = op->client;
    bench_load *l = c->load;
    kw_error err = {.slot = -1};
    op->sent_us = now_us;
    kw_status status = kw_submit(c->handle, argv, argc, how, on_reply, op, &err);
    if (status == KW_OK) {
        l->open++;
        c->open++;
        if (!c->is_touched) {
            c->is_touched = true;
            l->touched[l->touched_count++] = c;
        }
        return true;
    }
    if (status != KW_ERR_LIMIT && status != KW_ERR_CLOSED) {
        bench_run_trouble(l->run, &err);
        l->is_over = true;
    }
    return false;
}

static bool submit_template(bench_op *op, const bench_template *t, uint64_t key, uint64_t now_us) {
    bench_load *l = op->client->load;
    bench_values values = {.key = key_text(l, key), .value = any_value(l)};
    values.number = prng_below(&l->random, l->plan->keys);
    size_t argc = bench_template_fill(t, &values, &l->scratch);
    op->slot = BENCH_NODE_NONE;
    if (t->key_argument >= 0) {
        kw_slice name = l->scratch.argv[t->key_argument];
        op->slot = (int16_t)kw_key_slot(name.data, name.len);
    }
    return submit(op, l->scratch.argv, argc, t->blocks_for_ever ? l->bounded : NULL, now_us);
}

static bool submit_fill(bench_op *op, uint64_t now_us) {
    bench_load *l = op->client->load;
    if (l->fill_next >= l->plan->keys || atomic_load(&l->run->stop)) {
        return false;
    }
    op->command = 0;
    if (!submit_template(op, &l->run->fill_template, l->fill_next, now_us)) {
        return false;
    }
    l->fill_next += l->plan->threads;
    return true;
}

static bool submit_checked(bench_op *op, uint64_t now_us) {
    bench_load *l = op->client->load;
    kw_slice argv[BENCH_CHECK_ARGUMENTS];
    bool write = op->command == 1;
    if (!bench_verify_next(l->verify, &l->random, write, op->client->number, now_us, &op->check)) {
        return false;
    }
    size_t argc = bench_verify_command(l->verify, &op->check, argv);
    op->slot = (int16_t)kw_key_slot(argv[1].data, argv[1].len);
    if (!submit(op, argv, argc, NULL, now_us)) {
        bench_verify_withdraw(l->verify, &op->check);
        return false;
    }
    return true;
}

/* What --verify has to do beside the load: reading back, and removing what was read. */
static bool submit_extra(bench_op *op, uint64_t now_us) {
    bench_load *l = op->client->load;
    kw_slice argv[BENCH_CHECK_ARGUMENTS];
    if (!l->verify || l->is_closing || !bench_verify_extra(l->verify, &op->check)) {
        return false;
    }
    op->is_extra = true;
    size_t argc = bench_verify_command(l->verify, &op->check, argv);
    if (!submit(op, argv, argc, NULL, now_us)) {
        bench_verify_withdraw(l->verify, &op->check);
        return false;
    }
    return true;
}

/* One command of the load that is due at that time; false: not now. */
static bool submit_load(bench_op *op, uint64_t due_us, uint64_t now_us) {
    bench_load *l = op->client->load;
    if (!take_quota(l, due_us, now_us)) {
        return false;
    }
    op->due_us = due_us;
    op->phase = due_us >= l->run->measure_us ? BENCH_COUNTED : BENCH_WARMUP;
    op->command = draw_command(l);
    bool done = l->verify ? submit_checked(op, now_us)
                          : submit_template(op, &l->plan->templates[op->command],
                                            next_key(l, op->client), now_us);
    if (!done) {
        return_quota(l, due_us);
    }
    return done;
}

static void set_due(bench_load *l) {
    double interval_us = 1e6 * (double)l->plan->threads / (double)l->plan->rate;
    double shift = (double)l->number / (double)l->plan->threads;
    l->due_us = l->run->begin_us + (uint64_t)(((double)l->due_count + shift) * interval_us);
}

static bool submit_due(bench_op *op, uint64_t now_us) {
    bench_load *l = op->client->load;
    if (l->due_us > now_us || !submit_load(op, l->due_us, now_us)) {
        return false;
    }
    l->due_count++;
    set_due(l);
    return true;
}

/* The next command of the stage, for an operation that has nothing to do. */
static bool submit_something(bench_op *op, uint64_t now_us) {
    const bench_load *l = op->client->load;
    op->check.kind = CHECK_NONE;
    op->is_extra = false;
    if (l->is_closing || l->run->stage == BENCH_CONNECT) {
        return false;
    }
    if (l->run->stage == BENCH_FILL) {
        op->due_us = now_us;
        op->phase = BENCH_WARMUP;
        return submit_fill(op, now_us);
    }
    if (submit_extra(op, now_us)) {
        return true;
    }
    return has_rate(l) ? submit_due(op, now_us) : submit_load(op, now_us, now_us);
}

/* -------------------------------------------------------- what goes on when */

static bool has_flights(const bench_load *l) {
    return l->flights.size > 0 && l->run->stage == BENCH_MEASURE;
}

/* All that a client may have in flight, to one node. */
static void launch(bench_client *c, uint64_t now_us) {
    for (uint32_t i = c->open; i < c->load->flights.size; i++) {
        if (!submit_something(&c->ops[i], now_us)) {
            break;
        }
    }
}

static void submit_next(bench_op *op, uint64_t now_us) {
    bench_client *c = op->client;
    if (has_flights(c->load)) {
        if (c->open == 0) {
            launch(c, now_us);
        }
    } else if (!submit_something(op, now_us)) {
        give_back(c->load, op);
    }
}

/* Gives work to those that have none. */
static void top_up(bench_load *l, uint64_t now_us) {
    if (has_flights(l)) {
        for (uint32_t i = 0; i < l->client_count; i++) {
            if (l->clients[i].open == 0) {
                launch(&l->clients[i], now_us);
            }
        }
        return;
    }
    for (bench_op *op = take_unused(l); op; op = take_unused(l)) {
        if (!submit_something(op, now_us)) {
            op->next = l->unused;
            l->unused_end = l->unused ? l->unused_end : &op->next;
            l->unused = op;
            break;
        }
    }
}

/* ---------------------------------------------------------- the first stage */

static void on_connected(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    (void)reply; /* whatever it is: the load will tell */
    (void)err;
    bench_client *c = arg;
    c->open--;
    c->load->open--;
}

/* A handle connects to a node with the first command for it: a PING, sent where a slot is. */
static void connect_client(bench_load *l, bench_client *c) {
    const kw_slice ping = SLICE_LITERAL("PING");
    kw_call_options *options = NULL;
    if (kw_call_options_new(&options) != KW_OK) {
        give_up("out of memory");
    }
    for (int i = 0; i < l->run->primary_count; i++) {
        kw_call_options_set_slot(options, l->run->node_slot[i]);
        if (kw_submit(c->handle, &ping, 1, options, on_connected, c, NULL) == KW_OK) {
            c->open++;
            l->open++;
        }
    }
    kw_call_options_free(options);
    c->is_touched = true;
    l->touched[l->touched_count++] = c;
}

static void connect_some(bench_load *l) {
    while (l->connecting < l->client_count && l->open < CONNECTING_MAX &&
           !atomic_load(&l->run->stop)) {
        connect_client(l, &l->clients[l->connecting++]);
    }
}

/* ----------------------------------------------------------------- counting */

static void count_handles(bench_load *l, bench_counters *sum) {
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < l->client_count; i++) {
        bench_counters_add_client(sum, &l->run->nodes, l->clients[i].handle);
    }
}

static void publish(bench_load *l) {
    pthread_mutex_lock(&l->lock);
    for (int phase = 0; phase < BENCH_PHASES; phase++) {
        bench_tally_merge(l->shared[phase], l->now[phase]);
        bench_tally_clear(l->now[phase]);
    }
    pthread_mutex_unlock(&l->lock);
}

static void publish_counters(bench_load *l) {
    bench_counters sum;
    count_handles(l, &sum);
    bench_counters_subtract(&sum, &l->base);
    pthread_mutex_lock(&l->lock);
    l->counters = sum;
    pthread_mutex_unlock(&l->lock);
}

static void hand_over(bench_load *l, uint64_t now_us) {
    if (!l->is_measuring && l->run->stage == BENCH_MEASURE && now_us >= l->run->measure_us) {
        l->is_measuring = true;
        count_handles(l, &l->base);
    }
    if (now_us >= l->publish_us) {
        publish(l);
        l->publish_us = now_us + PUBLISH_US;
    }
    if (now_us >= l->count_us) {
        publish_counters(l);
        l->count_us = now_us + COUNT_US + (uint64_t)l->client_count * 1000;
    }
}

/* ------------------------------------------------------------- who has what */

/* Refused connections are a death; a lost one alone is not. */
static void note_failure(bench_load *l, const kw_event *event) {
    int node = bench_nodes_find(&l->run->nodes, kw_event_node(event));
    if (node >= 0) {
        bool is_dead = strstr(kw_event_text(event), " is down") != NULL;
        bench_owners_fail(&l->owners, node, is_dead, clock_us());
    }
}

static void on_event(kw_client *client, const kw_event *event, void *arg) {
    bench_load *l = arg;
    switch (kw_event_get_type(event)) {
    case KW_EVENT_NODE_DOWN:
        note_failure(l, event);
        break;
    case KW_EVENT_MAP_CHANGED:
    case KW_EVENT_REDIRECTED:
        l->owners_old = true;
        l->owners_from = client;
        break;
    default:
        break;
    }
}

static void read_owners(bench_load *l, uint64_t now_us) {
    kw_map *map = NULL;
    if (kw_map_new(l->owners_from, &map) != KW_OK) {
        give_up("out of memory");
    }
    bench_owners_read(&l->owners, &l->run->nodes, map, now_us);
    kw_map_free(map);
    l->owners_old = false;
    l->owners_us = now_us;
}

/* -------------------------------------------------------------------- turns */

static void process(bench_client *c) {
    c->is_touched = true; /* what its callbacks submit is written before this returns */
    if (kw_process(c->handle) == KW_ERR_NOMEM) {
        give_up("out of memory");
    }
    c->is_touched = false;
}

static void process_touched(bench_load *l) {
    for (uint32_t i = 0; i < l->touched_count; i++) {
        if (l->touched[i]->is_touched) {
            process(l->touched[i]);
        }
    }
    l->touched_count = 0;
}

/* Handles whose time has come though no byte did. */
static void scan_timers(bench_load *l, uint64_t now_us) {
    for (uint32_t i = 0; i < l->client_count; i++) {
        if (kw_timeout_ms(l->clients[i].handle) == 0) {
            process(&l->clients[i]);
        }
    }
    l->scan_us = now_us + SCAN_US;
}

/* epoll_wait knows milliseconds only, and a command is due to the microsecond. */
static void wait_until(bench_load *l, uint64_t until_us) {
    struct pollfd any = {.fd = l->epoll, .events = POLLIN};
    uint64_t now_us = clock_us();
    if (until_us > now_us) {
        struct timespec span = {.tv_nsec = (long)(until_us - now_us) * 1000};
        (void)ppoll(&any, 1, &span, NULL); /* whatever woke it, the next turn sees */
    }
}

static size_t wait_ready(bench_load *l, struct epoll_event ready[READY_MAX]) {
    bool is_due_next = has_rate(l) && !l->is_over && l->unused && l->due_us < clock_us() + SCAN_US;
    int count = epoll_wait(l->epoll, ready, READY_MAX, is_due_next ? 0 : SCAN_US / 1000);
    if (count == 0 && is_due_next) {
        wait_until(l, l->due_us);
        count = epoll_wait(l->epoll, ready, READY_MAX, 0);
    }
    return count > 0 ? (size_t)count : 0;
}

static void turn(bench_load *l) {
    struct epoll_event ready[READY_MAX];
    size_t count = wait_ready(l, ready);
    for (size_t i = 0; i < count; i++) {
        process(ready[i].data.ptr);
    }
    uint64_t now_us = clock_us();
    if (now_us >= l->scan_us) {
        scan_timers(l, now_us);
        hand_over(l, now_us);
    }
    if (l->owners_old && now_us >= l->owners_us + OWNERS_US) {
        read_owners(l, now_us);
    }
}

static bool is_at_work(const bench_load *l) {
    switch (l->run->stage) {
    case BENCH_CONNECT:
        return l->connecting < l->client_count;
    case BENCH_FILL:
        return l->fill_next < l->plan->keys;
    default:
        return !l->is_over || (l->verify && !bench_verify_is_done(l->verify));
    }
}

static bool must_stop(const bench_load *l) {
    return atomic_load(&l->run->abandon) ||
           (atomic_load(&l->run->stop) && l->run->stage != BENCH_MEASURE);
}

/* What was due before the time was over, and found nobody to send it. */
static void count_unsent(bench_load *l, uint64_t now_us) {
    uint64_t end_us = now_us < l->run->end_us ? now_us : l->run->end_us;
    while (has_rate(l) && l->plan->ops == 0 && l->due_us < end_us) {
        l->now[BENCH_COUNTED]->unsent += l->due_us >= l->run->measure_us;
        l->due_count++;
        set_due(l);
    }
}

static void begin(bench_load *l) {
    uint64_t now_us = clock_us();
    l->unused = NULL;
    l->unused_end = &l->unused;
    for (uint64_t i = 0; i < l->depth_max; i++) {
        for (uint32_t c = 0; c < l->client_count; c++) {
            if (i < l->clients[c].depth) {
                give_back(l, &l->clients[c].ops[i]);
            }
        }
    }
    l->is_over = false;
    l->fill_next = l->number;
    l->due_count = 0;
    l->scan_us = now_us + SCAN_US;
    l->publish_us = now_us;
    l->count_us = now_us;
    if (has_rate(l)) {
        set_due(l);
    }
    hand_over(l, now_us);
}

void *bench_load_run(void *load) {
    bench_load *l = load;
    prctl(PR_SET_TIMERSLACK, 1000UL); /* as exact as the system can wake up */
    begin(l);
    while (!must_stop(l) && (is_at_work(l) || l->open > 0)) {
        uint64_t now_us = clock_us();
        if (l->run->stage == BENCH_CONNECT) {
            connect_some(l);
        } else {
            top_up(l, now_us);
        }
        if (l->verify && l->is_over) {
            bench_verify_finish(l->verify);
        }
        process_touched(l);
        turn(l);
    }
    if (l->run->stage == BENCH_MEASURE) {
        count_unsent(l, clock_us());
        publish_counters(l);
    }
    publish(l);
    uint64_t one = 1;
    atomic_fetch_sub(&l->run->running, 1);
    ssize_t written = write(l->run->done_fd, &one, sizeof one); /* cannot be full */
    (void)written;
    return NULL;
}

/* ------------------------------------------------------------ begin and end */

bench_load *bench_load_new(bench_run *run, uint32_t number) {
    const bench_plan *p = run->plan;
    bench_load *l = make(1, sizeof *l);
    uint64_t most = p->handles / p->threads + 1;
    l->run = run;
    l->plan = p;
    l->number = number;
    l->clients = make(most, sizeof *l->clients);
    l->touched = make(2 * most, sizeof(bench_client *));
    prng_init(&l->random, p->seed * 1000003 + number);
    bench_keys_init(&l->keys, p->keys, p->zipf);
    for (int i = 0; i < p->template_count; i++) {
        l->weight_sum += p->templates[i].weight;
    }
    l->prefix_len = slice_copy(l->key, sizeof l->key, slice_text(p->prefix));
    l->owners = run->owners;
    bench_flights_init(&l->flights, bench_plan_has_flights(p) ? (uint32_t)p->pipeline : 0);
    for (int phase = 0; phase < BENCH_PHASES; phase++) {
        l->now[phase] = bench_tally_new();
        l->shared[phase] = bench_tally_new();
    }
    l->verify = p->verify ? bench_verify_new(p, &l->owners, number, run->run_id) : NULL;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0 || pthread_mutex_init(&l->lock, NULL) != 0 ||
        kw_call_options_new(&l->bounded) != KW_OK) {
        give_up("out of descriptors or memory");
    }
    kw_call_options_set_timeout_ms(l->bounded,
                                   p->timeout_ms > 0 ? (uint32_t)p->timeout_ms : TIMEOUT_MS);
    return l;
}

bool bench_load_add_client(bench_load *l, const char *url, const kw_options *options,
                           uint64_t depth, kw_error *err) {
    bench_client *c = &l->clients[l->client_count];
    if (kw_open(url, options, &c->handle, err) != KW_OK) {
        return false;
    }
    c->load = l;
    c->number = l->client_count++;
    c->depth = depth;
    l->depth_max = depth > l->depth_max ? depth : l->depth_max;
    c->ops = make(depth, sizeof *c->ops);
    for (uint64_t i = 0; i < depth; i++) {
        c->ops[i].client = c;
    }
    if (l->flights.size > 0) {
        c->flight = make(depth, sizeof *c->flight);
    }
    kw_on_event(c->handle, on_event, l);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, kw_fd(c->handle), &event) != 0) {
        give_up("cannot watch a handle");
    }
    return true;
}

void bench_load_free(bench_load *l) {
    if (!l) {
        return;
    }
    l->is_closing = true; /* callbacks of what is still in flight submit nothing */
    for (uint32_t i = 0; i < l->client_count; i++) {
        kw_on_event(l->clients[i].handle, NULL, NULL);
        kw_close(l->clients[i].handle);
        mem_free(&mem_default, l->clients[i].ops);
        mem_free(&mem_default, l->clients[i].flight);
    }
    for (int phase = 0; phase < BENCH_PHASES; phase++) {
        bench_tally_free(l->now[phase]);
        bench_tally_free(l->shared[phase]);
    }
    bench_verify_free(l->verify);
    bench_flights_done(&l->flights);
    bench_scratch_done(&l->scratch);
    kw_call_options_free(l->bounded);
    close(l->epoll);
    pthread_mutex_destroy(&l->lock);
    mem_free(&mem_default, l->touched);
    mem_free(&mem_default, l->clients);
    mem_free(&mem_default, l);
}
