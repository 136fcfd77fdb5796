/* What the cluster really was at each time, and what the client could know of it: whether each
 * redirect it met was one that it had to meet. */
#ifndef TEST_SIM_SUPPORT_SIM_TRUTH_H
#define TEST_SIM_SUPPORT_SIM_TRUTH_H

#include "core/slot.h"
#include "core/watch.h"

#define TRUTH_CHANGES 4

struct sim;
struct sim_client;

typedef struct cluster_truth {
    uint64_t epoch;
    uint32_t slot_counts_hash;
    uint16_t owner[SLOT_COUNT];
    uint64_t had[SLOT_COUNT]; /* a bit for each node that ever owned the slot, or was said to */
    bool lied[SLOT_COUNT];
    bool migrating[SLOT_COUNT];
    /* The last changes of the owner, or of the marks of a migration; the newest first. */
    uint64_t changed_us[SLOT_COUNT][TRUTH_CHANGES];
} cluster_truth;

typedef struct client_truth {
    uint64_t moved_us[SLOT_COUNT];   /* it was last told MOVED then, */
    uint16_t moved_from[SLOT_COUNT]; /* by this node */
    uint32_t ask_serial;
    uint64_t asked_us; /* when it last asked for a view */
    uint64_t epoch_taken;
    uint32_t known_count;
    unsigned
        behind; /* views refused for their epoch, and for their size, since the last accepted */
    unsigned smaller;
    bool blind; /* its memory was short: events may be lost */
} client_truth;

void truth_init(struct sim *s);
/* After each step. */
void truth_note(struct sim *s);
/* A migration of the slot begins or ends. */
void truth_migrates(struct sim *s, int slot, bool begins);
/* Nothing about the slot has changed since then, nor is it about to. */
bool truth_is_settled(const struct sim *s, int slot, uint64_t since_us);
/* From now on nodes may say of the slot what is not true. */
void truth_lie(struct sim *s, int slot, uint16_t a, uint16_t b);
/* The client tells what it did with a view. */
void truth_view_refused(struct sim_client *k, const char *text);
void truth_view_accepted(struct sim_client *k);
/* Slots were taken out of the client's map on purpose. */
void truth_forgotten(struct sim_client *k);
/* The way of a command that has ended, submitted at submitted_us. */
void truth_check_hops(struct sim_client *k, size_t index, const kw_trace *t, uint64_t submitted_us);

#endif
