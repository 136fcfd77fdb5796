#include "node/fleet_state.h"

#include <assert.h>

#define TRY_AGAIN_US 50000
#define MANUAL_FAILOVER_US 5000000 /* an operator's failover that gets nowhere is given up then */

/* ------------------------------------------------------------------------------- silence */

/* True if the one cannot hear the other. A paused node is slow, and not taken for dead, unless the
 * fleet says otherwise. */
static bool is_silent(const node_fleet *f, uint16_t to, uint16_t peer) {
    return !fleet_reaches(f, peer, to) || (f->members[peer]->paused && f->pause_is_failure);
}

static uint64_t timeout_us(const node *n) {
    return (uint64_t)node_settings_number(&n->settings, SETTING_CLUSTER_NODE_TIMEOUT) * 1000;
}

/* After the node timeout a silent node is suspected, and a while later others were told so. */
static uint64_t suspect_at_us(const node *n, const node_peer *peer) {
    return peer->silent_since_us + timeout_us(n);
}

static uint64_t report_at_us(const node_fleet *f, uint16_t index, const node_peer *peer) {
    const node *n = f->members[index]->node;
    return suspect_at_us(n, peer) + timeout_us(n) / 4 + f->members[index]->gossip_delay_us;
}

static uint64_t next_due_us(const node_fleet *f) {
    uint64_t at_us = NEVER;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        at_us = earlier_us(at_us, m->failover_at_us);
        if (m->manual_until_us != 0 && m->node) {
            at_us = earlier_us(at_us, f->lab.now_us + TRY_AGAIN_US);
        }
        for (uint16_t p = 0; fleet_listens(m) && p < f->count; p++) {
            const node_peer *peer = &m->node->view->peers[p];
            if (!peer->known || peer->silent_since_us == 0 || peer->failed) {
                continue;
            }
            uint64_t report_us = report_at_us(f, i, peer);
            if (!peer->suspected) {
                at_us = earlier_us(at_us, suspect_at_us(m->node, peer));
            } else if (report_us > f->lab.now_us) {
                at_us = earlier_us(at_us, report_us);
            }
        }
    }
    return at_us;
}

void fleet_note_silence(node_fleet *f) {
    for (uint16_t i = 0; i < f->count; i++) {
        for (uint16_t p = 0; fleet_listens(f->members[i]) && p < f->count; p++) {
            node_peer *peer = &f->members[i]->node->view->peers[p];
            if (p == i || !peer->known) {
                continue;
            }
            bool silent = is_silent(f, i, p);
            if (silent && peer->silent_since_us == 0) {
                peer->silent_since_us = f->lab.now_us;
            } else if (!silent && peer->silent_since_us != 0) {
                peer->silent_since_us = 0;
                peer->suspected = false;
                peer->failed = false;
            }
        }
    }
    f->failure_due_us = next_due_us(f);
}

static bool votes(const node *n) {
    const node_peer *me = node_view_self(n->view);
    return me->primary && me->slot_count > 0;
}

/* Of the primaries, to mark a node as failed or to make a replica a primary. A lab does without as
 * long as all its nodes hear each other, so that a failover follows even the death of most. */
static bool is_majority(const node_fleet *f, const node_view *view, uint32_t count) {
    return !(f->strict || f->partitioned) || count >= node_view_size(view) / 2 + 1;
}

/* The primaries that `to` can hear and that have reported the peer as silent. */
static uint32_t count_reports(const node_fleet *f, uint16_t to, uint16_t peer) {
    uint32_t count = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (i == peer || !fleet_listens(m) || !votes(m->node) || !fleet_reaches(f, i, to)) {
            continue;
        }
        const node_peer *p = &m->node->view->peers[peer];
        count +=
            p->known && (p->failed || (p->suspected && report_at_us(f, i, p) <= f->lab.now_us));
    }
    return count;
}

size_t fleet_failure_reports(void *arg, uint16_t self, uint16_t peer) {
    const node_fleet *f = arg;
    size_t count = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (i != self && i != peer && fleet_listens(m) && votes(m->node) &&
            fleet_reaches(f, i, self)) {
            const node_peer *p = &m->node->view->peers[peer];
            count += p->known && (p->failed || p->suspected);
        }
    }
    return count;
}

/* ------------------------------------------------------------------------------- failure */

/* FAIL is said to all, and believed. */
static void declare_failed(node_fleet *f, uint16_t by, uint16_t peer) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (i == by || (fleet_listens(m) && m->gossip_delay_us == 0 && i != peer &&
                        fleet_reaches(f, by, i) && m->node->view->peers[peer].known)) {
            node_peer *p = &m->node->view->peers[peer];
            p->failed = true;
            p->suspected = false;
        }
    }
    if (!f->observer->peers[peer].failed) {
        f->observer->peers[peer].failed = true;
        fleet_tell(f, EVENT_NODE_FAILED, peer, "is marked as failed");
    }
    if (f->config.failover_ms >= 0 && f->members[peer]->failover_at_us == NEVER &&
        f->observer->peers[peer].slot_count > 0) {
        uint64_t wait_us = (uint64_t)(f->config.failover_ms - f->config.failover_ms / 2) * 1000;
        f->members[peer]->failover_at_us = f->lab.now_us + wait_us;
    }
}

static bool suspect(node_fleet *f) {
    bool any = false;
    for (uint16_t i = 0; i < f->count; i++) {
        for (uint16_t p = 0; fleet_listens(f->members[i]) && p < f->count; p++) {
            node_peer *peer = &f->members[i]->node->view->peers[p];
            if (peer->known && peer->silent_since_us != 0 && !peer->suspected && !peer->failed &&
                suspect_at_us(f->members[i]->node, peer) <= f->lab.now_us) {
                peer->suspected = true;
                any = true;
            }
        }
    }
    return any;
}

static bool declare(node_fleet *f) {
    bool any = false;
    for (uint16_t i = 0; i < f->count; i++) {
        for (uint16_t p = 0; fleet_listens(f->members[i]) && p < f->count; p++) {
            const node *n = f->members[i]->node;
            const node_peer *peer = &n->view->peers[p];
            if (peer->known && peer->suspected && report_at_us(f, i, peer) <= f->lab.now_us &&
                is_majority(f, n->view, count_reports(f, i, p))) {
                declare_failed(f, i, p);
                any = true;
            }
        }
    }
    return any;
}

/* ------------------------------------------------------------------------------ elections */

static uint32_t count_votes(const node_fleet *f, uint16_t candidate, uint16_t dead) {
    uint32_t count = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->node && !m->paused && votes(m->node) && fleet_reaches(f, i, candidate)) {
            const node_peer *p = &m->node->view->peers[candidate];
            bool agrees = dead == NODE_NOBODY || m->node->view->peers[dead].failed;
            count += p->known && agrees;
        }
    }
    return count;
}

static bool may_stand(const node_fleet *f, uint16_t index, uint16_t dead) {
    const member *m = f->members[index];
    if (!fleet_listens(m) || fleet_is_primary(m->node) ||
        node_view_self(m->node->view)->primary_of != dead) {
        return false;
    }
    return m->node->view->peers[dead].failed &&
           !node_settings_flag(&m->node->settings, SETTING_CLUSTER_REPLICA_NO_FAILOVER) &&
           is_majority(f, m->node->view, count_votes(f, index, dead));
}

static void take_over(node_fleet *f, uint16_t index) {
    f->members[index]->manual_until_us = 0;
    kw_status status = fleet_promote(f, index);
    assert(status == KW_OK);
    (void)status; /* without assert */
}

/* The replica of a dead primary that has the most of its data takes over. */
static bool fail_over(node_fleet *f, uint16_t dead) {
    uint16_t best = NODE_NOBODY;
    for (uint16_t i = 0; i < f->count; i++) {
        if (may_stand(f, i, dead) &&
            (best == NODE_NOBODY || f->members[i]->node->offset > f->members[best]->node->offset)) {
            best = i;
        }
    }
    if (best != NODE_NOBODY) {
        take_over(f, best);
    }
    return best != NODE_NOBODY;
}

static bool is_failed_somewhere(const node_fleet *f, uint16_t peer) {
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        const node_peer *p = m->node ? &m->node->view->peers[peer] : NULL;
        if (p && p->known && p->failed && p->slot_count > 0) {
            return true;
        }
    }
    return false;
}

static void fail_over_due(node_fleet *f) {
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (m->failover_at_us <= f->lab.now_us) {
            m->failover_at_us = NEVER;
            if (!fail_over(f, i) && is_failed_somewhere(f, i)) {
                m->failover_at_us = f->lab.now_us + TRY_AGAIN_US;
            }
        }
    }
}

/* ------------------------------------------------------------------------ an operator's word */

/* A failover that an operator asked for: the primary's writers wait until its replica has all. */
static void try_by_hand(node_fleet *f, uint16_t index) {
    member *m = f->members[index];
    uint16_t primary = node_view_self(m->node->view)->primary_of;
    member *p = f->members[primary];
    if (m->manual_until_us <= f->lab.now_us || fleet_is_primary(m->node)) {
        m->manual_until_us = 0;
        return;
    }
    if (!m->manual_forced) {
        if (!p->node || p->paused || !fleet_reaches(f, primary, index)) {
            return;
        }
        if (!fleet_is_level(f, index, primary)) {
            node_pause_writes(p->node, m->manual_until_us);
            return;
        }
    }
    if (is_majority(f, m->node->view, count_votes(f, index, NODE_NOBODY))) {
        take_over(f, index);
        if (p->node) {
            node_pause_writes(p->node, 0);
        }
    }
}

void fleet_take_over_by_hand(void *arg, uint16_t self, bool forced, uint64_t now_us) {
    node_fleet *f = arg;
    f->lab.now_us = now_us;
    f->members[self]->manual_until_us = now_us + MANUAL_FAILOVER_US;
    f->members[self]->manual_forced = forced;
    try_by_hand(f, self);
    f->failure_due_us = next_due_us(f);
}

/* ----------------------------------------------------------------------------------- time */

void fleet_judge_failures(node_fleet *f) {
    bool suspects = suspect(f);
    if (declare(f) || suspects) {
        fleet_settle(f);
    }
    fail_over_due(f);
    for (uint16_t i = 0; i < f->count; i++) {
        const member *m = f->members[i];
        if (m->manual_until_us != 0 && m->node && !m->paused) {
            try_by_hand(f, i);
        }
    }
    f->failure_due_us = next_due_us(f);
}
