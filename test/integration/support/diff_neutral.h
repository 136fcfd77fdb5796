/* A reply with what differs between the two sides by nature taken out: their nodes' ports and ids
 * become @P0 and @ID0. An id is known by its bytes; a port by where it stands, for an offset, an
 * epoch or a value may be the same number. */
#ifndef INTEGRATION_SUPPORT_DIFF_NEUTRAL_H
#define INTEGRATION_SUPPORT_DIFF_NEUTRAL_H

#include "integration/support/diff_side.h"

/* Appends the reply, which is whole. */
void diff_neutral(const diff_side *s, kw_slice reply, buffer *ret);

#endif
