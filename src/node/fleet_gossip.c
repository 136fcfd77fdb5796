#include "node/fleet_state.h"

#define MAIL_MAX 1024 /* letters to one node; more than that, and the oldest arrive early */

bool fleet_reaches(const node_fleet *f, uint16_t from, uint16_t to) {
    const member *a = f->members[from];
    const member *b = f->members[to];
    return a->node && b->node && a->group == b->group;
}

/* -------------------------------------------------------------------------------- letters */

static void drop_letter(node_fleet *f, member *m, fleet_letter *letter) {
    list_remove(&letter->in_mail);
    m->mail_count--;
    mem_free(f->mem, letter);
}

static void read_letter(node_fleet *f, member *m) {
    fleet_letter *letter = LIST_ENTRY(m->mail.next, fleet_letter, in_mail);
    if (fleet_listens(m)) {
        node_view_hear(m->node->view, &letter->news);
    }
    drop_letter(f, m, letter);
}

/* If memory is short the news arrive at once. */
static void send(node_fleet *f, member *to, const node_news *news) {
    fleet_letter *letter = NULL;
    if (to->gossip_delay_us > 0 || to->mail_count > 0) {
        letter = mem_alloc(f->mem, sizeof *letter);
    }
    if (!letter) {
        node_view_hear(to->node->view, news);
        return;
    }
    if (to->mail_count == MAIL_MAX) {
        read_letter(f, to);
    }
    letter->due_us = f->lab.now_us + to->gossip_delay_us;
    letter->news = *news;
    list_push_back(&to->mail, &letter->in_mail);
    to->mail_count++;
}

void fleet_deliver_mail(node_fleet *f) {
    bool any = false;
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        while (m->mail_count > 0 &&
               LIST_ENTRY(m->mail.next, fleet_letter, in_mail)->due_us <= f->lab.now_us) {
            read_letter(f, m);
            any = true;
        }
    }
    if (any) {
        fleet_spread_changes(f);
    }
}

uint64_t fleet_mail_due_us(const node_fleet *f) {
    uint64_t at_us = NEVER;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->mail_count > 0) {
            uint64_t due_us = LIST_ENTRY(m->mail.next, fleet_letter, in_mail)->due_us;
            at_us = due_us < at_us ? due_us : at_us;
        }
    }
    return at_us;
}

void fleet_drop_mail(node_fleet *f, member *m) {
    while (m->mail_count > 0) {
        drop_letter(f, m, LIST_ENTRY(m->mail.next, fleet_letter, in_mail));
    }
}

void fleet_hold_mail(const member *m) {
    LIST_FOR_EACH(at, after, &m->mail) {
        const fleet_letter *letter = LIST_ENTRY(at, fleet_letter, in_mail);
        names_hold(letter->news.about.host);
        names_hold(letter->news.about.hostname);
    }
}

/* ------------------------------------------------------------------------- acquaintances */

/* A node learns its own address from those who reach it. */
static void set_own_address(const node_fleet *f, node *n) {
    node_peer *me = node_view_self(n->view);
    if (me->host[0] == '\0') {
        me->host = f->host;
        slice_copy(n->own_host, sizeof n->own_host, slice_text(f->config.host));
    }
}

void fleet_introduce(node_fleet *f, uint16_t a, uint16_t b) {
    node_view *views[] = {f->members[a]->node->view, f->members[b]->node->view};
    const uint16_t other[] = {b, a};
    set_own_address(f, f->members[a]->node);
    set_own_address(f, f->members[b]->node);
    for (int i = 0; i < 2; i++) {
        if (!views[i]->peers[other[i]].known) {
            node_view_meet(views[i], other[i], views[1 - i]);
        }
        views[i]->changed = true;
    }
}

/* True if somebody whom i knows tells it of p. */
static bool is_told_of(const node_fleet *f, uint16_t i, uint16_t p) {
    const node_view *view = f->members[i]->node->view;
    for (uint16_t k = 0; k < f->count; k++) {
        if (k != i && k != p && view->peers[k].known && fleet_reaches(f, k, i)) {
            const node_peer *peers = f->members[k]->node->view->peers;
            if (peers[p].known && !peers[p].no_address) {
                return true;
            }
        }
    }
    return false;
}

/* Who is told of a node that it does not know meets it. */
static bool acquaint(node_fleet *f) {
    bool any = false;
    for (uint16_t i = 0; i < f->count; i++) {
        for (uint16_t p = 0; fleet_listens(f->members[i]) && p < f->count; p++) {
            const node_peer *peer = &f->members[i]->node->view->peers[p];
            if (peer->known || !fleet_listens(f->members[p]) || !fleet_reaches(f, i, p)) {
                continue;
            }
            if (peer->banned_until_us > f->lab.now_us) {
                f->acquaint_at_us = peer->banned_until_us < f->acquaint_at_us
                                        ? peer->banned_until_us
                                        : f->acquaint_at_us;
            } else if (is_told_of(f, i, p)) {
                fleet_introduce(f, i, p);
                any = true;
            }
        }
    }
    return any;
}

/* By where it listens, or says that it does. */
static bool is_at(const node_fleet *f, const node *n, kw_slice host, uint16_t port) {
    const node_peer *me = node_view_self(n->view);
    bool here = slice_is(host, f->config.host) || slice_is(host, "localhost");
    return ((here || slice_is(host, n->own_host)) &&
            (port == n->own_port || (n->own_tls_port != 0 && port == n->own_tls_port))) ||
           ((slice_is(host, me->host) || slice_is(host, me->hostname)) &&
            (port == me->port || (me->tls_port != 0 && port == me->tls_port)));
}

uint16_t fleet_find(const node_fleet *f, kw_slice host, uint16_t port) {
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->node && !m->paused && is_at(f, m->node, host, port)) {
            return i;
        }
    }
    return NODE_NOBODY;
}

bool fleet_meet(void *arg, uint16_t self, kw_slice host, uint16_t port, uint64_t now_us) {
    node_fleet *f = arg;
    uint16_t other = fleet_find(f, host, port);
    f->lab.now_us = now_us;
    if (other == NODE_NOBODY || other == self || !fleet_reaches(f, self, other) ||
        f->members[other]->frozen) {
        return false;
    }
    fleet_introduce(f, self, other);
    return true;
}

/* --------------------------------------------------------------------------------- gossip */

/* A node that changed by what it heard speaks up in its turn; each does so at most once a round. */
static void spread(node_fleet *f, uint16_t sender) {
    const node_view *view = f->members[sender]->node->view;
    node_news news;
    node_view_tell(view, &news);
    node_view_hear(f->observer, &news);
    for (uint16_t i = 0; i < f->count; i++) {
        if (i != sender && fleet_listens(f->members[i]) && fleet_reaches(f, sender, i)) {
            send(f, f->members[i], &news);
        }
    }
}

static bool take_roster_dirty(node_fleet *f) {
    bool dirty = f->acquaint_at_us <= f->lab.now_us;
    for (uint16_t i = 0; i < f->count; i++) {
        node *n = f->members[i]->node;
        if (n && n->view->roster_dirty) {
            n->view->roster_dirty = false;
            dirty = true;
        }
    }
    return dirty;
}

void fleet_spread_changes(node_fleet *f) {
    bool again = true;
    while (again) {
        again = false;
        for (uint16_t i = 0; i < f->count; i++) {
            node *n = f->members[i]->node;
            if (n && !f->members[i]->paused && n->view->changed) {
                n->view->changed = false;
                spread(f, i);
                f->restless = true;
                again = true;
            }
        }
        if (take_roster_dirty(f)) {
            f->acquaint_at_us = NEVER;
            again = acquaint(f) || again;
        }
    }
    fleet_settle(f);
}

void fleet_spread_all(node_fleet *f) {
    for (uint16_t i = 0; i < f->count; i++) {
        if (f->members[i]->node && !f->members[i]->paused) {
            spread(f, i);
        }
    }
    fleet_spread_changes(f);
    f->restless = false;
}
