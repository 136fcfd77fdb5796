/* Faults that can be put into the brain on purpose, one at a time, to see that the simulation
 * catches them (docs/testing.md). They exist in the simulation's own build of this folder only
 * (KEYWAY_MUTANTS); everywhere else MUTANT is a constant and leaves no code behind. */
#ifndef CORE_MUTANT_H
#define CORE_MUTANT_H

#include <stdbool.h>

/* What each does wrong. */
#define MUTANTS(X)                                                                                 \
    X(NO_ASKING, "a command redirected by ASK is sent without ASKING")                             \
    X(ASK_PATCHES_MAP, "ASK changes the map, as MOVED does")                                       \
    X(MOVED_NOT_LEARNED, "MOVED changes nothing in the map, and asks for no refresh")              \
    X(OVERLAY_UNFENCED, "a view asked for before a MOVED overrides what that said")                \
    X(OLD_EPOCH_ACCEPTED, "a view of an older epoch is taken over")                                \
    X(SMALLER_VIEW_ACCEPTED, "a view with fewer slots is taken over on one node's word")           \
    X(WRITE_RESENT, "a write is sent again after its connection was lost")                         \
    X(MAYBE_IS_NOT_SENT, "a command that may have been executed ends as not sent")                 \
    X(NO_ORDER, "a slot's commands follow each other to its new node without waiting")             \
    X(REFUSED_IS_FINAL, "TRYAGAIN ends a command")                                                 \
    X(REFRESH_NOT_SINGLE, "a refresh begins while another one runs")                               \
    X(GAP_IGNORED, "a refresh begins as soon as one is asked for")                                 \
    X(NO_PROBE, "a command for a slot without owner waits for a better map only")                  \
    X(DEADLINE_IGNORED, "no command ends at its deadline")                                         \
    X(STALE_INPUT, "what a lost connection had begun to say is read on by the next one")           \
    X(REPLY_SHIFTED, "the reply of a command that timed out goes to the next one")                 \
    X(COMPLETED_TWICE, "a command that timed out completes again when its reply comes")            \
    X(DRAIN_CUTS, "the connections of a node that leaves are closed with replies due")             \
    X(LINKS_KEPT, "the connections of a node that left stay open")                                 \
    X(LOAN_KEPT, "the rest of a command that timed out is read where its caller had it")           \
    X(REQUEST_LEAKED, "a command that timed out is not freed when its reply comes")                \
    X(BLOCKING_SHARES, "a blocking command goes into the pipeline that all share")                 \
    X(BLOCKING_KEPT, "a blocking command stays at its server after its deadline")                  \
    X(BLOCKING_IN_LANE, "a blocking command holds back what comes after it in its slot")           \
    X(BLOCKING_ANEW, "a blocking command that goes on elsewhere blocks there for all its time")    \
    X(BLOCKING_UNBOUNDED, "each blocking command gets a connection, however many there are")       \
    X(BLOCKING_POOL_KEPT, "connections of blocking commands stay open when they are idle")         \
    X(UNBLOCKED_IS_FINAL, "a command that its server gave up in a failover ends with that error")

typedef enum mutant {
    MUTANT_NONE,
#define X(name, what) MUTANT_##name,
    MUTANTS(X)
#undef X
        MUTANT_COUNT
} mutant;

#ifdef KEYWAY_MUTANTS
extern mutant mutant_chosen;
#define MUTANT(name) (mutant_chosen == MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
