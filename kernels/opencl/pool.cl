/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.cl: maximum and average over windows, fp32; vectors run over channels, windows are cut at the borders.
 *
 * NDRange: dimension 0: output rows (n, d, h); dimension 1: pieces of `piece` channels (a multiple of VW).
 * t: table of numbers, see POOL_*: per spatial dimension (d, h, w) input extent, output extent, kernel, stride,
 * dilation, padding before, padding after, then element strides of x and y for n, d, h, w.
 */
#define POOL_DIM(i) (t + 7 * (i))
#define POOL_X      (t + 21)
#define POOL_Y      (t + 25)

/* The window positions that lie inside: k0 .. k1 - 1; *padded: positions that lie inside the padded extent. */
static inline void clip_window(__global const int *dim, int o, int *start, int *k0, int *k1, int *padded)
{
    const int in = dim[0], kernel_size = dim[2], dilation = dim[4];
    *start = o * dim[3] - dim[5];
    *k0 = *start < 0 ? (-*start + dilation - 1) / dilation : 0;
    *k1 = min(kernel_size, max(0, (in - *start + dilation - 1) / dilation));
    *padded = min(kernel_size, (in + dim[6] - *start + dilation - 1) / dilation);
}

__kernel void pool(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int piece, const int average,
    const int include_pad)
{
    const int row = get_global_id(0);
    const int oh = row % POOL_DIM(1)[1];
    const int od = row / POOL_DIM(1)[1] % POOL_DIM(0)[1];
    const int n = row / POOL_DIM(1)[1] / POOL_DIM(0)[1];
    const int c_first = get_global_id(1) * piece;
    const int c_last = min(c_first + piece, n_channels);
    int sd, d0, d1, pd, sh, h0, h1, ph;
    clip_window(POOL_DIM(0), od, &sd, &d0, &d1, &pd);
    clip_window(POOL_DIM(1), oh, &sh, &h0, &h1, &ph);
    x += x_offset + n * POOL_X[0];
    y += y_offset + n * POOL_Y[0] + od * POOL_Y[1] + oh * POOL_Y[2];

    for (int ow = 0; ow < POOL_DIM(2)[1]; ow++) {
        int sw, w0, w1, pw;
        clip_window(POOL_DIM(2), ow, &sw, &w0, &w1, &pw);
        const int inside = max((d1 - d0) * (h1 - h0) * (w1 - w0), 0);
        const float factor = average ? 1.0f / (include_pad ? pd * ph * pw : max(inside, 1)) : 1.0f;
        const int step = POOL_DIM(2)[4] * POOL_X[3];
        for (int c = c_first; c < c_last; c += VW) {
            vf acc = (vf)(average ? 0.0f : -INFINITY);
            for (int kd = d0; kd < d1; kd++) {
                for (int kh = h0; kh < h1; kh++) {
                    __global const float *p = x + (sd + kd * POOL_DIM(0)[4]) * POOL_X[1] +
                                              (sh + kh * POOL_DIM(1)[4]) * POOL_X[2] +
                                              (sw + w0 * POOL_DIM(2)[4]) * POOL_X[3] + c;
                    if (average) {
                        for (int kw = w0; kw < w1; kw++, p += step)
                            acc += LOADV(p);
                    } else {
                        for (int kw = w0; kw < w1; kw++, p += step)
                            acc = fmax(acc, LOADV(p));
                    }
                }
            }
            store_upto(acc * factor, y + ow * POOL_Y[3] + c, c_last - c);
        }
    }
}
