#include "base/suggest.h"

#include <stddef.h>
#include <string.h>

enum { WORD_MAX = 31 };

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Letters to change, add, leave out or swap with their neighbour (optimal string alignment). */
static int distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    int rows[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (int)(i + j);
                continue;
            }
            int change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            rows[i][j] = least(change, least(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
            }
        }
    }
    return rows[a_len][b_len];
}

const char *suggest(const char *word, const char *const *names) {
    const char *best = NULL;
    size_t len = strlen(word);
    int limit = len <= 3 ? 1 : len <= 6 ? 2 : 3;
    if (len == 0 || len > WORD_MAX) {
        return NULL;
    }
    for (; *names; names++) {
        size_t name_len = strlen(*names);
        if (name_len > WORD_MAX) {
            continue;
        }
        int steps =
            len >= 2 && strncmp(*names, word, len) == 0 ? 0 : distance(word, len, *names, name_len);
        if (steps <= limit) {
            best = *names;
            limit = steps - 1;
        }
    }
    return best;
}
