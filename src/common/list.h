/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h: doubly linked lists through a member of what they hold. The head is a link of its own, so nothing is a
 * special case; a link that is on no list points to itself.
 */
#ifndef TF2__COMMON_LIST_H
#define TF2__COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tf2__link {
    struct tf2__link *next, *prev;
};

#define TF2__CONTAINER(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* for each item of a list; the item must not be taken off in between. */
#define TF2__LIST_EACH(item, head, type, member)                                                             \
    for (type *item = TF2__CONTAINER((head)->next, type, member); &item->member != (head);                   \
         item = TF2__CONTAINER(item->member.next, type, member))

/* The same where it may. */
#define TF2__LIST_EACH_SAFE(item, head, type, member)                                                        \
    for (type *item = TF2__CONTAINER((head)->next, type, member),                                            \
              *after_##item = TF2__CONTAINER(item->member.next, type, member);                               \
         &item->member != (head);                                                                            \
         item = after_##item, after_##item = TF2__CONTAINER(item->member.next, type, member))

static inline void tf2__list_init(struct tf2__link *link)
{
    link->next = link->prev = link;
}

static inline bool tf2__list_empty(const struct tf2__link *head)
{
    return head->next == head;
}

/* `link` is on no list. */
static inline void tf2__list_insert_before(struct tf2__link *place, struct tf2__link *link)
{
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}

static inline void tf2__list_append(struct tf2__link *head, struct tf2__link *link)
{
    tf2__list_insert_before(head, link);
}

static inline void tf2__list_prepend(struct tf2__link *head, struct tf2__link *link)
{
    tf2__list_insert_before(head->next, link);
}

/* On no list afterwards; may be so before. */
static inline void tf2__list_remove(struct tf2__link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    tf2__list_init(link);
}

#endif
