/* An intrusive doubly linked list: a node lives inside what it links. Owns nothing.
 * A list head is a node too; an unlinked node points to itself or is zeroed. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list {
    struct list *next;
    struct list *prev;
} list;

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* The loop body may remove `node`; `after` is its successor. */
#define LIST_FOR_EACH(node, after, head)                                                           \
    for (list *node = (head)->next, *after = node->next; node != (head);                           \
         node = after, after = node->next)

static inline void list_init(list *head) {
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const list *head) {
    return head->next == head;
}

static inline bool list_linked(const list *node) {
    return node->next != NULL && node->next != node;
}

static inline void list_insert_before(list *position, list *node) {
    node->next = position;
    node->prev = position->prev;
    position->prev->next = node;
    position->prev = node;
}

static inline void list_push_back(list *head, list *node) {
    list_insert_before(head, node);
}

static inline void list_push_front(list *head, list *node) {
    list_insert_before(head->next, node);
}

static inline void list_remove(list *node) {
    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = node;
    node->prev = node;
}

/* NULL when the list is empty. */
static inline list *list_pop_front(list *head) {
    list *node = head->next;
    if (node == head) {
        return NULL;
    }
    list_remove(node);
    return node;
}

/* Moves the nodes from `first` up to, not including, `end` of their list to the end of `to`; there
 * is one at least. */
static inline void list_move_run(list *to, list *first, list *end) {
    list *last = end->prev;
    first->prev->next = end;
    end->prev = first->prev;
    first->prev = to->prev;
    to->prev->next = first;
    last->next = to;
    to->prev = last;
}

/* Moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_append_all(list *to, list *from) {
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
