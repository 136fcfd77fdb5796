/* Memory that can be set back: what a target builds before snapshot_take is put back byte for byte
 * by snapshot_restore, so that a fleet is made once and not for each input. AddressSanitizer
 * watches each block, also those of the snapshot. A piece that is too large is refused, as if
 * memory were short, so that an input stays quick. */
#ifndef TEST_FUZZ_SNAPSHOT_H
#define TEST_FUZZ_SNAPSHOT_H

#include "base/mem.h"

typedef struct snapshot snapshot;

snapshot *snapshot_new(size_t piece_bytes_max);
const mem *snapshot_mem(snapshot *s);
/* What lives now is what to go back to. */
void snapshot_take(snapshot *s);
/* Everything must have been released by now, as it is at the end of a program: else it leaks. */
void snapshot_restore(snapshot *s);
/* How many pieces were too large since the last restore. */
unsigned snapshot_refused(const snapshot *s);

#endif
