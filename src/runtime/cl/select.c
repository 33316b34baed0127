/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.c: the kernel table: which row runs which step. The first row of an operator that fits is taken.
 */
#include "runtime/cl/internal.h"

static const struct tf2__cl_row *const rows[] = {
    &tf2__cl_row_depthwise, &tf2__cl_row_winograd,   &tf2__cl_row_conv,   &tf2__cl_row_gemm,
    &tf2__cl_row_pool,      &tf2__cl_row_activation, &tf2__cl_row_prelu,  &tf2__cl_row_batch_norm,
    &tf2__cl_row_scale,     &tf2__cl_row_eltwise,    &tf2__cl_row_slice,  &tf2__cl_row_transpose,
    &tf2__cl_row_softmax,   &tf2__cl_row_lrn,        &tf2__cl_row_resize, &tf2__cl_row_pad,
    &tf2__cl_row_normalize, &tf2__cl_row_detection_output, &tf2__cl_row_deconv_depthwise, &tf2__cl_row_deconv,
    /* on integers */
    &tf2__cl_row_depthwise_int8, &tf2__cl_row_conv_int8, &tf2__cl_row_gemm_int8, &tf2__cl_row_pool_int8,
    &tf2__cl_row_eltwise_int8, &tf2__cl_row_lookup, &tf2__cl_row_quantize, &tf2__cl_row_dequantize,
    &tf2__cl_row_lrn_int8, &tf2__cl_row_slice_int8, &tf2__cl_row_transpose_int8, &tf2__cl_row_resize_int8,
    &tf2__cl_row_pad_int8, &tf2__cl_row_deconv_depthwise_int8, &tf2__cl_row_deconv_int8,
};

const struct tf2__cl_row *tf2__cl_row_find(const struct tf2__plan *plan, const struct tf2__step *step)
{
    bool int8 = tf2__node_is_int8(plan->graph, step->node);
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        if (rows[i]->int8 == int8 && rows[i]->op == step->node->op->id && (!rows[i]->fits || rows[i]->fits(plan, step)))
            return rows[i];
    }
    return NULL;
}

enum tf2_status tf2__cl_choose(struct tf2__device *device, struct tf2__plan *plan, struct tf2_error *error)
{
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        struct tf2__step *step = &plan->steps[i];
        if (step->kind == TF2__STEP_COPY) {
            step->kernel = "copy";
            step->scratch_bytes = tf2__cl_copy_scratch(plan, step);
            continue;
        }
        if (step->kind == TF2__STEP_PIXELS) {
            step->kernel = "pixels";
            continue;
        }
        const struct tf2__cl_row *row = tf2__cl_row_find(plan, step);
        if (!row)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "%s (%s): no OpenCL kernel takes these shapes", step->name,
                step->node->op->name);
        step->kernel = row->name;
        if (row->choose)
            TF2__TRY(row->choose((struct tf2__cl_device *)device, plan, step, error));
    }
    return TF2_OK;
}
