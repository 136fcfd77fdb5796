#include "node/node_redirect.h"

static redirect_verdict while_down(const redirect_facts *f) {
    if (f->shard_channel && f->channels_when_down) {
        return REDIRECT_SERVE;
    }
    if (f->shard_channel || !f->reads_when_down) {
        return REDIRECT_DOWN;
    }
    return f->writes ? REDIRECT_DOWN_READ_ONLY : REDIRECT_SERVE;
}

redirect_verdict node_redirect_decide(const redirect_facts *f, uint16_t *ret_target) {
    if (!f->has_keys) {
        return REDIRECT_SERVE;
    }
    if (f->owner == NODE_NOBODY) {
        return REDIRECT_UNBOUND;
    }
    if (!f->same_slot) {
        return REDIRECT_CROSSSLOT;
    }
    if (!f->up) {
        redirect_verdict verdict = while_down(f);
        if (verdict != REDIRECT_SERVE) {
            return verdict;
        }
    }

    bool knows_marks = f->self == f->shard || f->readonly;
    bool migrating = knows_marks && f->owner == f->shard && f->migrating_to != NODE_NOBODY;
    bool importing = knows_marks && !migrating && f->importing_from != NODE_NOBODY;
    if ((migrating || importing) && f->is_migrate && f->self == f->shard) {
        return REDIRECT_SERVE;
    }
    if (migrating && f->missing_count > 0 && !f->shard_channel) {
        if (f->existing_count > 0) {
            return REDIRECT_TRYAGAIN;
        }
        *ret_target = f->migrating_to;
        return REDIRECT_ASK;
    }
    if (importing && (f->asking || f->brings_asking)) {
        bool scattered = f->several_keys && f->missing_count > 0;
        return scattered ? REDIRECT_TRYAGAIN : REDIRECT_SERVE;
    }

    bool replica_may = f->readonly || f->shard_channel;
    if (f->self != f->shard && f->owner == f->shard && replica_may && !f->writes) {
        return REDIRECT_SERVE;
    }
    if (f->owner != f->self) {
        *ret_target = f->owner;
        return REDIRECT_MOVED;
    }
    return REDIRECT_SERVE;
}
