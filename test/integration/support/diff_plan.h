/* What the generated differential test does in one episode: commands on several connections to each
 * of the nodes, and slots that are opened, moved, unassigned and closed meanwhile. Made from a seed
 * alone, before anything runs, so that it can be run again, and again with steps left out. */
#ifndef INTEGRATION_SUPPORT_DIFF_PLAN_H
#define INTEGRATION_SUPPORT_DIFF_PLAN_H

#include "integration/support/diff_grammar.h"

enum { DIFF_TAGS = 9 };

/* A hash tag whose slot the episodes use. */
typedef struct diff_tag {
    char text[8];
    int slot;  /* this one, and the next without its keys */
    int owner; /* when an episode begins */
} diff_tag;

/* Chooses the tags: as many of each primary. */
void diff_tags_choose(const redis_cluster *cluster, diff_tag tags[DIFF_TAGS]);

/* What is to be expected on a connection, beside one reply a command. */
typedef enum diff_lane_kind {
    DIFF_LANE_PLAIN,
    DIFF_LANE_SUBSCRIBER, /* any number of messages; it is never in MULTI */
    DIFF_LANE_BLOCKER     /* its commands may wait long */
} diff_lane_kind;
diff_lane_kind diff_kind_of(int connection);

typedef struct diff_step {
    int connection;
    size_t argc;
    kw_slice *argv; /* one block with the words' bytes */
} diff_step;

typedef struct diff_plan {
    size_t count, capacity;
    diff_step *steps;
} diff_plan;

void diff_plan_make(diff_plan *plan, const diff_grammar *grammar, const diff_tag tags[DIFF_TAGS],
                    uint64_t seed, size_t step_count);
void diff_plan_done(diff_plan *plan);

/* A step as a line of lab_differential.txt. */
void diff_step_write(buffer *b, const diff_step *step);

#endif
