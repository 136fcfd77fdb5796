#include "core/resp_cursor.h"

#include <assert.h>

#define VERBATIM_FORMAT_BYTES 4 /* "txt:" */

static bool take_string(resp_cursor *c, resp_item *ret) {
    if (ret->number < 0) {
        ret->type = '_';
        return true;
    }
    size_t len = (size_t)ret->number;
    size_t left = (size_t)(c->end - c->at);
    if (left < len || left - len < 2) {
        return false;
    }
    size_t format = ret->type == '=' ? VERBATIM_FORMAT_BYTES : 0;
    ret->text = slice_of(c->at + format, len - format);
    c->at += len + 2;
    return true;
}

static void take_line(resp_cursor *c, resp_item *ret) {
    const char *cr = memchr(c->at, '\r', (size_t)(c->end - c->at));
    assert(cr);
    ret->text = slice_of(c->at, (size_t)(cr - c->at));
    c->at = cr + 2;
}

/* As resp_next, but an attribute is met. */
static bool take(resp_cursor *c, resp_item *ret) {
    if (c->at == c->end) {
        return false;
    }
    *ret = (resp_item){.type = *c->at++};
    switch (ret->type) {
    case '$':
    case '!':
    case '=':
        ret->number = resp_take_number(&c->at);
        return take_string(c, ret);
    case ':':
        ret->number = resp_take_number(&c->at);
        return true;
    case '*':
    case '~':
    case '>':
        ret->number = resp_take_number(&c->at);
        ret->type = ret->number < 0 ? '_' : ret->type;
        return true;
    case '%':
    case '|':
        ret->number = resp_take_number(&c->at) * 2;
        return true;
    case '#':
        ret->number = *c->at == 't';
        c->at += sizeof "t\r\n" - 1;
        return true;
    default:
        take_line(c, ret);
        return true;
    }
}

/* Passes over a value or the head of one, of which *count more are to come then. */
static bool pass(resp_cursor *c, uint64_t *count) {
    if (c->at == c->end) {
        return false;
    }
    char type = *c->at++;
    if (type == '+' || type == '-' || type == ',' || type == '(' || type == '#' || type == '_') {
        resp_item line;
        take_line(c, &line);
        return true;
    }
    int64_t number = resp_take_number(&c->at);
    if (number < 0 || type == ':') {
        return true;
    }
    if (type == '$' || type == '!' || type == '=') {
        resp_item string = {.number = number};
        return take_string(c, &string);
    }
    *count += (uint64_t)number * (type == '%' || type == '|' ? 2 : 1) + (type == '|');
    return true;
}

static bool skip(resp_cursor *c, uint64_t count) {
    while (count > 0 && pass(c, &count)) {
        count--;
    }
    return count == 0;
}

bool resp_next(resp_cursor *c, resp_item *ret) {
    bool whole = take(c, ret);
    while (whole && ret->type == '|') {
        whole = skip(c, (uint64_t)ret->number) && take(c, ret);
    }
    return whole;
}

bool resp_skip(resp_cursor *c) {
    return skip(c, 1);
}
