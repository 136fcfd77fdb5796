#include "base/number.h"
#include "node/node_args.h"
#include "node/node_block.h"
#include "node/node_handlers.h"
#include "node/serve_list.h"

static bool read_end(node_call *c, size_t index, list_end *ret) {
    if (call_argument_is(c, index, "left")) {
        *ret = LIST_HEAD;
    } else if (call_argument_is(c, index, "right")) {
        *ret = LIST_TAIL;
    } else {
        call_syntax_error(c);
        return false;
    }
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

typedef struct list_pop {
    list_end end;
    size_t first_key;
    size_t key_count;
    int64_t count; /* -1: one element, not in an array of its own */
} list_pop;

static void propagate_pop(node_call *c, kw_slice key, const list_pop *p, size_t popped) {
    char text[NUMBER_U64_BYTES];
    kw_slice argv[] = {p->end == LIST_HEAD ? SLICE_LITERAL("LPOP") : SLICE_LITERAL("RPOP"), key,
                       slice_of(text, number_from_u64(text, popped))};
    call_propagate(c, argv, p->count < 0 ? 2 : 3);
}

static void pop_from(node_call *c, keyspace_entry *e, kw_slice key, const list_pop *p) {
    value_list *l = e->object;
    size_t count = value_list_count(l);
    size_t popped = p->count < 0 ? 1 : (uint64_t)p->count < count ? (size_t)p->count : count;
    call_array(c, 2);
    call_bulk(c, key);
    if (p->count >= 0) {
        call_array(c, popped);
    }
    for (size_t i = 0; i < popped; i++) {
        call_bulk(c, value_list_at(l, p->end == LIST_HEAD ? i : count - 1 - i));
    }
    value_list_drop(l, p->end, popped);
    call_settle(c, e);
    propagate_pop(c, key, p, popped);
}

/* True if there was an answer: elements of the first list, or that a key is none. */
static bool pop_first(node_call *c, const list_pop *p) {
    kw_slice key;
    keyspace_entry *e;
    if (!call_find_first(c, &value_list_kind, p->first_key, p->key_count, &key, &e)) {
        return true;
    }
    if (e) {
        pop_from(c, e, key, p);
    }
    return e != NULL;
}

static void pop_or_wait(node_call *c, const list_pop *p, size_t timeout) {
    uint64_t deadline_us;
    if (!args_read_timeout(c, timeout, &deadline_us) || pop_first(c, p)) {
        return;
    }
    if (c->in_exec) {
        call_null_array(c);
    } else {
        call_block(c, BLOCK_FOR_LIST, p->first_key, p->key_count, deadline_us, call_null_array);
    }
}

void serve_blpop(node_call *c) {
    pop_or_wait(c, &(list_pop){LIST_HEAD, 1, c->argc - 2, -1}, c->argc - 1);
}

void serve_brpop(node_call *c) {
    pop_or_wait(c, &(list_pop){LIST_TAIL, 1, c->argc - 2, -1}, c->argc - 1);
}

/* numkeys key ... LEFT|RIGHT [COUNT count], from argv[index] on. */
static bool read_mpop(node_call *c, size_t index, list_pop *ret) {
    *ret = (list_pop){.first_key = index + 1, .count = 1};
    return args_read_counted_keys(c, index, &ret->key_count) &&
           read_end(c, index + 1 + ret->key_count, &ret->end) &&
           args_read_pop_count(c, index + 2 + ret->key_count, &ret->count);
}

void serve_lmpop(node_call *c) {
    list_pop p;
    if (read_mpop(c, 1, &p) && !pop_first(c, &p)) {
        call_null_array(c);
    }
}

void serve_blmpop(node_call *c) {
    list_pop p;
    if (read_mpop(c, 2, &p)) {
        pop_or_wait(c, &p, 1);
    }
}
