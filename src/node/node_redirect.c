#include "node/node_redirect.h"

/* The servers let EXEC write while only reads are allowed: they look at its own flags here. */
static bool is_stopped_when_down(const redirect_facts *f) {
    if (f->shard_channel) {
        return !f->channels_when_down;
    }
    return !f->reads_when_down || (f->writes && !f->exec);
}

/* In an open slot: STEP_COUNT if its being open makes no difference to this command. */
static redirect_step step_in_open_slot(const redirect_facts *f) {
    if (f->self != f->shard && !f->readonly) {
        return STEP_COUNT;
    }
    bool migrating = f->owner == f->shard && f->migrating_to != NODE_NOBODY;
    bool importing = !migrating && f->importing_from != NODE_NOBODY;
    if ((migrating || importing) && f->is_migrate) {
        return STEP_MIGRATE;
    }
    if (migrating && f->missing_count > 0) {
        return f->existing_count > 0 ? STEP_MIGRATING_PART : STEP_MIGRATING_GONE;
    }
    if (importing && (f->asking || f->brings_asking)) {
        return f->several_keys && f->missing_count > 0 ? STEP_IMPORTING_PART : STEP_IMPORTING;
    }
    return STEP_COUNT;
}

static redirect_step find_step(const redirect_facts *f) {
    if (f->lone_exec) {
        return STEP_LONE_EXEC;
    }
    if (!f->has_keys) {
        return STEP_NO_KEYS;
    }
    if (f->owner == NODE_NOBODY) {
        return STEP_UNBOUND;
    }
    if (!f->same_slot) {
        return STEP_CROSSSLOT;
    }
    if (!f->up && is_stopped_when_down(f)) {
        bool reads_go = f->reads_when_down && !f->shard_channel;
        return reads_go ? STEP_DOWN_WRITE : STEP_DOWN;
    }
    redirect_step step = step_in_open_slot(f);
    if (step != STEP_COUNT) {
        return step;
    }
    bool replica_may = (f->readonly || f->shard_channel) && !f->writes;
    if (f->self != f->shard && f->owner == f->shard && replica_may) {
        return STEP_REPLICA;
    }
    return f->owner == f->self ? STEP_OWN : STEP_FOREIGN;
}

redirect_ruling node_redirect_decide(const redirect_facts *f) {
    static const redirect_verdict verdicts[STEP_COUNT] = {
        [STEP_LONE_EXEC] = REDIRECT_SERVE,    [STEP_NO_KEYS] = REDIRECT_SERVE,
        [STEP_UNBOUND] = REDIRECT_UNBOUND,    [STEP_CROSSSLOT] = REDIRECT_CROSSSLOT,
        [STEP_DOWN] = REDIRECT_DOWN,          [STEP_DOWN_WRITE] = REDIRECT_DOWN_READ_ONLY,
        [STEP_MIGRATE] = REDIRECT_SERVE,      [STEP_MIGRATING_PART] = REDIRECT_TRYAGAIN,
        [STEP_MIGRATING_GONE] = REDIRECT_ASK, [STEP_IMPORTING_PART] = REDIRECT_TRYAGAIN,
        [STEP_IMPORTING] = REDIRECT_SERVE,    [STEP_REPLICA] = REDIRECT_SERVE,
        [STEP_FOREIGN] = REDIRECT_MOVED,      [STEP_OWN] = REDIRECT_SERVE,
    };
    redirect_ruling ruling = {.step = find_step(f), .target = NODE_NOBODY};
    ruling.verdict = verdicts[ruling.step];
    if (ruling.verdict == REDIRECT_MOVED) {
        ruling.target = f->owner;
    } else if (ruling.verdict == REDIRECT_ASK) {
        ruling.target = f->migrating_to;
    }
    return ruling;
}
