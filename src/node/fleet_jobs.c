#include "node/fleet_state.h"

#define JOB_STEP_US 100000 /* how long each phase of a job lasts */
#define RETRY_US 1000000   /* a Redis 8.4 import that failed on the way tries again */
#define PAUSE_STEPS 10     /* the pause lasts so much shorter than the other steps */
#define PAUSE_US_MAX 5000000

slot_jobs *fleet_slot_jobs(void *arg) {
    node_fleet *f = arg;
    return &f->jobs;
}

void fleet_slot_job_begun(void *arg, slot_job *job, uint64_t now_us) {
    node_fleet *f = arg;
    f->lab.now_us = now_us;
    fleet_make_id(f, job->id);
    job->phase = JOB_CONNECTING;
    job->created_us = now_us;
    job->updated_us = now_us;
    job->due_us = now_us + JOB_STEP_US;
    slice_copy(job->source_id, sizeof job->source_id,
               slice_text(f->observer->peers[job->source].id));
    slice_copy(job->target_id, sizeof job->target_id,
               slice_text(f->observer->peers[job->target].id));
    node_events_add(&f->lab.events, now_us, EVENT_MIGRATION, job->target,
                    "job %.8s: slots %d-%d ... node %u -> node %u", job->id, job->ranges[0].first,
                    job->ranges[0].last, job->source, job->target);
}

/* ------------------------------------------------------------------------------ obstacles */

static bool owns_all(const node_view *view, const slot_job *job, uint16_t owner) {
    for (size_t i = 0; i < job->range_count; i++) {
        for (int slot = job->ranges[i].first; slot <= job->ranges[i].last; slot++) {
            if (view->owner[slot] != owner) {
                return false;
            }
        }
    }
    return true;
}

/* Why the job cannot go on; NULL: it can. *ret_for_good: trying again would not help. */
static const char *find_obstacle(const node_fleet *f, const slot_job *job, bool *ret_for_good) {
    const member *source = f->members[job->source];
    const member *target = f->members[job->target];
    *ret_for_good = true;
    if (target->node && (!fleet_is_primary(target->node) ||
                         strcmp(node_view_self(target->node->view)->id, job->target_id) != 0)) {
        return "Target node is not a primary";
    }
    if (source->node &&
        (!fleet_is_primary(source->node) || !owns_all(source->node->view, job, job->source))) {
        return "Slots are no longer owned by the source node";
    }
    *ret_for_good = false;
    if (!source->node || !target->node || source->paused || target->paused ||
        !fleet_reaches(f, job->source, job->target)) {
        return "Connection lost";
    }
    return NULL;
}

static void unpause(node_fleet *f, const slot_job *job) {
    node *source = f->members[job->source]->node;
    if (job->phase == JOB_PAUSED && source) {
        node_pause_writes(source, 0);
    }
}

void fleet_slot_job_end(void *arg, slot_job *job, job_phase phase, const char *message,
                        uint64_t now_us) {
    node_fleet *f = arg;
    unpause(f, job);
    slot_job_end(job, phase, message, now_us);
    node_events_add(&f->lab.events, now_us, EVENT_MIGRATION, job->target, "job %.8s: %s", job->id,
                    slot_job_state(job, true));
}

static void stumble(node_fleet *f, slot_job *job, const char *message, bool for_good) {
    if (job->dialect == JOB_VALKEY || for_good) {
        fleet_slot_job_end(f, job, JOB_FAILED, message, f->lab.now_us);
        return;
    }
    unpause(f, job);
    slice_copy(job->message, sizeof job->message, slice_text(message));
    job->phase = JOB_CONNECTING;
    job->retry_count++;
    job->updated_us = f->lab.now_us;
    job->due_us = f->lab.now_us + RETRY_US;
}

/* ---------------------------------------------------------------------------------- steps */

/* The target gets copies of all keys; false if memory is short, and it then has none. */
static bool copy_keys(node *from, node *to, const slot_job *job) {
    for (size_t i = 0; i < job->range_count; i++) {
        for (int slot = job->ranges[i].first; slot <= job->ranges[i].last; slot++) {
            for (const keyspace_entry *e = keyspace_first(from->keys, slot); e;
                 e = keyspace_next(from->keys, slot, e)) {
                if (!keyspace_copy(to->keys, e, keyspace_key(e))) {
                    return false;
                }
                fleet_propagate_value(to, e);
            }
        }
    }
    return true;
}

static void drop_keys(node *n, const slot_job *job) {
    for (size_t i = 0; i < job->range_count; i++) {
        for (int slot = job->ranges[i].first; slot <= job->ranges[i].last; slot++) {
            keyspace_entry *e;
            while ((e = keyspace_first(n->keys, slot))) {
                const kw_slice removal[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
                node_propagate(n, removal, 2);
                keyspace_remove(n->keys, e);
            }
        }
    }
}

/* The slots change hands at once: nobody is sent ASK. */
static void hand_over(node_fleet *f, slot_job *job) {
    node *from = f->members[job->source]->node;
    node *to = f->members[job->target]->node;
    if (!copy_keys(from, to, job)) {
        drop_keys(to, job);
        stumble(f, job, "Out of memory on the target node", true);
        return;
    }
    drop_keys(from, job);
    (void)node_view_bump_epoch(to->view); /* false: it is the highest already */
    for (size_t i = 0; i < job->range_count; i++) {
        for (int slot = job->ranges[i].first; slot <= job->ranges[i].last; slot++) {
            node_view_settle(to->view, slot, job->target, false);
            node_view_settle(from->view, slot, job->target, false);
        }
    }
    fleet_spread_changes(f);
    fleet_slot_job_end(f, job, JOB_SUCCESS, "", f->lab.now_us);
}

static void step(node_fleet *f, slot_job *job) {
    bool for_good;
    const char *obstacle = find_obstacle(f, job, &for_good);
    if (obstacle) {
        stumble(f, job, obstacle, for_good);
        return;
    }
    job->updated_us = f->lab.now_us;
    job->due_us = f->lab.now_us + JOB_STEP_US;
    switch (job->phase) {
    case JOB_CONNECTING:
        job->phase = JOB_SNAPSHOT;
        job->started_us = f->lab.now_us;
        break;
    case JOB_SNAPSHOT:
        job->phase = JOB_STREAM;
        break;
    case JOB_STREAM:
        job->phase = JOB_PAUSED;
        job->paused_us = f->lab.now_us;
        job->due_us = f->lab.now_us + JOB_STEP_US / PAUSE_STEPS;
        node_pause_writes(f->members[job->source]->node, f->lab.now_us + PAUSE_US_MAX);
        break;
    case JOB_PAUSED:
        hand_over(f, job);
        break;
    default:
        break; /* it is over */
    }
}

void fleet_step_slot_jobs(node_fleet *f) {
    LIST_FOR_EACH(at, after, &f->jobs.jobs) {
        slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        bool for_good;
        if (!slot_job_active(job)) {
            continue;
        }
        const char *obstacle = find_obstacle(f, job, &for_good);
        if (obstacle && (job->phase != JOB_CONNECTING || for_good)) {
            stumble(f, job, obstacle, for_good);
        } else if (job->due_us <= f->lab.now_us) {
            step(f, job);
        }
    }
}

/* An active job is looked at each time that anything happens, and at least then. */
uint64_t fleet_slot_jobs_due_us(const node_fleet *f) {
    uint64_t at_us = NEVER;
    LIST_FOR_EACH(at, after, &f->jobs.jobs) {
        const slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        at_us = slot_job_active(job) && job->due_us < at_us ? job->due_us : at_us;
    }
    return at_us;
}
