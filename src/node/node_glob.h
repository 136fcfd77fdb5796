/* Patterns of KEYS and SCAN: *, ?, [abc], [^a-z] and backslash. */
#ifndef NODE_NODE_GLOB_H
#define NODE_NODE_GLOB_H

#include "base/slice.h"

bool glob_match(kw_slice pattern, kw_slice text);

#endif
