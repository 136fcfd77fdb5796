#include "node/node_judge.h"

/* ------------------------------------------------------------------------------- the place */

static void take_key(const node *n, kw_slice key, uint64_t now_ms, kw_slice *first_key,
                     redirect_facts *facts) {
    const node_view *view = n->view;
    int slot = slot_of_key(key);
    if (!facts->has_keys) {
        facts->has_keys = true;
        *first_key = key;
        facts->owner = view->owner[slot];
        facts->migrating_to = view->migrating_to[slot];
        facts->importing_from = view->importing_from[slot];
    } else if (slot != slot_of_key(*first_key)) {
        facts->same_slot = false;
    } else {
        facts->several_keys = facts->several_keys || !slice_equal(key, *first_key);
    }
    bool is_open = facts->migrating_to != NODE_NOBODY || facts->importing_from != NODE_NOBODY;
    if (is_open && !facts->shard_channel) {
        bool here = keyspace_peek(n->keys, key, now_ms) != NULL;
        facts->existing_count += here;
        facts->missing_count += !here;
    }
}

static void take_keys(const node_call *c, const node_command *command, const kw_slice *argv,
                      size_t argc, kw_slice *first_key, redirect_facts *facts) {
    node_key_range range;
    facts->writes = facts->writes || (command->flags & NODE_WRITES) != 0;
    if (!node_command_keys(command, argv, argc, &range)) {
        return;
    }
    for (size_t i = 0; i < node_key_count(&range); i++) {
        take_key(c->node, argv[node_key_at(&range, i)], c->now_ms, first_key, facts);
    }
}

redirect_ruling node_judge_place(const node_call *c, int *ret_slot) {
    const node *n = c->node;
    const node_session *s = c->session;
    bool exec = (c->command->flags & NODE_EXEC) != 0;
    kw_slice first_key = SLICE_LITERAL("");
    redirect_facts facts = {
        .lone_exec = exec && !(s->flags & SESSION_MULTI),
        .exec = exec,
        .same_slot = true,
        .shard_channel = (c->command->flags & NODE_PUBSUB) != 0, /* not what EXEC has of it */
        .is_migrate = (c->command->flags & NODE_MIGRATE) != 0,
        .brings_asking = (c->command->flags & NODE_ASKING) != 0,
        .asking = (s->flags & SESSION_ASKING) != 0,
        .readonly = (s->flags & SESSION_READONLY) != 0,
        .self = n->view->self,
        .shard = node_view_self(n->view)->primary_of,
        .owner = NODE_NOBODY,
        .migrating_to = NODE_NOBODY,
        .importing_from = NODE_NOBODY,
        .up = n->view->up,
        .reads_when_down = node_settings_flag(&n->settings, SETTING_CLUSTER_ALLOW_READS_WHEN_DOWN),
        .channels_when_down =
            node_settings_flag(&n->settings, SETTING_CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN),
    };
    if (exec) {
        for (size_t i = 0; i < s->queue_count; i++) {
            const session_queued *q = &s->queue[i];
            take_keys(c, q->command, q->argv, q->argc, &first_key, &facts);
        }
    } else {
        take_keys(c, c->command, c->argv, c->argc, &first_key, &facts);
    }
    *ret_slot = slot_of_key(first_key);
    return node_redirect_decide(&facts);
}

/* ------------------------------------------------------------------------------ the checks */

unsigned node_judge_effects(const node_call *c) {
    bool exec = (c->command->flags & NODE_EXEC) != 0;
    return c->command->flags | (exec ? c->session->queue_flags : 0);
}

static bool touches_data(const node_call *c) {
    return (node_judge_effects(c) & (NODE_WRITES | NODE_READS | NODE_MAY_REPLICATE)) != 0;
}

static bool has_enough_replicas(const node *n) {
    int64_t wanted = node_settings_number(&n->settings, SETTING_MIN_REPLICAS_TO_WRITE);
    int64_t lag = node_settings_number(&n->settings, SETTING_MIN_REPLICAS_MAX_LAG);
    const node_view *view = n->view;
    if (wanted == 0 || lag == 0 || !node_view_self(view)->primary) {
        return true;
    }
    int64_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += node_view_is_attached(view, i);
    }
    return count >= wanted;
}

objection node_judge(const node_call *c) {
    const node_session *s = c->session;
    int slot;
    unsigned flags = c->command->flags;
    if (!node_command_arity_fits(c->command, c->argc)) {
        return OBJECTION_ARITY;
    }
    if (!(s->flags & SESSION_AUTHENTICATED) && !(flags & NODE_NO_AUTH)) {
        return OBJECTION_AUTH;
    }
    if ((s->flags & SESSION_MULTI) && (flags & NODE_NOT_IN_MULTI)) {
        return OBJECTION_IN_MULTI;
    }
    size_t index;
    if (acl_check(s->user, c->command, c->argv, c->argc, &index) != ACL_ALLOWED) {
        return OBJECTION_ACL;
    }
    if (node_judge_place(c, &slot).verdict != REDIRECT_SERVE) {
        return OBJECTION_ELSEWHERE;
    }
    bool writes = (node_judge_effects(c) & NODE_WRITES) != 0;
    if (writes && !has_enough_replicas(c->node)) {
        return OBJECTION_FEW_REPLICAS;
    }
    if (writes && !node_view_self(c->node->view)->primary) {
        return OBJECTION_READ_ONLY;
    }
    if (s->resp == 2 && !(flags & NODE_SUBSCRIBED) && session_is_subscribed(s)) {
        return OBJECTION_SUBSCRIBED;
    }
    return touches_data(c) && list_linked(&s->in_monitors) ? OBJECTION_MONITORS : OBJECTION_NONE;
}
