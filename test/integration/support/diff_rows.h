/* How often the lab's nodes met each row of the rules of redirection while a test ran. The program
 * must be linked with --wrap=node_redirect_decide. */
#ifndef INTEGRATION_SUPPORT_DIFF_ROWS_H
#define INTEGRATION_SUPPORT_DIFF_ROWS_H

#include <stddef.h>

/* Prints each row with its hits; the number of those never met. */
size_t diff_rows_report(void);

#endif
