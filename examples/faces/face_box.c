/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_box.c: boxes of candidates: how they overlap, which of them stay, and how networks move them.
 *
 * Suppression is greedy: the best box stays and drops all that overlap it, then the best of the rest, and so
 * on. Each box is compared with those that stayed.
 */
#include "face_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COORDINATE 1e6f

bool face_candidates_add(struct face_candidates *list, const struct face_candidate *candidate)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct face_candidate *grown = realloc(list->items, capacity * sizeof(*grown));
        if (!grown)
            return false;
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = *candidate;
    return true;
}

void face_candidates_finish(struct face_candidates *list)
{
    free(list->items);
    memset(list, 0, sizeof(*list));
}

static double area(const struct face *f)
{
    return ((double)f->x2 - f->x1 + 1) * ((double)f->y2 - f->y1 + 1);
}

double face_overlap(const struct face *a, const struct face *b, enum face_overlap kind)
{
    double width = fmin(a->x2, b->x2) - fmax(a->x1, b->x1) + 1;
    double height = fmin(a->y2, b->y2) - fmax(a->y1, b->y1) + 1;
    if (width <= 0 || height <= 0)
        return 0;
    double both = width * height;
    return both / (kind == FACE_OVERLAP_MIN ? fmin(area(a), area(b)) : area(a) + area(b) - both);
}

/* By score, then by place: all places of the photo differ, or the candidates are the same. */
static int compare(const void *left, const void *right)
{
    const struct face *a = &((const struct face_candidate *)left)->face;
    const struct face *b = &((const struct face_candidate *)right)->face;
    const float keys[][2] = {
        {b->score, a->score}, {a->y1, b->y1}, {a->x1, b->x1}, {a->y2, b->y2}, {a->x2, b->x2}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    }
    return 0;
}

void face_suppress(struct face_candidates *list, size_t first, double limit, enum face_overlap kind)
{
    size_t n_kept = first;
    if (list->n > first + 1)
        qsort(list->items + first, list->n - first, sizeof(*list->items), compare);
    for (size_t i = first; i < list->n; i++) {
        bool keep = true;
        for (size_t k = first; k < n_kept && keep; k++)
            keep = face_overlap(&list->items[i].face, &list->items[k].face, kind) <= limit;
        if (keep)
            list->items[n_kept++] = list->items[i];
    }
    list->n = n_kept;
}

void face_box_move(struct face_candidate *candidate, float extra)
{
    struct face *f = &candidate->face;
    float width = f->x2 - f->x1 + extra, height = f->y2 - f->y1 + extra;
    f->x1 += candidate->move[0] * width;
    f->y1 += candidate->move[1] * height;
    f->x2 += candidate->move[2] * width;
    f->y2 += candidate->move[3] * height;
}

void face_box_square(struct face *f)
{
    float width = f->x2 - f->x1, height = f->y2 - f->y1;
    float side = fmaxf(width, height);
    f->x1 += (width - side) / 2;
    f->y1 += (height - side) / 2;
    f->x2 = f->x1 + side;
    f->y2 = f->y1 + side;
}

static bool is_coordinate(float value)
{
    return fabsf(value) <= MAX_COORDINATE; /* false for NaN too */
}

bool face_is_sound(const struct face_candidate *c)
{
    bool sound = isfinite(c->face.score) && is_coordinate(c->face.x1) && is_coordinate(c->face.y1) &&
                 is_coordinate(c->face.x2) && is_coordinate(c->face.y2);
    for (size_t i = 0; i < FACE_N_REGRESSION; i++)
        sound = sound && is_coordinate(c->move[i]);
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++)
        sound = sound && is_coordinate(c->face.landmarks[i].x) && is_coordinate(c->face.landmarks[i].y);
    return sound;
}
