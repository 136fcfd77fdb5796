#include "node/node_glob.h"

/* Does the class that begins at pattern[*at] (a '[') hold the byte? *at is then behind it. An
 * unclosed class ends with the pattern. */
static bool class_holds(kw_slice pattern, size_t *at, unsigned char byte) {
    size_t i = *at + 1;
    bool negated = i < pattern.len && pattern.data[i] == '^';
    bool found = false;
    i += negated;
    for (; i < pattern.len && pattern.data[i] != ']'; i++) {
        if (pattern.data[i] == '\\' && i + 1 < pattern.len) {
            i++;
            found = found || (unsigned char)pattern.data[i] == byte;
        } else if (i + 2 < pattern.len && pattern.data[i + 1] == '-') {
            unsigned char low = (unsigned char)pattern.data[i];
            unsigned char high = (unsigned char)pattern.data[i + 2];
            found =
                found || (low <= high ? low <= byte && byte <= high : high <= byte && byte <= low);
            i += 2;
        } else {
            found = found || (unsigned char)pattern.data[i] == byte;
        }
    }
    *at = i < pattern.len ? i + 1 : i;
    return found != negated;
}

/* One pattern element other than '*' against one byte; *at moves behind the element. */
static bool element_matches(kw_slice pattern, size_t *at, unsigned char byte) {
    char symbol = pattern.data[*at];
    if (symbol == '[') {
        return class_holds(pattern, at, byte);
    }
    if (symbol == '\\' && *at + 1 < pattern.len) {
        ++*at;
        symbol = pattern.data[*at];
    } else if (symbol == '?') {
        ++*at;
        return true;
    }
    ++*at;
    return (unsigned char)symbol == byte;
}

bool glob_match(kw_slice pattern, kw_slice text) {
    size_t p = 0;
    size_t t = 0;
    if (text.len == 0) {
        return pattern.len == 0; /* not even "*" matches nothing, to the servers */
    }
    size_t star = SIZE_MAX; /* behind the last '*' met, and the text that it was tried from */
    size_t star_text = 0;
    while (t < text.len || p < pattern.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        size_t next = p;
        if (p < pattern.len && t < text.len &&
            element_matches(pattern, &next, (unsigned char)text.data[t])) {
            p = next;
            t++;
            continue;
        }
        if (star == SIZE_MAX || star_text >= text.len) {
            return false;
        }
        p = star;
        t = ++star_text;
    }
    return true;
}
