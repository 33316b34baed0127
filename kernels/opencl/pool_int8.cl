/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_int8.cl: maximum and average over windows of u8; windows and NDRange as in pool.cl.
 *
 * Maxima of equal quantization are bytes; others, and averages, go through float: v = (sum - n * zero_point) * factor.
 * plain: the former; slides: and windows have at most 3 columns, next to each other. An average's factor depends on how
 * many positions its window has: one per output pixel (factors: d, h, w).
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

/* The maximum of a column of n rows. */
static inline __attribute__((always_inline)) bv max_column(__global const uchar *x, int n, int step)
{
    bv acc = LOADB(x);
    if (n == 3) { /* most windows */
        const bv v = LOADB(x + step), u = LOADB(x + 2 * step);
        acc = v > acc ? v : acc;
        return u > acc ? u : acc;
    }
    for (int i = 1; i < n; i++) {
        const bv v = LOADB(x + i * step);
        acc = v > acc ? v : acc;
    }
    return acc;
}

/* A row of n outputs of BV channels, windows of at most 3 columns next to each other: every column is looked at once. */
static inline void max_row_3(
    __global const uchar *x, __global uchar *y, int y_step, __global const int *h, __global const int *w, int n)
{
    const int rows = h[1], row_step = h[3], step = w[3];
    int next = w[0]; /* the column to come, in bytes */
    bv left = (bv)(0), middle = (bv)(0), right = (bv)(0);
    for (int i = 0; i < n; i++, w += 4, y += y_step) {
        const int columns = w[1];
        for (next = max(next, w[0]); next < w[0] + columns * step; next += step) {
            left = middle;
            middle = right;
            right = max_column(x + next, rows, row_step);
        }
        bv acc = columns > 0 ? right : (bv)(0);
        if (columns > 1)
            acc = middle > acc ? middle : acc;
        if (columns > 2)
            acc = left > acc ? left : acc;
        STOREB(acc, y);
    }
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
    const int average, const int is_float, const int plain, const int slides, const int x_zero_point, const float lo, const float hi,
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

    if (slides && d[1] == 1 && h[1] > 0 && c_last - c_first >= BV) {
        for (int c = c_first; c < c_last; c += BV) {
            const int at = min(c, c_last - BV);
            max_row_3(x + at, y + at, t[7], h, w, t[2]);
        }
        return;
    }
    for (int ow = 0; ow < t[2]; ow++, w += 4, y += element * t[7]) {
        __global const uchar *p = x + w[0];
        int c = c_first;
        if (!average && plain) {
            for (; c + BV <= c_last; c += BV)
                STOREB(max_bytes(p + c, d, h, w), y + c);
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
