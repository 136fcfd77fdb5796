#include "node/node_args.h"

#include "node/node_block.h"
#include "node/node_number.h"

bool args_read_in_range(node_call *c, size_t index, int64_t min, int64_t max, const char *message,
                        int64_t *ret) {
    int64_t value;
    if (!number_read_integer(c->argv[index], &value)) {
        call_error(c, message ? message : "ERR value is not an integer or out of range");
        return false;
    }
    if (value < min || value > max) {
        if (message) {
            call_error(c, message);
        } else {
            call_errorf(c, "ERR value is out of range, value must between %lld and %lld",
                        (long long)min, (long long)max);
        }
        return false;
    }
    *ret = value;
    return true;
}

bool args_read_count(node_call *c, size_t index, int64_t *ret) {
    return args_read_in_range(c, index, 0, INT64_MAX, "ERR value is out of range, must be positive",
                              ret);
}

bool args_read_counted_keys(node_call *c, size_t index, size_t *ret) {
    int64_t count;
    if (!args_read_in_range(c, index, 1, INT64_MAX, "ERR numkeys should be greater than 0",
                            &count)) {
        return false;
    }
    if ((uint64_t)count >= c->argc - index - 1) {
        call_syntax_error(c);
        return false;
    }
    *ret = (size_t)count;
    return true;
}

bool args_read_pop_count(node_call *c, size_t index, int64_t *ret) {
    if (index == c->argc) {
        return true;
    }
    if (index + 1 == c->argc || !call_argument_is(c, index, "count")) {
        call_syntax_error(c);
        return false;
    }
    if (!args_read_in_range(c, index + 1, 1, INT64_MAX, "ERR count should be greater than 0",
                            ret)) {
        return false;
    }
    if (index + 2 < c->argc) {
        call_syntax_error(c);
        return false;
    }
    return true;
}

bool args_read_either(node_call *c, size_t index, const char *first, const char *second,
                      bool *ret_second) {
    bool is_second = call_argument_is(c, index, second);
    if (!is_second && !call_argument_is(c, index, first)) {
        call_syntax_error(c);
        return false;
    }
    *ret_second = is_second;
    return true;
}

bool args_read_double(node_call *c, size_t index, const char *message, double *ret) {
    if (number_read_double(c->argv[index], ret)) {
        return true;
    }
    call_error(c, message);
    return false;
}

static bool read_deadline(node_call *c, int64_t timeout_ms, uint64_t *ret_deadline_us) {
    if (timeout_ms < 0) {
        call_error(c, "ERR timeout is negative");
        return false;
    }
    bool never = timeout_ms == 0 || (uint64_t)timeout_ms >= (BLOCK_NEVER - c->now_us) / 1000;
    *ret_deadline_us = never ? BLOCK_NEVER : c->now_us + (uint64_t)timeout_ms * 1000;
    return true;
}

bool args_read_timeout(node_call *c, size_t index, uint64_t *ret_deadline_us) {
    long double seconds;
    if (!number_read_float(c->argv[index], &seconds)) {
        call_error(c, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = seconds * 1000;
    /* What does not fit becomes the lowest integer, as by the servers' conversion. */
    int64_t whole = ms >= -0x1p63L && ms < 0x1p63L ? (int64_t)ms : INT64_MIN;
    bool broken = whole < INT64_MAX && whole != INT64_MIN && (long double)whole < ms;
    return read_deadline(c, whole + broken, ret_deadline_us);
}

bool args_read_timeout_ms(node_call *c, size_t index, uint64_t *ret_deadline_us) {
    int64_t ms;
    if (!number_read_integer(c->argv[index], &ms)) {
        call_error(c, "ERR timeout is not an integer or out of range");
        return false;
    }
    return read_deadline(c, ms, ret_deadline_us);
}

void args_to_range(int64_t start, int64_t stop, size_t count, size_t *ret_first, size_t *ret_end) {
    int64_t all = (int64_t)count;
    start = start < 0 ? start + all : start;
    stop = stop < 0 ? stop + all : stop;
    start = start < 0 ? 0 : start;
    stop = stop >= all ? all - 1 : stop;
    bool empty = start > stop;
    *ret_first = empty ? 0 : (size_t)start;
    *ret_end = empty ? 0 : (size_t)stop + 1;
}

bool args_read_slot(node_call *c, size_t index, int *ret) {
    int64_t slot;
    if (!number_read_integer(c->argv[index], &slot) || slot < 0 || slot >= SLOT_COUNT) {
        call_error(c, "ERR Invalid or out of range slot");
        return false;
    }
    *ret = (int)slot;
    return true;
}

bool args_read_peer(node_call *c, size_t index, const char *complaint, uint16_t *ret) {
    *ret = node_view_find(c->node->view, c->argv[index]);
    if (*ret == NODE_NOBODY) {
        call_errorf(c, "ERR %s node %.*s", complaint, call_shown(c, index), c->argv[index].data);
        return false;
    }
    return true;
}
