#include "node/node_block.h"

#include "node/node_call.h"

/* A waiting session's command. The arguments are one block: the slices, then their bytes. */
typedef struct session_block {
    list in_node;
    node_session *session;
    const node_command *command;
    kw_slice *argv;
    size_t argc;
    uint64_t deadline_us;
    void (*expire)(node_call *c);
} session_block;

void node_blocked_init(node_blocked *b) {
    list_init(&b->sessions);
    b->count = 0;
    b->touched = false;
}

void call_block(node_call *c, uint64_t deadline_us, void (*expire)(node_call *c)) {
    node_session *s = c->session;
    if (s->block) {
        return; /* tried again: its place, deadline and arguments are as they were */
    }
    session_block *block = mem_calloc(s->mem, 1, sizeof *block);
    uint64_t bytes;
    kw_slice *argv = block ? session_copy_arguments(s->mem, c->argv, c->argc, &bytes) : NULL;
    if (!argv) {
        mem_free(s->mem, block);
        call_out_of_memory(c);
        return;
    }
    *block = (session_block){
        .session = s,
        .command = c->command,
        .argv = argv,
        .argc = c->argc,
        .deadline_us = deadline_us,
        .expire = expire,
    };
    list_push_back(&c->node->blocked.sessions, &block->in_node);
    c->node->blocked.count++;
    s->block = block;
    s->holds |= HOLD_BLOCKED;
}

void node_unblock(node *n, node_session *s) {
    session_block *block = s->block;
    if (!block) {
        return;
    }
    list_remove(&block->in_node);
    n->blocked.count--;
    mem_free(s->mem, block->argv);
    mem_free(s->mem, block);
    s->block = NULL;
    s->holds &= ~(unsigned)HOLD_BLOCKED;
    node_wake(n, s);
}

static node_call call_of(node *n, const session_block *block) {
    return (node_call){
        .node = n,
        .session = block->session,
        .command = block->command,
        .argv = block->argv,
        .argc = block->argc,
        .now_us = n->now_us,
        .now_ms = n->now_us / 1000,
        .out = node_reply_to(n, block->session),
        .retried = true,
    };
}

bool node_end_waiting(node *n, node_session *s, const char *error) {
    session_block *block = s->block;
    if (!block) {
        return false;
    }
    node_call call = call_of(n, block);
    if (error) {
        call_error(&call, error);
    } else {
        block->expire(&call);
    }
    node_unblock(n, s);
    return true;
}

void node_block_touch(node *n) {
    n->blocked.touched = n->blocked.count > 0;
}

/* True if it has waited long enough: its command gave a reply. */
static bool try_again(node *n, session_block *block) {
    node_call call = call_of(n, block);
    size_t before = buffer_len(call.out);
    call_run(&call);
    return buffer_len(call.out) > before || (block->session->flags & SESSION_FAILED);
}

void node_serve_blocked(node *n) {
    while (n->blocked.touched) {
        n->blocked.touched = false;
        LIST_FOR_EACH(at, after, &n->blocked.sessions) {
            session_block *block = LIST_ENTRY(at, session_block, in_node);
            if (try_again(n, block)) {
                node_unblock(n, block->session);
            }
        }
    }
}

void node_redirect_blocked(node *n) {
    LIST_FOR_EACH(at, after, &n->blocked.sessions) {
        session_block *block = LIST_ENTRY(at, session_block, in_node);
        node_call call = call_of(n, block);
        if (!call_is_served_here(&call)) {
            node_unblock(n, block->session);
        }
    }
}

void node_expire_blocked(node *n) {
    LIST_FOR_EACH(at, after, &n->blocked.sessions) {
        session_block *block = LIST_ENTRY(at, session_block, in_node);
        if (block->deadline_us <= n->now_us) {
            node_call call = call_of(n, block);
            block->expire(&call);
            node_unblock(n, block->session);
        }
    }
}

uint64_t node_block_deadline_us(const node *n) {
    uint64_t at_us = BLOCK_NEVER;
    LIST_FOR_EACH(at, after, &n->blocked.sessions) {
        const session_block *block = LIST_ENTRY(at, session_block, in_node);
        at_us = block->deadline_us < at_us ? block->deadline_us : at_us;
    }
    return at_us;
}
