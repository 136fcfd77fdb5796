#include "scale/world.h"

#include "core/resp.h"

#include <stdio.h>
#include <stdlib.h>

#define TAKEOVER_US (SCALE_EVENT_US + 5 * SCALE_S)
#define RESTART_US (SCALE_EVENT_US + 2 * SCALE_S)
#define MOVED_SLOTS 1000
#define MOVES_A_SECOND 62
#define SLOT_STEP (SLOT_COUNT / MOVED_SLOTS) /* every so manieth slot moves */

void world_init(world *w, scale_event event, unsigned node_count) {
    *w = (world){.event = event, .primary_count = node_count / 2, .cached_version = UINT32_MAX};
    buffer_init(&w->slots_reply, &mem_default, 0);
}

void world_done(world *w) {
    buffer_done(&w->slots_reply);
}

/* How much has changed by now: the number of slots moved, or whether the replica took over. */
static unsigned version_at(const world *w, uint64_t now_us) {
    if (w->event == SCALE_FAILOVER) {
        return now_us >= TAKEOVER_US;
    }
    if (w->event == SCALE_RESHARD && now_us > SCALE_EVENT_US) {
        uint64_t moved = (now_us - SCALE_EVENT_US) * MOVES_A_SECOND / SCALE_S;
        return moved < MOVED_SLOTS ? (unsigned)moved : MOVED_SLOTS;
    }
    return 0;
}

static unsigned first_owner(const world *w, int slot) {
    return (unsigned)slot * w->primary_count / SLOT_COUNT;
}

static unsigned owner_in(const world *w, int slot, unsigned version) {
    unsigned owner = first_owner(w, slot);
    if (w->event == SCALE_FAILOVER && version > 0 && owner == 0) {
        return w->primary_count;
    }
    bool moves = slot % SLOT_STEP == 0 && slot / SLOT_STEP < (int)version;
    if (w->event == SCALE_RESHARD && moves) {
        return (owner + w->primary_count / 2) % w->primary_count;
    }
    return owner;
}

unsigned world_owner(const world *w, int slot, uint64_t now_us) {
    return owner_in(w, slot, version_at(w, now_us));
}

bool world_is_up(const world *w, unsigned node, uint64_t now_us) {
    if (w->event == SCALE_FAILOVER) {
        return node != 0 || now_us < SCALE_EVENT_US;
    }
    return w->event != SCALE_RESTART || now_us < SCALE_EVENT_US || now_us >= RESTART_US;
}

uint64_t world_cut_us(const world *w, unsigned node) {
    bool cut = w->event == SCALE_RESTART || (w->event == SCALE_FAILOVER && node == 0);
    return cut ? SCALE_EVENT_US : UINT64_MAX;
}

uint64_t world_epoch(const world *w, uint64_t now_us) {
    return w->primary_count + version_at(w, now_us);
}

static bool write_node(buffer *b, unsigned node) {
    return buffer_printf(b, "*4\r\n$9\r\n127.0.0.1\r\n:%u\r\n$40\r\n%040u\r\n*0\r\n",
                         SCALE_PORT + node, node);
}

static void write_slots(world *w, unsigned version) {
    buffer ranges;
    size_t count = 0;
    bool ok = true;
    buffer_init(&ranges, &mem_default, 0);
    for (int first = 0; ok && first < SLOT_COUNT;) {
        unsigned owner = owner_in(w, first, version);
        int last = first;
        while (last + 1 < SLOT_COUNT && owner_in(w, last + 1, version) == owner) {
            last++;
        }
        bool successor = owner >= w->primary_count; /* whose primary is dead: it has no replica */
        ok = buffer_printf(&ranges, "*%d\r\n:%d\r\n:%d\r\n", successor ? 3 : 4, first, last) &&
             write_node(&ranges, owner) &&
             (successor || write_node(&ranges, owner + w->primary_count));
        first = last + 1;
        count++;
    }
    buffer_clear(&w->slots_reply, SIZE_MAX);
    ok = ok && resp_write_array(&w->slots_reply, count) &&
         buffer_append_slice(&w->slots_reply, buffer_slice(&ranges));
    buffer_done(&ranges);
    if (!ok) {
        fprintf(stderr, "scale: out of memory\n");
        exit(1);
    }
}

kw_slice world_slots_reply(world *w, uint64_t now_us) {
    unsigned version = version_at(w, now_us);
    if (version != w->cached_version) {
        write_slots(w, version);
        w->cached_version = version;
    }
    return buffer_slice(&w->slots_reply);
}
