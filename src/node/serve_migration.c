#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

static slot_jobs *jobs_of(const node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    return peers->jobs(peers->arg);
}

static void answer_ranges(node_call *c, const slot_job *job) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool ok = true;
    for (size_t i = 0; ok && i < job->range_count; i++) {
        ok = buffer_printf(&text, "%s%d-%d", i ? " " : "", job->ranges[i].first,
                           job->ranges[i].last);
    }
    if (!ok) {
        c->session->flags |= SESSION_FAILED;
    }
    call_bulk(c, buffer_slice(&text));
    buffer_done(&text);
}

static void answer_field(node_call *c, const char *name, const char *text) {
    call_text(c, name);
    call_text(c, text);
}

static void answer_number(node_call *c, const char *name, uint64_t number) {
    call_text(c, name);
    call_integer(c, (int64_t)number);
}

static bool concerns(const node_call *c, const slot_job *job, job_dialect dialect) {
    uint16_t self = c->node->view->self;
    return job->dialect == dialect && (job->source == self || job->target == self);
}

static size_t count_jobs(const node_call *c, job_dialect dialect) {
    size_t count = 0;
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        count += concerns(c, LIST_ENTRY(at, slot_job, in_jobs), dialect);
    }
    return count;
}

/* A job with these ranges joins the others and begins; false: memory or room is short. */
static bool add_job(node_call *c, const slot_job *model, const slot_range *ranges, size_t count,
                    slot_job **ret) {
    const node_peers *peers = &c->node->config.peers;
    slot_job *job = slot_job_new(c->node->mem, ranges, count);
    if (!job || !slot_jobs_add(jobs_of(c), job)) {
        mem_free(c->node->mem, job);
        call_out_of_memory(c);
        return false;
    }
    job->dialect = model->dialect;
    job->source = model->source;
    job->target = model->target;
    peers->job_begun(peers->arg, job, c->now_us);
    *ret = job;
    return true;
}

/* ------------------------------------------------------------------------------- Valkey 9 */

/* One SLOTSRANGE ... NODE ... of CLUSTER MIGRATESLOTS. */
typedef struct request_block {
    size_t first_range; /* among all that were read */
    size_t range_count;
    uint16_t target;
} request_block;

typedef struct request {
    slot_range ranges[JOB_RANGES_MAX];
    size_t range_count;
    request_block blocks[64];
    size_t block_count;
} request;

static const slot_range *find_overlap(const slot_range *ranges, size_t count, slot_range range) {
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first <= range.last && ranges[i].last >= range.first) {
            return &ranges[i];
        }
    }
    return NULL;
}

/* Each slot of the range has an owner, the same as those before. */
static bool check_owner(node_call *c, slot_range range, uint16_t *owner) {
    const node_view *view = c->node->view;
    for (int slot = range.first; slot <= range.last; slot++) {
        if (view->owner[slot] == NODE_NOBODY) {
            call_errorf(c, "ERR Slot %d has no node served.", slot);
            return false;
        }
        if (*owner != NODE_NOBODY && *owner != view->owner[slot]) {
            call_error(c, "ERR Requested slots span multiple shards");
            return false;
        }
        *owner = view->owner[slot];
    }
    return true;
}

/* A pair of slots at *at; false: an error was given. */
static bool read_range(node_call *c, request *r, request_block *block, size_t *at,
                       uint16_t *owner) {
    slot_range range;
    if (!args_read_slot(c, *at, &range.first)) {
        return false;
    }
    if (*at + 1 >= c->argc) {
        call_error(c, "ERR No end slot for final slot range");
        return false;
    }
    if (!args_read_slot(c, *at + 1, &range.last)) {
        return false;
    }
    if (range.first > range.last) {
        call_errorf(c, "ERR Start slot number %d is greater than end slot number %d.", range.first,
                    range.last);
        return false;
    }
    if (!check_owner(c, range, owner)) {
        return false;
    }
    const slot_range *other =
        find_overlap(&r->ranges[block->first_range], block->range_count, range);
    if (other) {
        call_errorf(c, "ERR Slot range %d-%d overlaps with previous range %d-%d.", range.first,
                    range.last, other->first, other->last);
        return false;
    }
    if (r->range_count == JOB_RANGES_MAX) {
        call_error(c, "ERR too many slot ranges");
        return false;
    }
    r->ranges[r->range_count++] = range;
    block->range_count++;
    *at += 2;
    return true;
}

static bool is_exported(const node_call *c, int slot) {
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        const slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (slot_job_active(job) && job->source == c->node->view->self &&
            slot_job_has(job, slot, slot)) {
            return true;
        }
    }
    return false;
}

/* The ranges of a block are mine, and no job has them. */
static bool check_ranges(node_call *c, const request *r, const request_block *block,
                         uint16_t owner) {
    if (owner != c->node->view->self) {
        call_error(c, "ERR Slots are not served by this node.");
        return false;
    }
    for (size_t i = block->first_range; i < r->range_count; i++) {
        for (int slot = r->ranges[i].first; slot <= r->ranges[i].last; slot++) {
            if (is_exported(c, slot)) {
                call_errorf(c, "ERR I am already migrating slot %d.", slot);
                return false;
            }
        }
        if (find_overlap(r->ranges, block->first_range, r->ranges[i])) {
            call_error(c, "ERR Slot ranges in migrations overlap");
            return false;
        }
    }
    return true;
}

static bool read_target(node_call *c, size_t at, uint16_t *ret) {
    if (c->argv[at].len != NODE_ID_SIZE - 1) {
        call_errorf(c, "ERR Invalid node name: %.*s", call_shown(c, at), c->argv[at].data);
        return false;
    }
    *ret = node_view_find(c->node->view, c->argv[at]);
    if (*ret == NODE_NOBODY) {
        call_errorf(c, "ERR Unknown node name: %.*s", call_shown(c, at), c->argv[at].data);
        return false;
    }
    if (*ret == c->node->view->self) {
        call_error(c, "ERR Target node can not be this node.");
        return false;
    }
    return true;
}

static bool read_block(node_call *c, request *r, size_t *at) {
    request_block block = {.first_range = r->range_count};
    uint16_t owner = NODE_NOBODY;
    int64_t number;
    if (!call_argument_is(c, *at, "slotsrange") ||
        r->block_count == sizeof r->blocks / sizeof *r->blocks) {
        call_syntax_error(c);
        return false;
    }
    ++*at;
    while (*at < c->argc && number_read_integer(c->argv[*at], &number)) {
        if (!read_range(c, r, &block, at, &owner)) {
            return false;
        }
    }
    if (block.range_count == 0) {
        call_error(c, "ERR No slot ranges specified");
        return false;
    }
    if (!check_ranges(c, r, &block, owner)) {
        return false;
    }
    if (*at + 1 >= c->argc || !call_argument_is(c, *at, "node")) {
        call_syntax_error(c);
        return false;
    }
    if (!read_target(c, *at + 1, &block.target)) {
        return false;
    }
    *at += 2;
    r->blocks[r->block_count++] = block;
    return true;
}

void serve_cluster_migrateslots(node_call *c) {
    request r = {.range_count = 0, .block_count = 0};
    if (!node_view_self(c->node->view)->primary) {
        call_error(c, "ERR Slot migration can only be used on primary nodes.");
        return;
    }
    for (size_t at = 2; at < c->argc;) {
        if (!read_block(c, &r, &at)) {
            return;
        }
    }
    for (size_t i = 0; i < r.block_count; i++) {
        const slot_job model = {
            .dialect = JOB_VALKEY,
            .source = c->node->view->self,
            .target = r.blocks[i].target,
        };
        slot_job *job;
        if (!add_job(c, &model, &r.ranges[r.blocks[i].first_range], r.blocks[i].range_count,
                     &job)) {
            return;
        }
    }
    call_ok(c);
}

void serve_cluster_getslotmigrations(node_call *c) {
    call_array(c, count_jobs(c, JOB_VALKEY));
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        const slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (!concerns(c, job, JOB_VALKEY)) {
            continue;
        }
        bool import = job->target == c->node->view->self;
        call_map(c, 11);
        answer_field(c, "name", job->id);
        answer_field(c, "operation", import ? "IMPORT" : "EXPORT");
        call_text(c, "slot_ranges");
        answer_ranges(c, job);
        answer_field(c, "target_node", job->target_id);
        answer_field(c, "source_node", job->source_id);
        answer_number(c, "create_time", job->created_us / 1000000);
        answer_number(c, "last_update_time", job->updated_us / 1000000);
        answer_number(c, "last_ack_time", job->updated_us / 1000000);
        answer_field(c, "state", slot_job_state(job, import));
        answer_field(c, "message", job->message);
        answer_number(c, "cow_size", 0);
    }
}

void serve_cluster_cancelslotmigrations(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    size_t count = 0;
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (concerns(c, job, JOB_VALKEY) && slot_job_active(job) &&
            job->source == c->node->view->self) {
            peers->job_end(peers->arg, job, JOB_CANCELLED, "", c->now_us);
            count++;
        }
    }
    if (count == 0) {
        call_error(c, "ERR No migrations ongoing");
    } else {
        call_ok(c);
    }
}

/* ------------------------------------------------------------------------------ Redis 8.4 */

static bool has_open_slots(const node_view *view) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (view->migrating_to[slot] != NODE_NOBODY || view->importing_from[slot] != NODE_NOBODY) {
            return true;
        }
    }
    return false;
}

/* The ranges behind the word IMPORT, in order, none twice; false: an error was given. */
static bool read_import(node_call *c, slot_range *ranges, size_t *ret_count) {
    size_t count = 0;
    for (size_t i = 3; i < c->argc; i += 2, count++) {
        slot_range range;
        if (!args_read_slot(c, i, &range.first) || !args_read_slot(c, i + 1, &range.last)) {
            return false;
        }
        if (range.first > range.last) {
            call_errorf(c, "ERR start slot number %d is greater than end slot number %d",
                        range.first, range.last);
            return false;
        }
        if (find_overlap(ranges, count, range)) {
            call_errorf(c, "ERR Slot %d specified multiple times", range.first);
            return false;
        }
        ranges[count] = range;
    }
    *ret_count = count;
    return true;
}

/* The one node that owns all the slots. */
static bool find_source(node_call *c, const slot_range *ranges, size_t count, uint16_t *ret) {
    const node_view *view = c->node->view;
    *ret = NODE_NOBODY;
    for (size_t i = 0; i < count; i++) {
        for (int slot = ranges[i].first; slot <= ranges[i].last; slot++) {
            if (view->owner[slot] == NODE_NOBODY) {
                call_errorf(c, "ERR slot has no owner: %d", slot);
                return false;
            }
            if (*ret != NODE_NOBODY && *ret != view->owner[slot]) {
                call_error(c, "ERR slots belong to different source nodes");
                return false;
            }
            *ret = view->owner[slot];
        }
    }
    if (*ret == view->self) {
        call_error(c, "ERR this node is already the owner of the slot range");
        return false;
    }
    return true;
}

/* A job of another import that goes on here; one that only waits to try again makes way. */
static bool check_idle(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (!concerns(c, job, JOB_REDIS) || !slot_job_active(job)) {
            continue;
        }
        if (job->retry_count > 0 && job->phase == JOB_CONNECTING) {
            peers->job_end(peers->arg, job, JOB_CANCELLED, "new import requested", c->now_us);
        } else {
            call_error(c, "ERR another ASM task is already in progress");
            return false;
        }
    }
    return true;
}

static void import(node_call *c) {
    slot_range ranges[JOB_RANGES_MAX];
    size_t count;
    slot_job model = {.dialect = JOB_REDIS, .target = c->node->view->self};
    slot_job *job;
    if (c->argc % 2 == 0 || (c->argc - 3) / 2 > JOB_RANGES_MAX) {
        call_wrong_arity(c, c->command);
        return;
    }
    if (!read_import(c, ranges, &count)) {
        return;
    }
    if (!node_view_self(c->node->view)->primary) {
        call_error(c, "ERR slot migration not allowed on replica.");
        return;
    }
    if (has_open_slots(c->node->view)) {
        call_error(c, "ERR all slot states must be STABLE to start a slot migration task.");
        return;
    }
    if (find_source(c, ranges, count, &model.source) && check_idle(c) &&
        add_job(c, &model, ranges, count, &job)) {
        call_text(c, job->id);
    }
}

static void answer_task(node_call *c, const slot_job *job) {
    bool at_target = job->target == c->node->view->self;
    bool paused = !at_target && job->phase == JOB_SUCCESS;
    call_map(c, 12);
    answer_field(c, "id", job->id);
    call_text(c, "slots");
    answer_ranges(c, job);
    answer_field(c, "source", job->source_id);
    answer_field(c, "dest", job->target_id);
    answer_field(c, "operation", at_target ? "import" : "migrate");
    answer_field(c, "state", slot_job_state(job, at_target));
    answer_field(c, "last_error", job->message);
    answer_number(c, "retries", job->retry_count);
    answer_number(c, "create_time", job->created_us / 1000);
    answer_number(c, "start_time", job->started_us / 1000);
    answer_number(c, "end_time", job->ended_us / 1000);
    answer_number(c, "write_pause_ms", paused ? (job->ended_us - job->paused_us) / 1000 : 0);
}

/* ID task or ALL behind STATUS and CANCEL; *ret_id is NULL for ALL. */
static bool read_choice(node_call *c, const kw_slice **ret_id) {
    bool all = call_argument_is(c, 3, "all");
    bool one = call_argument_is(c, 3, "id");
    if (c->argc > 5 || (all && c->argc != 4) || (one && c->argc != 5)) {
        call_wrong_arity(c, c->command);
        return false;
    }
    if (!all && !one) {
        call_error(c, "ERR unknown argument");
        return false;
    }
    *ret_id = one ? &c->argv[4] : NULL;
    return true;
}

static bool is_chosen(const node_call *c, const slot_job *job, const kw_slice *id) {
    return concerns(c, job, JOB_REDIS) && (!id || slice_is(*id, job->id));
}

static void tell_status(node_call *c) {
    const kw_slice *id;
    size_t count = 0;
    if (!read_choice(c, &id)) {
        return;
    }
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        count += is_chosen(c, LIST_ENTRY(at, slot_job, in_jobs), id);
    }
    call_array(c, count);
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        const slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (is_chosen(c, job, id)) {
            answer_task(c, job);
        }
    }
}

static void cancel(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    const kw_slice *id;
    int64_t count = 0;
    if (!read_choice(c, &id)) {
        return;
    }
    LIST_FOR_EACH(at, after, &jobs_of(c)->jobs) {
        slot_job *job = LIST_ENTRY(at, slot_job, in_jobs);
        if (is_chosen(c, job, id) && slot_job_active(job)) {
            peers->job_end(peers->arg, job, JOB_CANCELLED, "user request", c->now_us);
            count++;
        }
    }
    call_integer(c, count);
}

void serve_cluster_migration(node_call *c) {
    if (call_argument_is(c, 2, "import")) {
        import(c);
    } else if (call_argument_is(c, 2, "status")) {
        tell_status(c);
    } else if (call_argument_is(c, 2, "cancel")) {
        cancel(c);
    } else {
        call_error(c, "ERR unknown argument");
    }
}
