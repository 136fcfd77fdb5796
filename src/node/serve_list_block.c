#include "node/node_args.h"
#include "node/node_handlers.h"
#include "node/serve_list.h"
#include "node/serve_pop.h"

static bool read_end(node_call *c, size_t index, list_end *ret) {
    bool right;
    if (!args_read_either(c, index, "left", "right", &right)) {
        return false;
    }
    *ret = right ? LIST_TAIL : LIST_HEAD;
    return true;
}

/* -------------------------------------------------------------------------------- moving */

/* Moves an element from the list at argv[1], which is `from`, to the one at argv[2]. */
static void move_element(node_call *c, keyspace_entry *from, list_end from_end, list_end to_end) {
    keyspace_entry *to;
    if (!call_find_or_make(c, 2, &value_list_kind, &to)) {
        return;
    }
    if (!value_list_move(from->object, from_end, to->object, to_end)) {
        if (value_list_count(to->object) == 0) {
            keyspace_remove(c->node->keys, to);
        }
        call_propagate_nothing(c);
        call_out_of_memory(c);
        return;
    }
    call_bulk(c, value_list_end(to->object, to_end));
    keyspace_touch(c->node->keys, to);
    if (from != to) {
        call_settle(c, from);
    }
}

static void move(node_call *c, list_end from_end, list_end to_end) {
    keyspace_entry *from;
    if (!call_find_kind(c, 1, &value_list_kind, &from)) {
        return;
    }
    if (from) {
        move_element(c, from, from_end, to_end);
    } else {
        call_null(c);
    }
}

void serve_rpoplpush(node_call *c) {
    move(c, LIST_TAIL, LIST_HEAD);
}

void serve_lmove(node_call *c) {
    list_end from_end;
    list_end to_end;
    if (read_end(c, 3, &from_end) && read_end(c, 4, &to_end)) {
        move(c, from_end, to_end);
    }
}

/* The timeout is at argv[timeout]; the command without it is what replicas are to run. */
static void move_or_wait(node_call *c, list_end from_end, list_end to_end, size_t timeout,
                         const char *propagated) {
    uint64_t deadline_us;
    if (!args_read_timeout(c, timeout, &deadline_us)) {
        return;
    }
    keyspace_entry *from;
    if (!call_find_kind(c, 1, &value_list_kind, &from)) {
        return;
    }
    if (from) {
        uint64_t version = c->node->keys->version;
        call_propagate_nothing(c);
        move_element(c, from, from_end, to_end);
        if (c->node->keys->version != version) {
            kw_slice argv[5];
            memcpy(argv, c->argv, timeout * sizeof *argv);
            argv[0] = slice_text(propagated);
            call_propagate(c, argv, timeout);
        }
    } else if (c->in_exec) {
        call_null(c);
    } else {
        call_block(c, BLOCK_FOR_LIST, 1, 1, deadline_us, call_null_array);
    }
}

void serve_brpoplpush(node_call *c) {
    move_or_wait(c, LIST_TAIL, LIST_HEAD, 3, "RPOPLPUSH");
}

void serve_blmove(node_call *c) {
    list_end from_end;
    list_end to_end;
    if (read_end(c, 3, &from_end) && read_end(c, 4, &to_end)) {
        move_or_wait(c, from_end, to_end, 5, "LMOVE");
    }
}

/* ----------------------------------------------------------------- popping from one of several */

static void take(node_call *c, keyspace_entry *e, bool from_tail, size_t count, bool in_pairs) {
    (void)in_pairs; /* an element is one value */
    list_take(c, e, from_tail ? LIST_TAIL : LIST_HEAD, count);
}

static const pop_kind list_pop = {
    .value = &value_list_kind,
    .reason = BLOCK_FOR_LIST,
    .head = "left",
    .tail = "right",
    .pop_head = "LPOP",
    .pop_tail = "RPOP",
    .element_values = 1,
    .take = take,
};

void serve_blpop(node_call *c) {
    pop_one_or_wait(c, &list_pop, false);
}

void serve_brpop(node_call *c) {
    pop_one_or_wait(c, &list_pop, true);
}

void serve_lmpop(node_call *c) {
    pop_many(c, &list_pop);
}

void serve_blmpop(node_call *c) {
    pop_many_or_wait(c, &list_pop);
}
