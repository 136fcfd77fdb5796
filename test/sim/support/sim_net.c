#include "sim/support/sim.h"

#include <stdlib.h>

#define OUT_MAX ((size_t)1 << 20)

/* ---------------------------------------------------------------------- pipes */

static uint64_t delay_us(sim_client *k, const sim_link *l) {
    uint64_t most_us = k->s->latency_us;
    if (l && l->slow_until_us > k->s->now_us) {
        most_us = 100 * SIM_MS;
    }
    return 20 + prng_below(&k->s->prng, most_us);
}

static void pipe_send(sim_client *k, sim_pipe *p, const sim_link *l, const char *data, size_t len) {
    while (len > 0) {
        size_t piece = sim_chance(k->s, 25) ? 1 + (size_t)prng_below(&k->s->prng, len) : len;
        sim_segment *g = malloc(sizeof *g + piece);
        *g = (sim_segment){.at_us = k->s->now_us + delay_us(k, l), .len = piece};
        if (p->last && p->last->at_us > g->at_us) {
            g->at_us = p->last->at_us;
        }
        memcpy(g->data, data, piece);
        if (p->last) {
            p->last->next = g;
        } else {
            p->first = g;
        }
        p->last = g;
        data += piece;
        len -= piece;
    }
}

static sim_segment *pipe_take(sim_pipe *p) {
    sim_segment *g = p->first;
    p->first = g->next;
    if (!p->first) {
        p->last = NULL;
    }
    return g;
}

static void pipe_clear(sim_pipe *p) {
    while (p->first) {
        free(pipe_take(p));
    }
}

/* -------------------------------------------------------------------- servers */

static void server_close(sim_server *v) {
    if (v->session) {
        node_session_free(v->node, v->session);
    }
    buffer_done(&v->in);
    pipe_clear(&v->up);
    *v = (sim_server){.node = NULL};
}

static void server_open(sim_client *k, sim_server *v, uint16_t index) {
    v->index = index;
    v->node = fleet_node(k->s->fleet, index);
    v->session = node_session_new(v->node, "127.0.0.1:1", k->s->now_us);
    assert_non_null(v->session);
    v->session->owner = v;
    buffer_init(&v->in, &mem_default, 0);
}

/* Runs what has arrived; false: the node closes the connection. */
static bool server_step(sim_client *k, sim_server *v) {
    if (fleet_is_paused(k->s->fleet, v->index)) {
        return true;
    }
    bool any = v->woken;
    v->woken = false;
    while (v->up.first && v->up.first->at_us <= k->s->now_us) {
        sim_segment *g = pipe_take(&v->up);
        assert_true(buffer_append(&v->in, g->data, g->len));
        free(g);
        any = true;
    }
    if (any) {
        node_receive(v->node, v->session, &v->in, k->s->now_us, OUT_MAX);
    }
    return !(v->session->flags & (SESSION_CLOSING | SESSION_FAILED));
}

/* The client has closed: what it had sent may still arrive, and the node hears of the end after it.
 */
static void server_leave(sim_client *k, sim_server *v) {
    if (!v->node) {
        return;
    }
    v->session->owner = NULL; /* what it says now, nobody hears */
    v->close_at_us = k->s->now_us + delay_us(k, NULL);
    k->ghosts = realloc(k->ghosts, (k->ghost_count + 1) * sizeof *k->ghosts);
    k->ghosts[k->ghost_count++] = *v;
    *v = (sim_server){.node = NULL};
}

static void ghosts_step(sim_client *k) {
    for (size_t i = 0; i < k->ghost_count;) {
        sim_server *v = &k->ghosts[i];
        bool goes_on = server_step(k, v);
        buffer_clear(&v->session->out, 0);
        bool hears = !fleet_is_paused(k->s->fleet, v->index);
        if (goes_on && (v->up.first || !hears || v->close_at_us > k->s->now_us)) {
            i++;
            continue;
        }
        server_close(v);
        k->ghosts[i] = k->ghosts[--k->ghost_count];
    }
}

/* ---------------------------------------------------------------------- links */

static void link_close(sim_client *k, sim_link *l) {
    server_leave(k, &l->server);
    pipe_clear(&l->down);
    *l = (sim_link){.state = SIM_CLOSED,
                    .answer_at_us = SIM_NEVER,
                    .reset_at_us = SIM_NEVER,
                    .write_at_us = SIM_NEVER};
}

static void on_open(sim_client *k, const cluster_effect *e) {
    assert_true(e->link < SIM_LINKS);
    sim_link *l = &k->links[e->link];
    if (l->state != SIM_CLOSED) {
        sim_fail(k->s, "link %u is opened though it is in use", e->link);
    }
    link_close(k, l);
    k->link_top = e->link >= k->link_top ? e->link + 1 : k->link_top;
    l->state = SIM_CONNECTING;
    l->node = sim_node_at_port(e->address.port);
    assert_true(l->node < k->s->node_count);
    l->answer_at_us = k->s->now_us + delay_us(k, NULL);
    if (k->s->troubles & 1u << TROUBLE_HANG && sim_chance(k->s, 3)) {
        l->answer_at_us = SIM_NEVER;
    }
}

static void on_resolve(sim_client *k, const cluster_effect *e) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (!k->resolves[i].active) {
            k->resolves[i] = (sim_resolve){
                .id = e->id, .at_us = k->s->now_us + delay_us(k, NULL), .name = e->name};
            k->resolves[i].active = true;
            return;
        }
    }
    sim_fail(k->s, "more than %d names are being resolved", SIM_RESOLVES);
}

static void on_cancel(sim_client *k, uint64_t id) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (k->resolves[i].id == id) {
            k->resolves[i].active = false;
        }
    }
}

void net_effects(sim_client *k) {
    cluster_effect e;
    while (cluster_next_effect(k->c, &e)) {
        switch (e.kind) {
        case EFFECT_OPEN:
            on_open(k, &e);
            break;
        case EFFECT_CLOSE:
            link_close(k, &k->links[e.link]);
            break;
        case EFFECT_WRITE:
            k->links[e.link].write_at_us = k->s->now_us;
            break;
        case EFFECT_RESOLVE:
            on_resolve(k, &e);
            break;
        case EFFECT_CANCEL:
            on_cancel(k, e.id);
            break;
        }
    }
}

static void answer_resolve(sim_client *k, sim_resolve *r) {
    net_address a = {.family = NET_IPV4, .port = r->name.port, .ip = {127, 0, 0, 1}};
    bool fails =
        k->s->now_us < k->s->names_fail_until_us || (k->s->troubles != 0 && sim_chance(k->s, 5));
    r->active = false;
    cluster_resolved(k->c, r->id, &a, fails ? 0 : 1, fails ? KW_ERR_RESOLVE : KW_OK,
                     fails ? "no answer" : "", k->s->now_us);
    net_effects(k);
}

static void answer_connect(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    l->answer_at_us = SIM_NEVER;
    if (!fleet_node(k->s->fleet, l->node)) {
        link_close(k, l);
        cluster_link_lost(k->c, index, KW_ERR_CONNECTION, "Connection refused", k->s->now_us);
    } else {
        l->state = SIM_OPEN;
        server_open(k, &l->server, l->node);
        cluster_link_connected(k->c, index, k->s->now_us);
    }
    net_effects(k);
}

static void take_output(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    kw_slice slices[4];
    l->write_at_us = SIM_NEVER;
    size_t count = cluster_link_output(k->c, index, slices, 1 + (size_t)prng_below(&k->s->prng, 4));
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = slices[i].len;
        bool stops = sim_chance(k->s, 10);
        len = stops ? 1 + (size_t)prng_below(&k->s->prng, len) : len;
        if (l->server.node && !l->hung) {
            pipe_send(k, &l->server.up, l, slices[i].data, len);
        }
        taken += len;
        if (stops) {
            break;
        }
    }
    if (count > 0) {
        cluster_link_written(k->c, index, taken, k->s->now_us);
        l->write_at_us = k->s->now_us + (sim_chance(k->s, 90) ? 0 : delay_us(k, l));
    }
    net_effects(k);
}

static void give_input(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    sim_segment *g = pipe_take(&l->down);
    size_t done = 0;
    while (done < g->len) {
        size_t room = 0;
        char *at = cluster_link_input(k->c, index, &room);
        if (!at) {
            break;
        }
        size_t len = g->len - done < room ? g->len - done : room;
        memcpy(at, g->data + done, len);
        cluster_link_received(k->c, index, len, k->s->now_us);
        done += len;
    }
    free(g);
    net_effects(k);
}

static void lose(sim_client *k, uint32_t index) {
    link_close(k, &k->links[index]);
    cluster_link_lost(k->c, index, KW_ERR_CONNECTION, "Connection reset by peer", k->s->now_us);
    net_effects(k);
}

static void serve(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    sim_server *v = &l->server;
    bool goes_on = server_step(k, v);
    if (buffer_len(&v->session->out) > 0) {
        kw_slice out = buffer_slice(&v->session->out);
        if (!l->hung) {
            pipe_send(k, &l->down, l, out.data, out.len);
        }
        buffer_clear(&v->session->out, 0);
    }
    if (!goes_on) {
        server_close(v);
        l->reset_at_us = k->s->now_us + delay_us(k, l);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t server_next_us(const sim_client *k, const sim_server *v) {
    if (!v->node || fleet_is_paused(k->s->fleet, v->index)) {
        return SIM_NEVER;
    }
    return v->woken ? 0 : v->up.first ? v->up.first->at_us : SIM_NEVER;
}

static void link_step(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    if (l->state == SIM_CONNECTING && l->answer_at_us <= k->s->now_us) {
        answer_connect(k, index);
    }
    if (l->state != SIM_OPEN) {
        return;
    }
    if (l->write_at_us <= k->s->now_us) {
        take_output(k, index);
    }
    if (l->state == SIM_OPEN && server_next_us(k, &l->server) <= k->s->now_us) {
        serve(k, index);
    }
    while (l->state == SIM_OPEN && l->down.first && l->down.first->at_us <= k->s->now_us) {
        give_input(k, index);
    }
    if (l->state == SIM_OPEN && l->reset_at_us <= k->s->now_us) {
        lose(k, index);
    }
}

void net_wake(sim *s) {
    node_session *session;
    while ((session = fleet_next_ready(s->fleet))) {
        sim_server *v = session->owner;
        if (v) {
            v->woken = true;
        }
    }
}

void net_step(sim_client *k) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (k->resolves[i].active && k->resolves[i].at_us <= k->s->now_us) {
            answer_resolve(k, &k->resolves[i]);
        }
    }
    for (uint32_t i = 0; i < k->link_top; i++) {
        link_step(k, i);
    }
    ghosts_step(k);
}

uint64_t net_next_us(const sim_client *k) {
    uint64_t at_us = SIM_NEVER;
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        at_us = k->resolves[i].active ? earlier(at_us, k->resolves[i].at_us) : at_us;
    }
    for (uint32_t i = 0; i < k->link_top; i++) {
        const sim_link *l = &k->links[i];
        if (l->state == SIM_CONNECTING) {
            at_us = earlier(at_us, l->answer_at_us);
        } else if (l->state == SIM_OPEN) {
            at_us = earlier(at_us, l->write_at_us);
            at_us = earlier(at_us, l->reset_at_us);
            at_us = earlier(at_us, l->down.first ? l->down.first->at_us : SIM_NEVER);
            at_us = earlier(at_us, server_next_us(k, &l->server));
        }
    }
    for (size_t i = 0; i < k->ghost_count; i++) {
        const sim_server *v = &k->ghosts[i];
        bool hears = !fleet_is_paused(k->s->fleet, v->index);
        at_us = earlier(at_us, v->up.first ? server_next_us(k, v)
                               : hears     ? v->close_at_us
                                           : SIM_NEVER);
    }
    return at_us;
}

/* --------------------------------------------------------------------- faults */

void net_drop(sim_client *k, uint32_t index) {
    sim_link *l = &k->links[index];
    if (l->state != SIM_OPEN) {
        return;
    }
    if (sim_chance(k->s, 50)) {
        pipe_clear(&l->server.up); /* never arrives; else it does, and only the replies are lost */
    }
    server_leave(k, &l->server);
    pipe_clear(&l->down);
    l->reset_at_us = k->s->now_us + delay_us(k, l);
}

void net_delay(sim_link *l, uint64_t us) {
    for (sim_segment *g = l->down.first; g; g = g->next) {
        g->at_us += us;
    }
}

void net_node_gone(sim_client *k, uint16_t index) {
    for (uint32_t i = 0; i < k->link_top; i++) {
        sim_link *l = &k->links[i];
        if (l->state == SIM_OPEN && l->server.node && l->server.index == index) {
            server_close(&l->server);
            l->reset_at_us = l->hung ? SIM_NEVER : k->s->now_us + delay_us(k, l);
        }
    }
    for (size_t i = 0; i < k->ghost_count;) {
        if (k->ghosts[i].index != index) {
            i++;
            continue;
        }
        server_close(&k->ghosts[i]);
        k->ghosts[i] = k->ghosts[--k->ghost_count];
    }
}

void net_heal(sim_client *k) {
    for (uint32_t i = 0; i < k->link_top; i++) {
        sim_link *l = &k->links[i];
        l->slow_until_us = 0;
        if (l->hung) {
            net_drop(k, i);
        } else if (l->state == SIM_CONNECTING && l->answer_at_us == SIM_NEVER) {
            l->answer_at_us = k->s->now_us;
        }
    }
}

unsigned net_open_links(const sim_client *k) {
    unsigned count = 0;
    for (uint32_t i = 0; i < k->link_top; i++) {
        count += k->links[i].state != SIM_CLOSED;
    }
    return count;
}

void net_done(sim_client *k) {
    for (uint32_t i = 0; i < k->link_top; i++) {
        link_close(k, &k->links[i]);
    }
    for (size_t i = 0; i < k->ghost_count; i++) {
        server_close(&k->ghosts[i]);
    }
    free(k->ghosts);
}
