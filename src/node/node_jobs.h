/* Jobs that move slots from server to server by themselves: Valkey 9's CLUSTER MIGRATESLOTS, asked
 * of the source, and Redis 8.4's CLUSTER MIGRATION IMPORT, asked of the target. Their phases go by
 * the clock; whoever owns the nodes makes the steps (fleet_jobs.c), here they are kept and told of.
 * Owns the jobs; finished ones are kept up to a number. */
#ifndef NODE_NODE_JOBS_H
#define NODE_NODE_JOBS_H

#include "base/list.h"
#include "node/node_view.h"

#define JOBS_MAX 1000
#define JOB_RANGES_MAX 1024

typedef enum job_dialect { JOB_VALKEY, JOB_REDIS } job_dialect;

typedef enum job_phase {
    JOB_CONNECTING,
    JOB_SNAPSHOT, /* the target gets a copy */
    JOB_STREAM,   /* and what was written meanwhile */
    JOB_PAUSED,   /* the source lets nobody write; then the slots are the target's */
    JOB_SUCCESS,
    JOB_CANCELLED,
    JOB_FAILED
} job_phase;

typedef struct slot_range {
    int first;
    int last;
} slot_range;

typedef struct slot_job {
    list in_jobs;
    char id[NODE_ID_SIZE];
    job_dialect dialect;
    uint16_t source;
    uint16_t target;
    char source_id[NODE_ID_SIZE];
    char target_id[NODE_ID_SIZE];
    job_phase phase;
    uint64_t created_us;
    uint64_t started_us;
    uint64_t updated_us;
    uint64_t paused_us;
    uint64_t ended_us;
    uint64_t due_us; /* the next step */
    unsigned retry_count;
    char message[96];
    size_t range_count;
    slot_range ranges[];
} slot_job;

typedef struct slot_jobs {
    const mem *mem;
    list jobs; /* the newest first */
    size_t count;
} slot_jobs;

void slot_jobs_init(slot_jobs *jobs, const mem *m);
void slot_jobs_done(slot_jobs *jobs);

/* A job that is not in the list yet; NULL if memory is short. */
KW_CHECKED slot_job *slot_job_new(const mem *m, const slot_range *ranges, size_t range_count);
/* Takes it over. The oldest finished one makes room; false: all are at work, it stays yours. */
KW_CHECKED bool slot_jobs_add(slot_jobs *jobs, slot_job *job);

static inline bool slot_job_active(const slot_job *job) {
    return job->phase < JOB_SUCCESS;
}
bool slot_job_has(const slot_job *job, int first, int last);
void slot_job_end(slot_job *job, job_phase phase, const char *message, uint64_t now_us);
/* As a server of that dialect tells of it, at the source or at the target. */
const char *slot_job_state(const slot_job *job, bool at_target);

#endif
