#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"
#include "node/string_bits.h"

typedef enum field_action { FIELD_GET, FIELD_SET, FIELD_INCRBY, FIELD_OVERFLOW } field_action;
typedef enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL } field_overflow;

/* One part of the command: [GET|SET|INCRBY] type offset [value], or OVERFLOW. */
typedef struct field_step {
    field_action action;
    field_overflow overflow; /* in force */
    bool is_signed;
    unsigned width;
    uint64_t offset;
    int64_t value;
} field_step;

static bool read_type(node_call *c, size_t index, field_step *step) {
    kw_slice s = c->argv[index];
    int64_t width = 0;
    step->is_signed = s.len > 0 && s.data[0] == 'i';
    bool known = s.len > 1 && (step->is_signed || s.data[0] == 'u') &&
                 number_read_integer(slice_of(s.data + 1, s.len - 1), &width);
    if (!known || width < 1 || width > (step->is_signed ? 64 : 63)) {
        call_error(c, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                      "supported but i64 is.");
        return false;
    }
    step->width = (unsigned)width;
    return true;
}

static bool read_overflow(node_call *c, size_t index, field_step *step) {
    static const char *const words[] = {"wrap", "sat", "fail"};
    for (int i = 0; i < 3; i++) {
        if (call_argument_is(c, index, words[i])) {
            step->overflow = (field_overflow)i;
            return true;
        }
    }
    call_error(c, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* The step at argv[*index], which moves on; `step` still holds the one before it. False: an error
 * was given. */
static bool read_step(node_call *c, size_t *index, field_step *step) {
    static const struct {
        const char *word;
        size_t argument_count;
    } actions[] = {{"get", 2}, {"set", 3}, {"incrby", 3}, {"overflow", 1}};
    size_t at = *index;
    size_t left = c->argc - at - 1;
    size_t i = 0;
    while (i < 4 &&
           (!call_argument_is(c, at, actions[i].word) || actions[i].argument_count > left)) {
        i++;
    }
    if (i == 4) {
        call_syntax_error(c);
        return false;
    }
    step->action = (field_action)i;
    *index = at + 1 + actions[i].argument_count;
    if (step->action == FIELD_OVERFLOW) {
        return read_overflow(c, at + 1, step);
    }
    return read_type(c, at + 1, step) && bits_read_offset(c, at + 2, step->width, &step->offset) &&
           (step->action == FIELD_GET || call_read_integer(c, at + 3, &step->value));
}

/* ----------------------------------------------------------------------------- arithmetic */

static uint64_t mask_of(unsigned width) {
    return width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static int64_t sign_extended(uint64_t bits, unsigned width) {
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((bits ^ sign) - sign);
}

/* A sum that may lie outside the field: -1 below, 1 above. *ret is what fits, by the overflow's
 * rule. */
static int add_signed(const field_step *step, int64_t value, int64_t delta, uint64_t *ret) {
    int64_t max = (int64_t)(mask_of(step->width) >> 1);
    int64_t min = -max - 1;
    bool above = value > max || (delta > 0 && value > max - delta);
    bool below = value < min || (delta < 0 && value < min - delta);
    *ret = (uint64_t)value + (uint64_t)delta;
    if ((above || below) && step->overflow == OVERFLOW_SAT) {
        *ret = (uint64_t)(above ? max : min);
    }
    return above ? 1 : below ? -1 : 0;
}

static int add_unsigned(const field_step *step, uint64_t value, int64_t delta, uint64_t *ret) {
    uint64_t max = mask_of(step->width);
    bool above = value > max || (delta > 0 && (uint64_t)delta > max - value);
    bool below = !above && delta < 0 && 0 - (uint64_t)delta > value;
    *ret = value + (uint64_t)delta;
    if ((above || below) && step->overflow == OVERFLOW_SAT) {
        *ret = above ? max : 0;
    }
    return above ? 1 : below ? -1 : 0;
}

static int64_t shown(const field_step *step, uint64_t bits) {
    return step->is_signed ? sign_extended(bits, step->width) : (int64_t)bits;
}

/* True if the bits are others now. */
static bool run_write(node_call *c, const field_step *step, char *bytes, size_t len) {
    uint64_t old = bits_get(slice_of(bytes, len), step->offset, step->width);
    bool adds = step->action == FIELD_INCRBY;
    int64_t base = adds ? shown(step, old) : step->value;
    int64_t delta = adds ? step->value : 0;
    uint64_t sum;
    int outside = step->is_signed ? add_signed(step, base, delta, &sum)
                                  : add_unsigned(step, (uint64_t)base, delta, &sum);
    if (outside && step->overflow == OVERFLOW_FAIL) {
        call_null(c);
        return false;
    }
    sum &= mask_of(step->width);
    bits_set(bytes, step->offset, step->width, sum);
    call_integer(c, shown(step, adds ? sum : old));
    return sum != old;
}

/* -------------------------------------------------------------------------------- commands */

/* What the steps are, all of them checked. */
typedef struct field_plan {
    size_t step_count; /* without OVERFLOW */
    bool writes;
    uint64_t last_bit; /* the highest that is written */
} field_plan;

static bool read_plan(node_call *c, field_plan *ret) {
    field_step step = {.overflow = OVERFLOW_WRAP};
    *ret = (field_plan){0};
    for (size_t i = 2; i < c->argc;) {
        if (!read_step(c, &i, &step)) {
            return false;
        }
        if (step.action == FIELD_SET || step.action == FIELD_INCRBY) {
            uint64_t last = step.offset + step.width - 1;
            ret->last_bit = last > ret->last_bit ? last : ret->last_bit;
            ret->writes = true;
        }
        ret->step_count += step.action != FIELD_OVERFLOW;
    }
    return true;
}

/* True if the bytes are others now. */
static bool run_steps(node_call *c, const field_plan *plan, char *bytes, size_t len) {
    field_step step = {.overflow = OVERFLOW_WRAP};
    bool changed = false;
    call_array(c, plan->step_count);
    for (size_t i = 2; i < c->argc;) {
        if (!read_step(c, &i, &step)) {
            return false; /* does not happen: it was read before */
        }
        if (step.action == FIELD_GET) {
            call_integer(c, shown(&step, bits_get(slice_of(bytes, len), step.offset, step.width)));
        } else if (step.action != FIELD_OVERFLOW) {
            changed = run_write(c, &step, bytes, len) || changed;
        }
    }
    return changed;
}

static void run_field(node_call *c, bool may_write) {
    field_plan plan;
    keyspace_entry *e;
    if (!read_plan(c, &plan)) {
        return;
    }
    if (plan.writes && !may_write) {
        call_error(c, "ERR BITFIELD_RO only supports the GET subcommand");
        return;
    }
    if (plan.writes && !bits_open(c, plan.last_bit)) {
        return;
    }
    if (call_find_kind(c, 1, NULL, &e) &&
        run_steps(c, &plan, e ? e->value : NULL, e ? e->value_len : 0)) {
        keyspace_touch(c->node->keys, e);
    }
}

void serve_bitfield(node_call *c) {
    run_field(c, true);
}

void serve_bitfield_ro(node_call *c) {
    run_field(c, false);
}
