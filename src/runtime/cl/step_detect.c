/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_detect.c: detection outputs (detect.cl): a launch for the boxes of each class and one for the best of all.
 */
#include "runtime/cl/internal.h"

#include "transform/op/detection.h"

/* Sizes in 4-byte words. */
struct sizes {
    int64_t n_images, n_boxes, n_rows;
    int64_t n_candidates, n_kept; /* per class */
    int64_t room;                 /* per image and class */
    int64_t parts;                /* of all */
};

static struct sizes find_sizes(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2_detection_attr *attr = step->node->attr;
    const struct tf2_shape *y = &plan->tensors[step->out].shape;
    struct sizes s = {
        .n_images = y->dim[0], .n_boxes = plan->tensors[step->in[2]].shape.dim[2] / 4, .n_rows = y->dim[2]};
    s.n_candidates = tf2__detection_candidates(attr, s.n_boxes);
    s.n_kept = TF2__MIN(s.n_candidates, s.n_rows);
    s.room = 1 + 2 * s.n_candidates + 4 * s.n_kept;
    s.parts = s.n_images * attr->n_classes * s.room;
    return s;
}

static enum tf2_status
choose(struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    const struct tf2_detection_attr *attr = step->node->attr;
    const struct sizes s = find_sizes(plan, step);
    const int64_t words = s.parts + s.n_images * attr->n_classes;
    (void)device;
    if (words > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: %lld candidates in each of %d classes take more than 2^31 words",
            step->name, (long long)s.n_candidates, attr->n_classes);
    step->scratch_bytes = words * (int64_t)sizeof(cl_float);
    return TF2_OK;
}

static enum tf2_status
make_classes(struct tf2__cl_build *build, const struct tf2__step *step, const struct sizes *s)
{
    const struct tf2_detection_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const int64_t *offsets = tensors[step->in[0]].stride, *scores = tensors[step->in[1]].stride;
    const int64_t *priors = tensors[step->in[2]].stride;
    const cl_int t[6] = {(cl_int)offsets[0], (cl_int)offsets[1], (cl_int)scores[0],
                         (cl_int)scores[1],  (cl_int)priors[1],  (cl_int)priors[2]};
    uint32_t table;
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_DETECT, "detect_classes"));
    for (int i = 0; i < 3; i++)
        TF2__TRY(tf2__cl_arg_tensor(build, step->in[i]));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, step->scratch_at / (int64_t)sizeof(cl_float));
    tf2__cl_arg_int(build, s->room);
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, s->n_boxes);
    tf2__cl_arg_int(build, attr->background);
    tf2__cl_arg_int(build, attr->code);
    tf2__cl_arg_int(build, attr->boxes_per_class);
    tf2__cl_arg_int(build, attr->variance_in_offsets);
    tf2__cl_arg_float(build, attr->confidence);
    tf2__cl_arg_float(build, attr->nms_threshold);
    tf2__cl_arg_float(build, attr->nms_eta);
    tf2__cl_arg_int(build, s->n_candidates);
    tf2__cl_arg_int(build, s->n_kept);
    tf2__cl_arg_int(build, attr->n_classes);
    tf2__cl_launch_size(build, s->n_images, attr->n_classes);
    return TF2_OK;
}

static enum tf2_status make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_detection_attr *attr = step->node->attr;
    const struct sizes s = find_sizes(build->plan, step);
    const int64_t *y = build->plan->tensors[step->out].stride;
    const int64_t scratch_at = step->scratch_at / (int64_t)sizeof(cl_float);
    TF2__TRY(make_classes(build, step, &s));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_DETECT, "detect_keep"));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, scratch_at);
    tf2__cl_arg_int(build, s.room);
    tf2__cl_arg_int(build, scratch_at + s.parts);
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_int(build, y[0]);
    tf2__cl_arg_int(build, y[2]);
    tf2__cl_arg_int(build, y[3]);
    tf2__cl_arg_int(build, attr->n_classes);
    tf2__cl_arg_int(build, s.n_candidates);
    tf2__cl_arg_int(build, s.n_rows);
    tf2__cl_launch_size(build, s.n_images, 1);
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_detection_output = {
    .op = TF2_OP_DETECTION_OUTPUT, .name = "detect", .choose = choose, .make = make};
