#include "node/node_scan.h"

#include "base/number.h"
#include "node/node_glob.h"

/* As strtoul reads it: a sign may lead, nothing at all is 0, and a zero byte is the end. */
bool scan_read_cursor(node_call *c, size_t index, uint64_t *ret) {
    kw_slice s = slice_of(c->argv[index].data, strnlen(c->argv[index].data, c->argv[index].len));
    uint64_t value = 0;
    bool negative = s.len > 1 && s.data[0] == '-';
    if (negative || (s.len > 1 && s.data[0] == '+')) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    if (s.len > 0 && !slice_to_u64(s, &value)) {
        call_error(c, "ERR invalid cursor");
        return false;
    }
    *ret = negative ? 0 - value : value;
    return true;
}

bool scan_read_options(node_call *c, size_t index, bool typed, scan_options *ret) {
    int64_t count = 10;
    *ret = (scan_options){.pattern = SLICE_LITERAL("*"), .type = SLICE_LITERAL("")};
    for (size_t i = index; i < c->argc; i += 2) {
        bool has_value = i + 1 < c->argc;
        if (has_value && call_argument_is(c, i, "count")) {
            if (!call_read_integer(c, i + 1, &count)) {
                return false;
            }
            if (count < 1) {
                call_syntax_error(c);
                return false;
            }
        } else if (has_value && call_argument_is(c, i, "match")) {
            ret->pattern = c->argv[i + 1];
        } else if (has_value && typed && call_argument_is(c, i, "type")) {
            ret->type = c->argv[i + 1];
        } else {
            call_syntax_error(c);
            return false;
        }
    }
    ret->count = (uint64_t)count;
    return true;
}

bool scan_matches(const scan_options *options, kw_slice name) {
    return slice_is(options->pattern, "*") || glob_match(options->pattern, name);
}

void scan_answer_head(node_call *c, uint64_t cursor, size_t count) {
    char text[NUMBER_U64_BYTES];
    call_array(c, 2);
    call_bulk(c, slice_of(text, number_from_u64(text, cursor)));
    call_array(c, count);
}
