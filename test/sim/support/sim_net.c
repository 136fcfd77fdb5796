#include "sim/support/sim.h"

#include <stdlib.h>

#define OUT_MAX ((size_t)1 << 20)

/* ---------------------------------------------------------------------- pipes */

static uint64_t delay_us(sim *s, const sim_link *l) {
    uint64_t most_us = s->latency_us;
    if (l && l->slow_until_us > s->now_us) {
        most_us = 100 * SIM_MS;
    }
    return 20 + prng_below(&s->prng, most_us);
}

static void pipe_send(sim *s, sim_pipe *p, const sim_link *l, const char *data, size_t len) {
    while (len > 0) {
        size_t piece = sim_chance(s, 25) ? 1 + (size_t)prng_below(&s->prng, len) : len;
        sim_segment *g = malloc(sizeof *g + piece);
        *g = (sim_segment){.at_us = s->now_us + delay_us(s, l), .len = piece};
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

static void server_open(sim *s, sim_server *v, uint16_t index) {
    v->index = index;
    v->node = fleet_node(s->fleet, index);
    v->session = node_session_new(v->node, "127.0.0.1:1", s->now_us);
    assert_non_null(v->session);
    buffer_init(&v->in, &mem_default, 0);
}

/* Runs what has arrived; false: the node closes the connection. */
static bool server_step(sim *s, sim_server *v) {
    if (fleet_is_paused(s->fleet, v->index)) {
        return true;
    }
    bool any = false;
    while (v->up.first && v->up.first->at_us <= s->now_us) {
        sim_segment *g = pipe_take(&v->up);
        assert_true(buffer_append(&v->in, g->data, g->len));
        free(g);
        any = true;
    }
    if (any) {
        node_receive(v->node, v->session, &v->in, s->now_us, OUT_MAX);
    }
    return !(v->session->flags & (SESSION_CLOSING | SESSION_FAILED));
}

/* The client has closed; what it had sent may still arrive. */
static void server_leave(sim *s, sim_server *v) {
    if (!v->node) {
        return;
    }
    if (!v->up.first) {
        server_close(v);
        return;
    }
    s->ghosts = realloc(s->ghosts, (s->ghost_count + 1) * sizeof *s->ghosts);
    s->ghosts[s->ghost_count++] = *v;
    *v = (sim_server){.node = NULL};
}

static void ghosts_step(sim *s) {
    for (size_t i = 0; i < s->ghost_count;) {
        sim_server *v = &s->ghosts[i];
        bool goes_on = server_step(s, v);
        buffer_clear(&v->session->out, 0);
        if (goes_on && v->up.first) {
            i++;
            continue;
        }
        server_close(v);
        s->ghosts[i] = s->ghosts[--s->ghost_count];
    }
}

/* ---------------------------------------------------------------------- links */

static void link_close(sim *s, sim_link *l) {
    server_leave(s, &l->server);
    pipe_clear(&l->down);
    *l = (sim_link){.state = SIM_CLOSED,
                    .answer_at_us = SIM_NEVER,
                    .reset_at_us = SIM_NEVER,
                    .write_at_us = SIM_NEVER};
}

static uint16_t node_at_port(const sim *s, uint16_t port) {
    for (uint16_t i = 0; i < s->node_count; i++) {
        if (s->ports[i] == port) {
            return i;
        }
    }
    fail_msg("nobody listens at port %u", port);
    return 0;
}

static void on_open(sim *s, const cluster_effect *e) {
    assert_true(e->link < SIM_LINKS);
    sim_link *l = &s->links[e->link];
    if (l->state != SIM_CLOSED) {
        sim_fail(s, "link %u is opened though it is in use", e->link);
    }
    link_close(s, l);
    s->link_top = e->link >= s->link_top ? e->link + 1 : s->link_top;
    l->state = SIM_CONNECTING;
    l->node = node_at_port(s, e->address.port);
    l->answer_at_us = s->now_us + delay_us(s, NULL);
    if (s->troubles & 1u << TROUBLE_HANG && sim_chance(s, 3)) {
        l->answer_at_us = SIM_NEVER;
    }
}

static void on_resolve(sim *s, const cluster_effect *e) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (!s->resolves[i].active) {
            s->resolves[i] =
                (sim_resolve){.id = e->id, .at_us = s->now_us + delay_us(s, NULL), .name = e->name};
            s->resolves[i].active = true;
            return;
        }
    }
    sim_fail(s, "more than %d names are being resolved", SIM_RESOLVES);
}

static void on_cancel(sim *s, uint64_t id) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (s->resolves[i].id == id) {
            s->resolves[i].active = false;
        }
    }
}

void net_effects(sim *s) {
    cluster_effect e;
    while (cluster_next_effect(s->c, &e)) {
        switch (e.kind) {
        case EFFECT_OPEN:
            on_open(s, &e);
            break;
        case EFFECT_CLOSE:
            link_close(s, &s->links[e.link]);
            break;
        case EFFECT_WRITE:
            s->links[e.link].write_at_us = s->now_us;
            break;
        case EFFECT_RESOLVE:
            on_resolve(s, &e);
            break;
        case EFFECT_CANCEL:
            on_cancel(s, e.id);
            break;
        }
    }
}

static void answer_resolve(sim *s, sim_resolve *r) {
    net_address a = {.family = NET_IPV4, .port = r->name.port, .ip = {127, 0, 0, 1}};
    bool fails = s->troubles != 0 && sim_chance(s, 5);
    r->active = false;
    cluster_resolved(s->c, r->id, &a, fails ? 0 : 1, fails ? KW_ERR_RESOLVE : KW_OK,
                     fails ? "no answer" : "", s->now_us);
    net_effects(s);
}

static void answer_connect(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    l->answer_at_us = SIM_NEVER;
    if (!fleet_node(s->fleet, l->node)) {
        link_close(s, l);
        cluster_link_lost(s->c, index, KW_ERR_CONNECTION, "Connection refused", s->now_us);
    } else {
        l->state = SIM_OPEN;
        server_open(s, &l->server, l->node);
        cluster_link_connected(s->c, index, s->now_us);
    }
    net_effects(s);
}

static void take_output(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    kw_slice slices[4];
    l->write_at_us = SIM_NEVER;
    size_t count = cluster_link_output(s->c, index, slices, 1 + (size_t)prng_below(&s->prng, 4));
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = slices[i].len;
        bool stops = sim_chance(s, 10);
        len = stops ? 1 + (size_t)prng_below(&s->prng, len) : len;
        if (l->server.node && !l->hung) {
            pipe_send(s, &l->server.up, l, slices[i].data, len);
        }
        taken += len;
        if (stops) {
            break;
        }
    }
    if (count > 0) {
        cluster_link_written(s->c, index, taken, s->now_us);
        l->write_at_us = s->now_us + (sim_chance(s, 90) ? 0 : delay_us(s, l));
    }
    net_effects(s);
}

static void give_input(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    sim_segment *g = pipe_take(&l->down);
    size_t done = 0;
    while (done < g->len) {
        size_t room = 0;
        char *at = cluster_link_input(s->c, index, &room);
        if (!at) {
            break;
        }
        size_t len = g->len - done < room ? g->len - done : room;
        memcpy(at, g->data + done, len);
        cluster_link_received(s->c, index, len, s->now_us);
        done += len;
    }
    free(g);
    net_effects(s);
}

static void lose(sim *s, uint32_t index) {
    link_close(s, &s->links[index]);
    cluster_link_lost(s->c, index, KW_ERR_CONNECTION, "Connection reset by peer", s->now_us);
    net_effects(s);
}

static void serve(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    sim_server *v = &l->server;
    bool goes_on = server_step(s, v);
    if (buffer_len(&v->session->out) > 0) {
        kw_slice out = buffer_slice(&v->session->out);
        if (!l->hung) {
            pipe_send(s, &l->down, l, out.data, out.len);
        }
        buffer_clear(&v->session->out, 0);
    }
    if (!goes_on) {
        server_close(v);
        l->reset_at_us = s->now_us + delay_us(s, l);
    }
}

static void link_step(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    if (l->state == SIM_CONNECTING && l->answer_at_us <= s->now_us) {
        answer_connect(s, index);
    }
    if (l->state != SIM_OPEN) {
        return;
    }
    if (l->write_at_us <= s->now_us) {
        take_output(s, index);
    }
    if (l->state == SIM_OPEN && l->server.node && l->server.up.first &&
        l->server.up.first->at_us <= s->now_us) {
        serve(s, index);
    }
    while (l->state == SIM_OPEN && l->down.first && l->down.first->at_us <= s->now_us) {
        give_input(s, index);
    }
    if (l->state == SIM_OPEN && l->reset_at_us <= s->now_us) {
        lose(s, index);
    }
}

void net_step(sim *s) {
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        if (s->resolves[i].active && s->resolves[i].at_us <= s->now_us) {
            answer_resolve(s, &s->resolves[i]);
        }
    }
    for (uint32_t i = 0; i < s->link_top; i++) {
        link_step(s, i);
    }
    ghosts_step(s);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t server_next_us(const sim *s, const sim_server *v) {
    bool runs = v->node && v->up.first && !fleet_is_paused(s->fleet, v->index);
    return runs ? v->up.first->at_us : SIM_NEVER;
}

uint64_t net_next_us(const sim *s) {
    uint64_t at_us = SIM_NEVER;
    for (size_t i = 0; i < SIM_RESOLVES; i++) {
        at_us = s->resolves[i].active ? earlier(at_us, s->resolves[i].at_us) : at_us;
    }
    for (uint32_t i = 0; i < s->link_top; i++) {
        const sim_link *l = &s->links[i];
        if (l->state == SIM_CONNECTING) {
            at_us = earlier(at_us, l->answer_at_us);
        } else if (l->state == SIM_OPEN) {
            at_us = earlier(at_us, l->write_at_us);
            at_us = earlier(at_us, l->reset_at_us);
            at_us = earlier(at_us, l->down.first ? l->down.first->at_us : SIM_NEVER);
            at_us = earlier(at_us, server_next_us(s, &l->server));
        }
    }
    for (size_t i = 0; i < s->ghost_count; i++) {
        at_us = earlier(at_us, server_next_us(s, &s->ghosts[i]));
    }
    return at_us;
}

/* --------------------------------------------------------------------- faults */

void net_drop(sim *s, uint32_t index) {
    sim_link *l = &s->links[index];
    if (l->state != SIM_OPEN) {
        return;
    }
    if (sim_chance(s, 50)) {
        pipe_clear(&l->server.up); /* never arrives; else it does, and only the replies are lost */
    }
    server_leave(s, &l->server);
    pipe_clear(&l->down);
    l->reset_at_us = s->now_us + delay_us(s, l);
}

void net_node_gone(sim *s, uint16_t index) {
    for (uint32_t i = 0; i < s->link_top; i++) {
        sim_link *l = &s->links[i];
        if (l->state == SIM_OPEN && l->server.node && l->server.index == index) {
            server_close(&l->server);
            l->reset_at_us = l->hung ? SIM_NEVER : s->now_us + delay_us(s, l);
        }
    }
    for (size_t i = 0; i < s->ghost_count;) {
        if (s->ghosts[i].index != index) {
            i++;
            continue;
        }
        server_close(&s->ghosts[i]);
        s->ghosts[i] = s->ghosts[--s->ghost_count];
    }
}

void net_heal(sim *s) {
    for (uint32_t i = 0; i < s->link_top; i++) {
        sim_link *l = &s->links[i];
        l->slow_until_us = 0;
        if (l->hung) {
            net_drop(s, i);
        } else if (l->state == SIM_CONNECTING && l->answer_at_us == SIM_NEVER) {
            l->answer_at_us = s->now_us;
        }
    }
}

unsigned net_open_links(const sim *s) {
    unsigned count = 0;
    for (uint32_t i = 0; i < s->link_top; i++) {
        count += s->links[i].state != SIM_CLOSED;
    }
    return count;
}

void net_done(sim *s) {
    for (uint32_t i = 0; i < s->link_top; i++) {
        link_close(s, &s->links[i]);
    }
    for (size_t i = 0; i < s->ghost_count; i++) {
        server_close(&s->ghosts[i]);
    }
    free(s->ghosts);
}
