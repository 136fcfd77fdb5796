/* What the cluster really was at each time, and what the client could know of it: whether each
 * redirect it met was one that it had to meet. */
#ifndef TEST_SIM_SUPPORT_SIM_TRUTH_H
#define TEST_SIM_SUPPORT_SIM_TRUTH_H

#include "core/slot.h"
#include "core/watch.h"

#define TRUTH_CHANGES 4

struct sim;

typedef struct sim_truth {
    uint64_t epoch;
    uint32_t slot_counts_hash;
    uint16_t owner[SLOT_COUNT];
    uint64_t had[SLOT_COUNT]; /* a bit for each node that ever owned the slot */
    /* The last changes of the owner, or of the marks of a migration; the newest first. */
    uint64_t changed_us[SLOT_COUNT][TRUTH_CHANGES];
    uint64_t moved_us[SLOT_COUNT];   /* the client was last told MOVED then, */
    uint16_t moved_from[SLOT_COUNT]; /* by this node */
    uint32_t ask_serial;
    uint64_t asked_us; /* when the client last asked for a view */
    uint64_t epoch_taken;
    uint32_t known_count;
    unsigned
        behind; /* views refused for their epoch, and for their size, since the last accepted */
    unsigned smaller;
    uint64_t healed_us; /* from then on nothing was wrong; 0: not yet */
} sim_truth;

void truth_init(struct sim *s);
/* After each step. */
void truth_note(struct sim *s);
/* A migration of the slot begins or ends. */
void truth_marks_change(struct sim *s, int slot);
/* The client tells what it did with a view. */
void truth_view_refused(struct sim *s, const char *text);
void truth_view_accepted(struct sim *s);
/* Slots were taken out of the client's map on purpose. */
void truth_forgotten(struct sim *s);
/* The way of a command that has ended, submitted at submitted_us. */
void truth_check_hops(struct sim *s, size_t index, const kw_trace *t, uint64_t submitted_us);

#endif
