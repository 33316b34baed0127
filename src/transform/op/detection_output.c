/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detection_output.c: from the predictions of a detector of SSD's kind to boxes (Liu et al.: SSD, 2016; the semantics are
 * those of Caffe's DetectionOutput layer): boxes are decoded, per class the best are kept that do not overlap a better
 * one, and of all classes the best.
 *
 * Nothing is allocated: the rows of the output hold what is kept so far, in the order of classes and ranks. A class's
 * candidates come from high to low score, each found by a walk over all scores. Once the rows are full, a candidate
 * replaces the worst row, or, when it is not better, ends its class; rows of its own class are never worse than
 * it, so all that it has to be compared with are still there.
 *
 * Boxes are computed in single precision, one rounding per operation, as the kernels do it: an overlap is above a
 * threshold on all devices or on none.
 */
#include "transform/op/detection.h"

#include "transform/op/check.h"

#include <math.h>

/* Where the loops work. */
struct detector {
    const struct tf2_detection_attr *attr;
    const struct tf2__view *offsets, *scores, *priors, *out;
    int64_t n_boxes, n_rows, n_used;
    int64_t image;
};

struct candidate {
    int64_t box;
    float score;
};

static const float *element(const struct tf2__view *view, int64_t row, int64_t at)
{
    const uint32_t last = view->shape.n_dims - 1;
    return (const float *)view->data + row * view->stride[last - 1] + at * view->stride[last];
}

static float *row_at(const struct detector *p, int64_t row, int column)
{
    const int64_t *stride = p->out->stride;
    return (float *)p->out->data + p->image * stride[0] + row * stride[2] + column * stride[3];
}

static float score_of(const struct detector *p, int64_t box, int64_t class)
{
    return *element(p->scores, p->image, box * p->attr->n_classes + class);
}

/* The best candidate of a class behind `last`: scores fall, boxes of the same score come in their order. */
static bool next_candidate(const struct detector *p, int64_t class, struct candidate *last)
{
    struct candidate best = {.box = -1};
    for (int64_t i = 0; i < p->n_boxes; i++) {
        float score = score_of(p, i, class);
        if (!(score > p->attr->confidence) || (best.box >= 0 && score <= best.score))
            continue;
        if (score < last->score || (score == last->score && i > last->box))
            best = (struct candidate){i, score};
    }
    if (best.box < 0)
        return false;
    *last = best;
    return true;
}

static void decode(const struct detector *p, int64_t box, int64_t class, float out[4])
{
    const int64_t of_class = p->attr->boxes_per_class ? class : 0;
    const int64_t n_offsets = p->attr->boxes_per_class ? p->attr->n_classes : 1;
    float prior[4], offset[4];
    for (int i = 0; i < 4; i++) {
        prior[i] = *element(p->priors, 0, box * 4 + i);
        offset[i] = *element(p->offsets, p->image, (box * n_offsets + of_class) * 4 + i);
        if (!p->attr->variance_in_offsets)
            offset[i] *= *element(p->priors, 1, box * 4 + i);
    }
    const float size[2] = {prior[2] - prior[0], prior[3] - prior[1]};
    for (int i = 0; i < 2; i++) {
        const float center = offset[i] * size[i] + (prior[i] + prior[i + 2]) * 0.5f;
        const float half = (float)exp((double)offset[i + 2]) * size[i] * 0.5f;
        switch (p->attr->code) {
        case TF2_BOX_CENTER_SIZE:
            out[i] = center - half;
            out[i + 2] = center + half;
            break;
        case TF2_BOX_CORNER:
            out[i] = prior[i] + offset[i];
            out[i + 2] = prior[i + 2] + offset[i + 2];
            break;
        case TF2_BOX_CORNER_SIZE:
            out[i] = prior[i] + offset[i] * size[i];
            out[i + 2] = prior[i + 2] + offset[i + 2] * size[i];
            break;
        }
    }
}

static float box_area(const float *box)
{
    return box[2] < box[0] || box[3] < box[1] ? 0.0f : (box[2] - box[0]) * (box[3] - box[1]);
}

/* Intersection over union. */
static float overlap(const float *a, const float *b)
{
    const float width = fminf(a[2], b[2]) - fmaxf(a[0], b[0]);
    const float height = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (!(width > 0 && height > 0))
        return 0;
    const float both = width * height;
    return both / (box_area(a) + box_area(b) - both);
}

/* Whether one of the rows from `first` on overlaps the box. */
static bool is_covered(const struct detector *p, int64_t first, const float *box, float threshold)
{
    for (int64_t row = first; row < p->n_used; row++) {
        float other[4];
        for (int i = 0; i < 4; i++)
            other[i] = *row_at(p, row, 3 + i);
        if (overlap(box, other) > threshold)
            return true;
    }
    return false;
}

static void copy_row(const struct detector *p, int64_t from, int64_t to)
{
    for (int i = 0; i < TF2__DETECTION_COLUMNS; i++)
        *row_at(p, to, i) = *row_at(p, from, i);
}

/* Removes the last of the rows with the lowest score, if that is below `score`. */
static bool make_room(struct detector *p, float score)
{
    int64_t worst = 0;
    for (int64_t row = 1; row < p->n_used; row++) {
        if (*row_at(p, row, 2) <= *row_at(p, worst, 2))
            worst = row;
    }
    if (*row_at(p, worst, 2) >= score)
        return false;
    for (int64_t row = worst; row + 1 < p->n_used; row++)
        copy_row(p, row + 1, row);
    p->n_used--;
    return true;
}

static void
put_row(const struct detector *p, int64_t row, float image, float class, float score, const float *box)
{
    *row_at(p, row, 0) = image;
    *row_at(p, row, 1) = class;
    *row_at(p, row, 2) = score;
    for (int i = 0; i < 4; i++)
        *row_at(p, row, 3 + i) = box[i];
}

static void detect_class(struct detector *p, int64_t class)
{
    struct candidate candidate = {.box = -1, .score = INFINITY};
    const struct tf2_detection_attr *a = p->attr;
    const int64_t top_k = a->top_k ? a->top_k : p->n_boxes;
    float threshold = a->nms_threshold;
    int64_t first = p->n_used;
    for (int64_t i = 0; i < top_k && next_candidate(p, class, &candidate); i++) {
        float box[4];
        decode(p, candidate.box, class, box);
        if (is_covered(p, first, box, threshold))
            continue;
        if (p->n_used == p->n_rows) {
            if (!make_room(p, candidate.score))
                return;
            first--;
        }
        put_row(p, p->n_used++, 0, (float)class, candidate.score, box);
        if (a->nms_eta > 0 && a->nms_eta < 1 && threshold > 0.5f)
            threshold *= a->nms_eta;
    }
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    static const float nowhere[4] = {0};
    struct detector p = {.attr = attr, .offsets = &in[0], .scores = &in[1], .priors = &in[2], .out = out};
    (void)n_in;
    p.n_boxes = in[2].shape.dim[2] / 4;
    p.n_rows = out->shape.dim[2];
    for (p.image = 0; p.image < out->shape.dim[0]; p.image++) {
        p.n_used = 0;
        for (int64_t class = 0; class < p.attr->n_classes; class ++) {
            if (class != p.attr->background)
                detect_class(&p, class);
        }
        for (int64_t row = p.n_used; row < p.n_rows; row++)
            put_row(&p, row, -1, 0, 0, nowhere);
    }
}

/* --- shapes --- */

static enum tf2_status check_attr(const struct tf2_detection_attr *a, struct tf2_error *error)
{
    if (a->n_classes < 1 || a->n_classes > TF2__DETECTION_MAX_CLASSES)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%d classes, wanted 1 to %d", a->n_classes, TF2__DETECTION_MAX_CLASSES);
    if (a->background < -1 || a->background >= a->n_classes)
        return tf2__fail(
            error, TF2_ERR_VALUE, "background class %d of %d, wanted -1 or one of them", a->background,
            a->n_classes);
    if (a->n_classes == 1 && a->background == 0)
        return tf2__fail(error, TF2_ERR_VALUE, "no class beside the background");
    if ((unsigned)a->code > TF2_BOX_CORNER_SIZE)
        return tf2__fail(error, TF2_ERR_VALUE, "no code of boxes has number %d", (int)a->code);
    TF2__TRY(tf2__check_finite(a->confidence, "confidence", error));
    TF2__TRY(tf2__check_finite(a->nms_threshold, "nms_threshold", error));
    TF2__TRY(tf2__check_finite(a->nms_eta, "nms_eta", error));
    if (a->nms_threshold < 0 || a->nms_eta < 0 || a->nms_eta > 1)
        return tf2__fail(
            error, TF2_ERR_VALUE, "nms_threshold %g, nms_eta %g, wanted 0 or more, and 0 to 1",
            a->nms_threshold, a->nms_eta);
    if (a->top_k < 0 || a->keep_top_k < 0)
        return tf2__fail(
            error, TF2_ERR_VALUE, "top_k %d, keep_top_k %d, wanted 0 (all) or more", a->top_k, a->keep_top_k);
    return TF2_OK;
}

/* [N, boxes * per_box] */
static enum tf2_status check_predictions(
    const struct tf2_shape *shape, const char *what, int64_t n_images, int64_t n_boxes, int64_t per_box,
    struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (shape->n_dims != 2 || shape->dim[0] != n_images || shape->dim[1] != n_boxes * per_box)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s %s, wanted [%lld, %lld]: %lld for each of %lld boxes", what,
            tf2_shape_format(shape, text, sizeof(text)), (long long)n_images, (long long)(n_boxes * per_box),
            (long long)per_box, (long long)n_boxes);
    return TF2_OK;
}

/* Products of an extent below 2^31 with at most 4 * 2^16. */
static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_detection_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
    (void)n_in;
    TF2__TRY(check_attr(a, error));
    if (in[2]->n_dims != 3 || in[2]->dim[0] != 1 || in[2]->dim[1] != 2 || in[2]->dim[2] % 4)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "priors %s, wanted [1, 2, boxes * 4]",
            tf2_shape_format(in[2], text, sizeof(text)));
    const int64_t n_images = in[0]->n_dims ? in[0]->dim[0] : 1, n_boxes = in[2]->dim[2] / 4;
    TF2__TRY(check_predictions(
        in[0], "offsets", n_images, n_boxes, a->boxes_per_class ? 4 * (int64_t)a->n_classes : 4, error));
    TF2__TRY(check_predictions(in[1], "scores", n_images, n_boxes, a->n_classes, error));
    *out = (struct tf2_shape){
        .n_dims = 4, .dim = {n_images, 1, tf2__detection_rows(a, n_boxes), TF2__DETECTION_COLUMNS}};
    return tf2__check_output(out, error);
}

const struct tf2__op tf2__op_detection_output = {
    .id = TF2_OP_DETECTION_OUTPUT,
    .name = "detection_output",
    .attr_bytes = sizeof(struct tf2_detection_attr),
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .eval = eval,
};
