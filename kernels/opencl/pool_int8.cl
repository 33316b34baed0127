/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_int8.cl: maximum and average over windows of u8; windows and NDRange as in pool.cl.
 *
 * Maxima of equal quantization are bytes; others, and averages, go through float: v = (sum - n * zero_point) * factor.
 * An average's factor depends on how many positions its window has: one per output pixel (factors: d, h, w).
 */
#define HEAD 8

static inline bv max_bytes(__global const uchar *x, __global const int *d, __global const int *h, __global const int *w)
{
    bv acc = (bv)(0);
    for (int i = 0; i < d[1]; i++) {
        for (int j = 0; j < h[1]; j++) {
            __global const uchar *p = x + i * d[3] + j * h[3];
            for (int k = 0; k < w[1]; k++, p += w[3]) {
                const bv v = LOADB(p);
                acc = v > acc ? v : acc;
            }
        }
    }
    return acc;
}

/* The window of most networks, without loops. */
static inline bv max_bytes_3x3(__global const uchar *x, int row, int column)
{
    bv acc = LOADB(x);
#pragma unroll
    for (int i = 0; i < 3; i++) {
#pragma unroll
        for (int k = 0; k < 3; k++) {
            const bv v = LOADB(x + i * row + k * column);
            acc = v > acc ? v : acc;
        }
    }
    return acc;
}

static inline uchar16
max_sixteen(__global const uchar *x, __global const int *d, __global const int *h, __global const int *w)
{
    uchar16 acc = (uchar16)(0);
    for (int i = 0; i < d[1]; i++) {
        for (int j = 0; j < h[1]; j++) {
            __global const uchar *p = x + i * d[3] + j * h[3];
            for (int k = 0; k < w[1]; k++, p += w[3])
                acc = max(acc, vload16(0, p));
        }
    }
    return acc;
}

static inline int16
sum_sixteen(__global const uchar *x, __global const int *d, __global const int *h, __global const int *w)
{
    int16 acc = (int16)(0);
    for (int i = 0; i < d[1]; i++) {
        for (int j = 0; j < h[1]; j++) {
            __global const uchar *p = x + i * d[3] + j * h[3];
            for (int k = 0; k < w[1]; k++, p += w[3])
                acc += convert_int16(vload16(0, p));
        }
    }
    return acc;
}

__kernel void pool_int8(
    __global const uchar *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const int *restrict t, __global const float *restrict factors, const int n_channels, const int piece,
    const int average, const int is_float, const int plain, const int x_zero_point, const float lo, const float hi,
    const int zero_point PART_ARGS)
{
    const int row = ID0;
    const int oh = row % t[1];
    const int od = row / t[1] % t[0];
    const int n = row / t[1] / t[0];
    const int c_first = ID1 * piece;
    const int c_last = min(c_first + piece, n_channels);
    __global const int *d = t + HEAD + 4 * od, *h = t + HEAD + 4 * (t[0] + oh), *w = t + HEAD + 4 * (t[0] + t[1]);
    const int element = is_float ? 4 : 1;
    x += x_offset + n * t[3] + d[0] + h[0];
    y += (size_t)element * (y_offset + n * t[4] + od * t[5] + oh * t[6]);
    if (average)
        factors += (od * t[1] + oh) * t[2];

    for (int ow = 0; ow < t[2]; ow++, w += 4, y += element * t[7]) {
        __global const uchar *p = x + w[0];
        int c = c_first;
        if (!average && plain) {
            if (d[1] == 1 && h[1] == 3 && w[1] == 3) {
                const int h_step = h[3], w_step = w[3];
                for (; c + BV <= c_last; c += BV)
                    STOREB(max_bytes_3x3(p + c, h_step, w_step), y + c);
            } else {
                for (; c + BV <= c_last; c += BV)
                    STOREB(max_bytes(p + c, d, h, w), y + c);
            }
            for (; c < c_last; c += 16)
                store_bytes(max_sixteen(p + c, d, h, w), y + c, c_last - c);
            continue;
        }
        const float factor = factors[average ? ow : 0];
        const int shift = average ? x_zero_point * (d[1] * h[1] * w[1]) : x_zero_point;
        for (; c < c_last; c += 16) {
            const int16 sum = average ? sum_sixteen(p + c, d, h, w) : convert_int16(max_sixteen(p + c, d, h, w));
            const float16 v = clamp16(convert_float16(sum - (int16)(shift)) * (float16)(factor), lo, hi);
            if (is_float)
                store_floats(v, (__global float *)y + c, c_last - c);
            else
                store_bytes(round16(v, zero_point), y + c, c_last - c);
        }
    }
}

#undef HEAD
