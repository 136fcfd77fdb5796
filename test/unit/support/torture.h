/* A scenario in which memory runs out: run as often as it has allocations, each failed alone; with
 * runs of them failed; and with pairs that a seed picks, KEYWAY_OOM_PAIRS (60) of them. The
 * scenario does its own checks; what fails is named, and KEYWAY_OOM_ONLY=AT[,ALSO] runs just that.
 */
#ifndef TEST_UNIT_SUPPORT_TORTURE_H
#define TEST_UNIT_SUPPORT_TORTURE_H

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

typedef struct torture {
    const char *name;
    const void *arg; /* of the scenario */
    size_t at;       /* 0: nothing fails */
    size_t count;    /* ... and so many that follow */
    size_t also;
    size_t calls; /* allocations while it was armed */
    bool armed_once;
} torture;

/* Between these, allocations are counted and fail. Memory that is armed again goes on counting. */
void torture_arm(torture *t, failing_mem *memory);
void torture_disarm(torture *t, failing_mem *memory);

typedef void torture_fn(torture *t);
/* At least so many allocations there must be, else the scenario is not what it says. */
void torture_run(const char *name, torture_fn *scenario, const void *arg, size_t least);

#endif
