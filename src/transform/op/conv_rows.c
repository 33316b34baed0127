/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_rows.c: walking over the output rows of a convolution.
 */
#include "transform/op/conv_rows.h"
#include "transform/op/check.h"

#define CHUNK 128 /* output pixels summed together */

enum tf2_status tf2__conv_output(
    const struct tf2__window_dim *dims, uint32_t n_spatial, int32_t group, const struct tf2_shape *const *in,
    uint32_t n_in, struct tf2_shape *out, struct tf2_error *error)
{
    TF2__TRY(tf2__check_group(group, in[0], in[1], error));
    if (n_in > 2 && in[2])
        TF2__TRY(tf2__check_vector(in[2], in[1]->dim[0], "bias", error));
    *out = *in[0];
    out->dim[1] = in[1]->dim[0];
    for (uint32_t d = 0; d < n_spatial; d++)
        out->dim[2 + d] = dims[d].out;
    return tf2__check_output(out, error);
}

/* One output row of image n and output channel o. */
static void
do_row(const struct tf2__conv_rows *p, tf2__conv_sum *sum, int64_t n, int64_t o, int64_t od, int64_t oh)
{
    double sums[CHUNK];
    const float *w = tf2__map_at(&p->w, o, 0);
    const float *x = tf2__map_at(&p->x, n, o / p->group_out * p->group_in);
    float *y = tf2__map_at(&p->y, n, o) + od * p->y.stride[0] + oh * p->y.stride[1];
    const float *add = NULL;
    if (p->add.data)
        add = tf2__map_at(&p->add, n, o) + od * p->add.stride[0] + oh * p->add.stride[1];
    double bias = p->bias ? ((const float *)p->bias->data)[o * p->bias->stride[0]] : 0;
    for (int64_t from = 0; from < p->dim[2].out; from += CHUNK) {
        struct tf2__conv_span span = {from, TF2__MIN(CHUNK, p->dim[2].out - from), sums};
        for (int64_t i = 0; i < span.count; i++)
            sums[i] = add ? bias + add[(from + i) * p->add.stride[2]] : bias;
        sum(p, w, x, od, oh, &span);
        for (int64_t i = 0; i < span.count; i++)
            y[(from + i) * p->y.stride[2]] = (float)sums[i];
    }
}

void tf2__conv_rows(
    struct tf2__conv_rows *p, uint32_t n_spatial, int32_t group, const struct tf2__view *in, uint32_t n_in,
    tf2__conv_sum *sum, const struct tf2__view *out)
{
    tf2__map_windows(p->dim, n_spatial);
    tf2__map_init(&p->x, &in[0]);
    tf2__map_init(&p->w, &in[1]);
    tf2__map_init(&p->y, out);
    p->bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    p->add.data = NULL;
    if (n_in > 3 && in[3].data)
        tf2__map_init(&p->add, &in[3]);
    p->group_in = p->w.c;
    p->group_out = p->y.c / (group ? group : 1);
    for (int64_t n = 0; n < p->y.n; n++) {
        for (int64_t o = 0; o < p->y.c; o++) {
            for (int64_t od = 0; od < p->y.size[0]; od++) {
                for (int64_t oh = 0; oh < p->y.size[1]; oh++)
                    do_row(p, sum, n, o, od, oh);
            }
        }
    }
}
