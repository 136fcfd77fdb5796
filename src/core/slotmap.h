/* Which node owns a slot, now: the newest accepted view, and above it the slots that MOVED patched
 * since (the overlay). A lookup is one load. Owns the overlay's memory; nodes are indices below
 * LIMIT_NODES that their keeper (core/cluster) gives meaning to.
 *
 * The overlay remembers when each patch was made, so that a view asked for before it cannot undo it
 * (ROUTING §4). */
#ifndef CORE_SLOTMAP_H
#define CORE_SLOTMAP_H

#include "base/mem.h"
#include "core/slot.h"

#define SLOTMAP_NONE UINT16_MAX

typedef struct slotmap {
    uint64_t generation; /* 0: nothing loaded */
    uint64_t created_us; /* when the view was accepted */
    uint32_t known_count;
    uint32_t suspect_count;
    uint32_t overlay_count;
    uint16_t owner[SLOT_COUNT]; /* view and overlay together */
    uint8_t suspect[SLOT_COUNT / 8];
    const mem *mem;
    uint32_t patch_count; /* patches ever made: the overlay's clock */
    uint32_t *patched_at; /* of each slot, which of them was its own; 0: not in the overlay. NULL
                             while the overlay is empty */
} slotmap;

void slotmap_init(slotmap *m, const mem *memory);
void slotmap_done(slotmap *m);

static inline bool slotmap_loaded(const slotmap *m) {
    return m->generation != 0;
}

/* A node, or SLOTMAP_NONE. */
static inline uint16_t slotmap_owner(const slotmap *m, int slot) {
    return m->owner[slot];
}

static inline bool slotmap_in_overlay(const slotmap *m, int slot) {
    return m->patched_at && m->patched_at[slot] != 0;
}

bool slotmap_is_suspect(const slotmap *m, int slot);
void slotmap_set_suspect(slotmap *m, int slot, bool suspect);

/* MOVED said so; true if the slot had no owner before (it is healed). */
bool slotmap_patch(slotmap *m, int slot, uint16_t node);
void slotmap_forget(slotmap *m, int slot);
/* The owner goes by another number; nothing else changes. */
void slotmap_rename(slotmap *m, int slot, uint16_t node);

/* Takes a view over: owners[slot] is a node or SLOTMAP_NONE. Overlay entries made after
 * the view was asked for (patch_count was requested_at then) stay. With keep_holes, slots that the
 * view does not cover keep their owner, marked suspect. Returns the number of slots whose owner
 * changed; *ret_healed: of these, had none. */
uint32_t slotmap_accept(slotmap *m, const uint16_t owners[SLOT_COUNT], bool keep_holes,
                        uint32_t requested_at, uint64_t now_us, uint32_t *ret_healed);

#endif
