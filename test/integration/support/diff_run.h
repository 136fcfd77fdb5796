/* Runs a plan on a real cluster and on a lab, both in the same state at its beginning, and compares
 * what they answer. After a step of administration both are waited for until they show the same;
 * a real replica is read when it has caught up; messages are compared when they must have come. */
#ifndef INTEGRATION_SUPPORT_DIFF_RUN_H
#define INTEGRATION_SUPPORT_DIFF_RUN_H

#include "integration/support/diff_list.h"
#include "integration/support/diff_plan.h"

typedef struct diff_run diff_run;

diff_run *diff_run_new(redis_cluster *cluster, diff_list *differences,
                       const diff_tag tags[DIFF_TAGS]);
void diff_run_free(diff_run *r);

/* Where the two differed. */
typedef struct diff_mismatch {
    size_t step;
    buffer server; /* as text */
    buffer lab;
} diff_mismatch;
void diff_mismatch_done(diff_mismatch *m);

/* Brings both sides to the beginning and runs the steps whose `left_out` is false (NULL: all);
 * false at the first difference. */
bool diff_run_plan(diff_run *r, const diff_plan *plan, const bool *left_out, diff_mismatch *ret);

/* Commands compared so far. */
size_t diff_run_count(const diff_run *r);
/* Prints how they were answered. */
void diff_run_report(const diff_run *r);

#endif
