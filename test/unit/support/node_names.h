/* Lines and replies in which <N> stands for the id of the driver's node N. */
#ifndef UNIT_SUPPORT_NODE_NAMES_H
#define UNIT_SUPPORT_NODE_NAMES_H

#include "unit/support/node_driver.h"

/* The text with the ids in it; valid until the next call but three. */
const char *names_in(const node_driver *d, const char *text);

void names_expect_rows(node_driver *d, uint16_t index, const driver_row *rows, size_t count);
/* The test fails unless the reply has this in it. */
void names_expect_part(node_driver *d, uint16_t index, const char *line, const char *part);

#endif
