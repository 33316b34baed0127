/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn_int8.cl: normalization across channels of u8: v = (x - zx) * table[sum of squares over the window >> shift].
 *
 * NDRange: dimension 0: pixels of a row times rows. t: outer dimensions n, d, h, w: extents, strides of x, strides of y
 * (4 each).
 */
#define LRN_MAX_CHANNELS 2048
#define LRN_MAX_HALF     16

#if TF2_DOT >= 2
typedef float f16_t __attribute__((vector_size(64)));
typedef int i16_t __attribute__((vector_size(64)));
#define LOOK_UP(table, at)                                                                                   \
    __builtin_astype(                                                                                        \
        __builtin_ia32_gathersiv16sf(                                                                        \
            __builtin_astype((float16)(0.0f), f16_t), (const void *)(size_t)(table), __builtin_astype(at, i16_t), (unsigned short)-1, 4),  \
        float16)
#else
static inline float16 look_up(__global const float *table, int16 at)
{
    int index[16];
    float value[16];
    vstore16(at, 0, index);
    for (int i = 0; i < 16; i++)
        value[i] = table[index[i]];
    return vload16(0, value);
}
#define LOOK_UP(table, at) look_up(table, at)
#endif

/* n pixels, x_step and y_step bytes apart. */
TARGET void lrn_pixels(
    __global const uchar *restrict x, int x_step, __global uchar *restrict y, int y_step, int n, int n_channels,
    int n_store, int half_size, __global const float *restrict table, int shift, int x_zero_point, float lo, float hi,
    int zero_point)
{
    int square[LRN_MAX_CHANNELS + 2 * LRN_MAX_HALF + 16];
    for (int i = 0; i < half_size; i++)
        square[i] = 0;
    for (int w = 0; w < n; w++, x += x_step, y += y_step) {
        for (int c = 0; c < n_channels; c += 16) {
            const int16 v = convert_int16(vload16(0, x + c)) - (int16)(x_zero_point);
            vstore16(v * v, 0, square + half_size + c);
        }
        vstore16((int16)(0), 0, square + half_size + n_channels);
        for (int i = 0; i < half_size; i++)
            square[half_size + n_channels + 16 + i] = 0;
        for (int c = 0; c < n_channels; c += 16) {
            int16 sum = vload16(0, square + c);
            for (int k = 1; k <= 2 * half_size; k++)
                sum += vload16(0, square + c + k);
            const int16 v = convert_int16(vload16(0, x + c)) - (int16)(x_zero_point);
            const float16 r = convert_float16(v) * LOOK_UP(table, sum >> shift);
            store_bytes(round16(clamp16(r, lo, hi), zero_point), y + c, n_store - c);
        }
    }
}

#if TF2_DOT >= 2
#define LRN_GROUP (LRN_MAX_CHANNELS / 4) /* channels of the pixels that go through a step together, at least */

/* The squares of 16 channels, of which n exist. */
static inline int16 lrn_squares(__global const uchar *x, int x_zero_point, int n)
{
    const int16 v = convert_int16(vload16(0, x)) - (int16)(x_zero_point);
    return vload16(0, tf2_lanes) < (int16)(n) ? v * v : (int16)(0);
}

/* Windows of 5 channels: neighbours come from registers. Factors are looked up one by one, which is faster than gathers
 * on some processors, and for many channels before they are used: loading a vector that was just stored in parts waits. */
TARGET void lrn_pixels_5(
    __global const uchar *restrict x, int x_step, __global uchar *restrict y, int y_step, int n, int n_channels,
    int n_store, __global const float *restrict table, int shift, int x_zero_point, float lo, float hi, int zero_point)
{
    uint at[LRN_MAX_CHANNELS];
    float factor[LRN_MAX_CHANNELS];
    const int lanes = (n_channels + 15) / 16 * 16, group = max(LRN_GROUP / lanes, 1);
    for (int first = 0; first < n; first += group, x += group * x_step, y += group * y_step) {
        const int n_pixels = min(group, n - first);
        for (int w = 0; w < n_pixels; w++) {
            __global const uchar *p = x + w * x_step;
            int16 left = (int16)(0), here = lrn_squares(p, x_zero_point, n_channels);
            for (int c = 0; c < lanes; c += 16) {
                const int16 right = lrn_squares(p + c + 16, x_zero_point, n_channels - c - 16);
                const int16 sum =
                    here +
                    __builtin_shufflevector(left, here, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29) +
                    __builtin_shufflevector(left, here, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30) +
                    __builtin_shufflevector(here, right, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16) +
                    __builtin_shufflevector(here, right, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
                vstore16(as_uint16(sum >> shift), 0, at + w * lanes + c);
                left = here;
                here = right;
            }
        }
#pragma unroll 8
        for (int i = 0; i < n_pixels * lanes; i++)
            factor[i] = table[((volatile uint *)at)[i]]; /* volatile: else the compiler gathers */
        for (int w = 0; w < n_pixels; w++) {
            for (int c = 0; c < lanes; c += 16) {
                const int16 v = convert_int16(vload16(0, x + w * x_step + c)) - (int16)(x_zero_point);
                const float16 r = convert_float16(v) * vload16(0, factor + w * lanes + c);
                store_bytes(round16(clamp16(r, lo, hi), zero_point), y + w * y_step + c, n_store - c);
            }
        }
    }
}
#endif

__kernel void lrn_int8(
    __global const uchar *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int n_store, const int half_size,
    __global const float *restrict table, const int shift, const int x_zero_point, const float lo, const float hi,
    const int zero_point PART_ARGS)
{
    int index = ID0;
    x += x_offset;
    y += y_offset;
    for (int d = 2; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        x += i * t[4 + d];
        y += i * t[8 + d];
    }
#if TF2_DOT >= 2
    if (half_size == 2) {
        lrn_pixels_5(
            x, t[7], y, t[11], t[3], n_channels, n_store, table, shift, x_zero_point, lo, hi, zero_point);
        return;
    }
#endif
    lrn_pixels(
        x, t[7], y, t[11], t[3], n_channels, n_store, half_size, table, shift, x_zero_point, lo, hi, zero_point);
}
