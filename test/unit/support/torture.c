#include "unit/support/torture.h"

#include "base/prng.h"

#include <stdlib.h>

#define PAIRS 60
#define RUN_STEP 3   /* every so many allocations one run of failures begins ... */
#define RUNS_MAX 100 /* ... but not at more places than this */
#define FOR_GOOD 1000000000

static torture latest;

/* cmocka leaves a test by a jump: what it was at is told at the end. */
static void tell_failure(void) {
    if (latest.name) {
        fprintf(stderr, "%s: failed while allocation %zu (and %zu that follow), and %zu failed\n",
                latest.name, latest.at, latest.count, latest.also);
    }
}

void torture_arm(torture *t, failing_mem *memory) {
    memory->fail_after = false;
    memory->fail_count = t->count;
    memory->fail_also = t->also;
    if (t->armed_once) {
        memory->fail_at = t->at;
        memory->call_count = t->calls;
    } else {
        failing_mem_fail_at(memory, t->at);
    }
    t->armed_once = true;
}

void torture_disarm(torture *t, failing_mem *memory) {
    t->calls = memory->call_count;
    memory->fail_at = 0;
}

static size_t run_once(torture t, torture_fn *scenario) {
    latest = t;
    scenario(&t);
    return t.calls;
}

static unsigned pairs_wanted(void) {
    const char *text = getenv("KEYWAY_OOM_PAIRS");
    return text ? (unsigned)strtoul(text, NULL, 10) : PAIRS;
}

static bool run_only(torture t, torture_fn *scenario) {
    const char *text = getenv("KEYWAY_OOM_ONLY");
    if (text) {
        char *rest;
        t.at = strtoul(text, &rest, 10);
        t.also = *rest == ',' ? strtoul(rest + 1, NULL, 10) : 0;
        (void)run_once(t, scenario);
    }
    return text != NULL;
}

void torture_run(const char *name, torture_fn *scenario, const void *arg, size_t least) {
    static bool registered;
    torture plain = {.name = name, .arg = arg};
    prng random;
    size_t runs = 0;
    if (!registered) {
        registered = true;
        atexit(tell_failure);
    }
    tell_failure(); /* of the scenario before */
    latest.name = NULL;
    if (run_only(plain, scenario)) {
        return;
    }
    size_t calls = run_once(plain, scenario);
    if (calls < least) {
        fail_msg("%s has %zu allocations only", name, calls);
    }
    size_t step = calls / RUNS_MAX > RUN_STEP ? calls / RUNS_MAX : RUN_STEP;
    for (size_t at = 1; at <= calls; at++) {
        torture t = plain;
        t.at = at;
        (void)run_once(t, scenario);
    }
    for (size_t at = 1; at <= calls; at += step, runs++) {
        torture t = plain;
        t.at = at;
        t.count = runs % 4 == 0 ? FOR_GOOD : 1 + runs % 40;
        (void)run_once(t, scenario);
    }
    prng_init(&random, 1);
    for (unsigned i = 0; i < pairs_wanted(); i++) {
        torture t = plain;
        t.at = 1 + (size_t)prng_below(&random, calls);
        t.also = t.at + 1 + (size_t)prng_below(&random, calls);
        (void)run_once(t, scenario);
    }
    latest.name = NULL;
    printf("%s: %zu allocations failed each alone, %zu runs of them, %u pairs\n", name, calls, runs,
           pairs_wanted());
}
