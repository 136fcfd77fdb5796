#include "core/slotmap.h"

#include "core/mutant.h"

void slotmap_init(slotmap *m, const mem *memory) {
    memset(m, 0, sizeof *m);
    m->mem = memory;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        m->owner[slot] = SLOTMAP_NONE;
    }
}

void slotmap_done(slotmap *m) {
    mem_free(m->mem, m->patched_at);
    m->patched_at = NULL;
}

bool slotmap_is_suspect(const slotmap *m, int slot) {
    return (m->suspect[slot / 8] >> (slot % 8)) & 1;
}

void slotmap_set_suspect(slotmap *m, int slot, bool suspect) {
    if (slotmap_is_suspect(m, slot) == suspect) {
        return;
    }
    m->suspect[slot / 8] = (uint8_t)(m->suspect[slot / 8] ^ (1u << (slot % 8)));
    m->suspect_count += suspect ? 1u : UINT32_MAX;
}

static void set_owner(slotmap *m, int slot, uint16_t node) {
    m->known_count += (node != SLOTMAP_NONE ? 1u : 0u) - (m->owner[slot] != SLOTMAP_NONE ? 1u : 0u);
    m->owner[slot] = node;
}

static void drop_overlay(slotmap *m, int slot) {
    if (slotmap_in_overlay(m, slot)) {
        m->patched_at[slot] = 0;
        if (--m->overlay_count == 0) {
            slotmap_done(m);
        }
    }
}

/* Without memory the patch is made all the same; a view asked for before may then undo it. */
static void mark_patched(slotmap *m, int slot) {
    if (!m->patched_at) {
        m->patched_at = mem_calloc(m->mem, SLOT_COUNT, sizeof *m->patched_at);
    }
    if (m->patched_at) {
        m->overlay_count += m->patched_at[slot] == 0;
        m->patched_at[slot] = m->patch_count;
    }
}

bool slotmap_patch(slotmap *m, int slot, uint16_t node) {
    bool healed = m->owner[slot] == SLOTMAP_NONE;
    m->patch_count++;
    mark_patched(m, slot);
    slotmap_set_suspect(m, slot, false);
    set_owner(m, slot, node);
    m->generation++;
    return healed;
}

void slotmap_forget(slotmap *m, int slot) {
    drop_overlay(m, slot);
    slotmap_set_suspect(m, slot, false);
    set_owner(m, slot, SLOTMAP_NONE);
}

void slotmap_rename(slotmap *m, int slot, uint16_t node) {
    m->owner[slot] = node;
}

/* What a MOVED said after the view was asked for stays; what it said before ends. */
static bool is_fenced(slotmap *m, int slot, uint32_t requested_at) {
    if (!slotmap_in_overlay(m, slot)) {
        return false;
    }
    bool fenced = m->patched_at[slot] > requested_at && !MUTANT(OVERLAY_UNFENCED);
    if (!fenced) {
        drop_overlay(m, slot);
    }
    return fenced;
}

uint32_t slotmap_accept(slotmap *m, const uint16_t owners[SLOT_COUNT], bool keep_holes,
                        uint32_t requested_at, uint64_t now_us, uint32_t *ret_healed) {
    uint32_t changed = 0;
    uint32_t healed = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t before = m->owner[slot];
        uint16_t after = owners[slot];
        if (is_fenced(m, slot, requested_at)) {
            continue;
        }
        bool kept = keep_holes && after == SLOTMAP_NONE && before != SLOTMAP_NONE;
        if (kept || m->suspect_count > 0) {
            slotmap_set_suspect(m, slot, kept);
        }
        if (!kept && after != before) {
            changed++;
            healed += before == SLOTMAP_NONE;
            set_owner(m, slot, after);
        }
    }
    *ret_healed = slotmap_loaded(m) ? healed : 0;
    m->generation++;
    m->created_us = now_us;
    return changed;
}
