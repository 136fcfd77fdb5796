/* What a primary has sent to one replica and the replica has not run yet: commands, each with the
 * time at which it ran and the time at which it arrives. Owns copies; bounded. */
#ifndef NODE_FLEET_STREAM_H
#define NODE_FLEET_STREAM_H

#include "base/list.h"
#include "base/mem.h"
#include "base/slice.h"

#define STREAM_NEVER UINT64_MAX

typedef struct stream_record {
    list in_inbox;
    uint64_t run_us;
    uint64_t due_us;
    size_t argc;
    kw_slice *argv;
    uint64_t bytes;
} stream_record;

typedef struct stream_inbox {
    const mem *mem;
    list records;
    uint64_t bytes;
    uint64_t bytes_max;
} stream_inbox;

void inbox_init(stream_inbox *in, const mem *m, uint64_t bytes_max);
void inbox_clear(stream_inbox *in);
static inline bool inbox_is_empty(const stream_inbox *in) {
    return list_empty(&in->records);
}

/* False if memory is short or bytes_max would be passed: nothing was added. */
KW_CHECKED bool inbox_push(stream_inbox *in, const kw_slice *argv, size_t argc, uint64_t run_us,
                           uint64_t due_us);
/* When the first record arrives; STREAM_NEVER if there is none. */
uint64_t inbox_due_us(const stream_inbox *in);
/* The first record, to be given back with inbox_done; NULL if there is none. */
stream_record *inbox_take(stream_inbox *in);
void inbox_done(stream_inbox *in, stream_record *record);
/* Forgets what arrives after now_us. */
void inbox_drop_after(stream_inbox *in, uint64_t now_us);

#endif
