#include "tool/grouped.h"

#include <stdio.h>

const char *grouped(uint64_t n, char ret[GROUPED_BYTES]) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *at = ret;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *at++ = ' ';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return ret;
}
