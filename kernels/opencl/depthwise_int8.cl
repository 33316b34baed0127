/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depthwise_int8.cl: convolution with one input channel per output channel, u8 times s8: vectors run over channels, P
 * pixels share each vector of weights.
 *
 * A product fits 16 bits (255 * -128), so products are made there and summed in 32.
 *
 * NDRange, tables: as in depthwise.cl. weights: n_taps rows of n_channels rounded up to 16; bias (zero point folded in)
 * and scale: one per channel, read by vectors.
 */
#define P 4

__kernel void depthwise_int8(
    __global const uchar *restrict x, const int x_offset, __global const char *restrict weights,
    __global const int *restrict taps, const int n_taps, __global const int *restrict pixels, const int n_pixels,
    __global const int *restrict bias, __global const float *restrict scale, __global const uchar *restrict add,
    const int add_offset, const int add_zero_point, const float add_factor, __global uchar *restrict y,
    const int y_offset, const int is_float, const int n_channels, const int n_store, const int tiles, const float lo,
    const float hi, const int zero_point PART_ARGS)
{
    const int row = (n_channels + 15) / 16 * 16;
    const int first = ID0 * tiles;
    const int last = min(first + tiles, (n_pixels + P - 1) / P);
    const int element = is_float ? 4 : 1;
    x += x_offset;
    y += (size_t)element * y_offset;
    for (int tile = first; tile < last; tile++) {
        int from[P], to[P], res[P];
#pragma unroll
        for (int p = 0; p < P; p++) { /* beyond the end: the last pixel once more */
            const int pixel = min(tile * P + p, n_pixels - 1);
            from[p] = pixels[pixel];
            to[p] = pixels[n_pixels + pixel];
            res[p] = pixels[2 * n_pixels + pixel];
        }
        for (int c = 0; c < n_channels; c += 16) {
            uint16 acc[P]; /* sums wrap around */
#pragma unroll
            for (int p = 0; p < P; p++)
                acc[p] = as_uint16(vload16(0, bias + c));
            for (int j = 0; j < n_taps; j++) {
                const short16 w = convert_short16(vload16(0, weights + j * row + c));
                const int tap = taps[j] + c;
#pragma unroll
                for (int p = 0; p < P; p++)
                    acc[p] += as_uint16(convert_int16(convert_short16(vload16(0, x + from[p] + tap)) * w));
            }
            const float16 s = vload16(0, scale + c);
#pragma unroll
            for (int p = 0; p < P; p++) {
                float16 v = convert_float16(as_int16(acc[p])) * s;
                if (add_offset >= 0) {
                    const float16 a = real16(vload16(0, add + add_offset + res[p] + c), add_zero_point, add_factor);
                    v = v + a;
                }
                v = clamp16(v, lo, hi);
                if (is_float)
                    store_floats(v, (__global float *)y + to[p] + c, n_store - c);
                else
                    store_bytes(round16(v, zero_point), y + to[p] + c, n_store - c);
            }
        }
    }
}

#undef P
