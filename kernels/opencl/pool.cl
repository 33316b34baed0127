/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.cl: maximum and average over windows, fp32; vectors run over channels, windows are cut at the borders.
 *
 * Every output index of a spatial dimension has four numbers: the element offset of its first window position
 * inside the input, how many positions are inside, how many are inside the padded extent, and the distance
 * between them. A window is the product of three such entries.
 *
 * NDRange: dimension 0: output rows (n, d, h); dimension 1: pieces of `piece` channels (a multiple of VW).
 * t: output extents d, h, w, then element strides of x for n and of y for n, d, h, w, then the entries for
 * all d, h, w.
 */
#define HEAD 8

static inline vf window_max(
    __global const float *x, __global const int *d, __global const int *h, __global const int *w)
{
    vf acc = (vf)(-INFINITY);
    for (int i = 0; i < d[1]; i++) {
        for (int j = 0; j < h[1]; j++) {
            __global const float *p = x + i * d[3] + j * h[3];
            for (int k = 0; k < w[1]; k++, p += w[3])
                acc = fmax(acc, LOADV(p));
        }
    }
    return acc;
}

static inline vf window_sum(
    __global const float *x, __global const int *d, __global const int *h, __global const int *w)
{
    vf acc = (vf)(0.0f);
    for (int i = 0; i < d[1]; i++) {
        for (int j = 0; j < h[1]; j++) {
            __global const float *p = x + i * d[3] + j * h[3];
            for (int k = 0; k < w[1]; k++, p += w[3])
                acc += LOADV(p);
        }
    }
    return acc;
}

/* The window of most networks, without loops. */
static inline vf window_max_3x3(__global const float *x, int row, int column)
{
    vf acc[3];
#pragma unroll
    for (int i = 0; i < 3; i++) {
        __global const float *p = x + i * row;
        acc[i] = fmax(fmax(LOADV(p), LOADV(p + column)), LOADV(p + 2 * column));
    }
    return fmax(fmax(acc[0], acc[1]), acc[2]);
}

__kernel void pool(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int piece, const int average,
    const int include_pad PART_ARGS)
{
    const int row = ID0;
    const int oh = row % t[1];
    const int od = row / t[1] % t[0];
    const int n = row / t[1] / t[0];
    const int c_first = ID1 * piece;
    const int c_last = min(c_first + piece, n_channels);
    __global const int *d = t + HEAD + 4 * od, *h = t + HEAD + 4 * (t[0] + oh), *w = t + HEAD + 4 * (t[0] + t[1]);
    x += x_offset + n * t[3] + d[0] + h[0];
    y += y_offset + n * t[4] + od * t[5] + oh * t[6];

    for (int ow = 0; ow < t[2]; ow++, w += 4, y += t[7]) {
        __global const float *p = x + w[0];
        if (average) {
            const float count = include_pad ? (float)d[2] * h[2] * w[2] : (float)d[1] * h[1] * w[1];
            const float factor = 1.0f / fmax(count, 1.0f);
            for (int c = c_first; c < c_last; c += VW)
                store_upto(window_sum(p + c, d, h, w) * factor, y + c, c_last - c);
        } else if (d[1] == 1 && h[1] == 3 && w[1] == 3) {
            const int h_step = h[3], w_step = w[3];
            for (int c = c_first; c < c_last; c += VW)
                store_upto(window_max_3x3(p + c, h_step, w_step), y + c, c_last - c);
        } else {
            for (int c = c_first; c < c_last; c += VW)
                store_upto(window_max(p + c, d, h, w), y + c, c_last - c);
        }
    }
}

#undef HEAD
