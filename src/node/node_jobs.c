#include "node/node_jobs.h"

void slot_jobs_init(slot_jobs *jobs, const mem *m) {
    jobs->mem = m;
    jobs->count = 0;
    list_init(&jobs->jobs);
}

static void drop(slot_jobs *jobs, slot_job *job) {
    list_remove(&job->in_jobs);
    jobs->count--;
    mem_free(jobs->mem, job);
}

void slot_jobs_done(slot_jobs *jobs) {
    LIST_FOR_EACH(at, after, &jobs->jobs) {
        drop(jobs, LIST_ENTRY(at, slot_job, in_jobs));
    }
}

slot_job *slot_job_new(const mem *m, const slot_range *ranges, size_t range_count) {
    slot_job *job = mem_alloc(m, sizeof *job + range_count * sizeof *ranges);
    if (job) {
        memset(job, 0, sizeof *job);
        memcpy(job->ranges, ranges, range_count * sizeof *ranges);
        job->range_count = range_count;
    }
    return job;
}

bool slot_jobs_add(slot_jobs *jobs, slot_job *job) {
    for (list *at = jobs->jobs.prev; jobs->count >= JOBS_MAX; at = at->prev) {
        if (at == &jobs->jobs) {
            return false;
        }
        slot_job *oldest = LIST_ENTRY(at, slot_job, in_jobs);
        if (!slot_job_active(oldest)) {
            drop(jobs, oldest);
            break;
        }
    }
    list_insert_before(jobs->jobs.next, &job->in_jobs);
    jobs->count++;
    return true;
}

bool slot_job_has(const slot_job *job, int first, int last) {
    for (size_t i = 0; i < job->range_count; i++) {
        if (first <= job->ranges[i].last && last >= job->ranges[i].first) {
            return true;
        }
    }
    return false;
}

void slot_job_end(slot_job *job, job_phase phase, const char *message, uint64_t now_us) {
    job->phase = phase;
    job->updated_us = now_us;
    job->ended_us = now_us;
    job->due_us = UINT64_MAX;
    slice_copy(job->message, sizeof job->message, slice_text(message));
}

const char *slot_job_state(const slot_job *job, bool at_target) {
    static const char *const states[2][2][JOB_FAILED + 1] = {
        [JOB_VALKEY][0] = {"connecting", "snapshotting", "replicating", "failover-paused",
                           "success", "cancelled", "failed"},
        [JOB_VALKEY][1] = {"waiting-for-ack", "receiving-snapshot", "waiting-for-paused",
                           "failover-requested", "success", "cancelled", "failed"},
        [JOB_REDIS][0] = {"wait-rdbchannel", "send-bulk-and-stream", "send-stream", "handoff",
                          "completed", "canceled", "failed"},
        [JOB_REDIS][1] = {"connecting", "accumulate-buffer", "streaming-buffer", "wait-stream-eof",
                          "completed", "canceled", "failed"},
    };
    return states[job->dialect][at_target][job->phase];
}
