/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv.cl: convolution by offset tables, fp32.
 *
 * For every output channel block (R vectors of VW channels) a convolution is a list of taps: element offsets
 * of one input channel at one kernel position, relative to a pixel's base. 1-D, 2-D, 3-D, strides, dilation
 * and groups differ only in the tables; padding is read from the input's halo. Pixels are a table too: base
 * offsets of P output pixels at a time, in any order, across rows and images.
 *
 *     acc[P][R] = bias                          weights: block, tap, R * VW channels
 *     for tap:                                  w[0 .. R-1]
 *         for p: acc[p][.] += x[base[p] + tap] * w[.]
 *
 * P * R accumulators, R weights and a broadcast fill the registers: 6x4, 7x3, 7x2, 14x1 of 32 (AVX-512),
 * fewer of 16. The last tile is shifted back to end with the last pixel, so it computes some pixels twice
 * (n_pixels >= P). Where an activation goes over what was stored, it leaves those to the tile before: that may run at
 * the same time on another device.
 *
 * Weights are read once per block and tile, the first time from memory. So that this does not wait, the first
 * R tiles of a block fetch the next block's weights meanwhile, a cache line per tap. (With more than 7 pixels
 * the addresses do not fit into the general registers any more, and it costs more than it gains.)
 *
 * NDRange: dimension 0: strips of `tiles` pixel tiles; dimension 1: output channel blocks.
 * pixels: n_pixels input bases, then n_pixels output offsets, then n_pixels offsets of the residual.
 * weights_skip: bytes of weights in front that are not there (streamed weights come in pieces).
 * n_out: channels per group; n_store >= n_out: lanes that may be written (the rest of a padded pixel).
 * P, R: macros, set by the library for each variant; the file is compiled once per variant.
 */
#define CONV_NAME TF2_CAT(TF2_CAT(conv_p, P), TF2_CAT(r, R))

__kernel void CONV_NAME(
    __global const float *restrict x, const int x_offset, __global const float *restrict weights,
    const int weights_skip, __global const int *restrict taps, const int n_taps, __global const int *restrict pixels, const int n_pixels,
    __global const float *restrict bias, __global const float *restrict add, const int add_offset,
    __global float *restrict y, const int y_offset, const int y_stride, const int n_out,
    const int n_store, const int blocks_per_group, const int x_group, const int tiles, const int act, const float act_a,
    const float act_b PART_ARGS)
{
    const int block = ID1;
    const int group = block / blocks_per_group;
    const int channel = (block - group * blocks_per_group) * (R * VW); /* within the group */
    const int n_valid = min(n_store - channel, R * VW);
    const int y_channel = group * n_out + channel;
    const int first = ID0 * tiles;
    const int last = min(first + tiles, (n_pixels + P - 1) / P);
    const vf lo = (vf)(act == ACT_CLIP ? act_a : -INFINITY), hi = (vf)(act == ACT_CLIP ? act_b : INFINITY);

    x += x_offset + group * x_group;
    weights += (long)block * n_taps * (R * VW) - weights_skip / 4;
    bias += block * (R * VW);
    y += y_offset;
    add += max(add_offset, 0);

    for (int tile = first; tile < last; tile++) {
        const int pixel = min(tile * P, n_pixels - P);
        const int done = act > ACT_CLIP ? tile * P - pixel : 0; /* pixels of the tile before */
        __global const float *px[P];
        __global const float *w = weights;
        vf acc[P][R];
#if P <= 7
        const size_t next_step = tile < R ? 64 : 0;
        size_t next = (size_t)(weights + (size_t)n_taps * (R * VW)) + next_step * tile * n_taps;
#endif
#pragma unroll
        for (int p = 0; p < P; p++)
            px[p] = x + pixels[pixel + p];
#pragma unroll
        for (int p = 0; p < P; p++) {
#pragma unroll
            for (int r = 0; r < R; r++)
                acc[p][r] = LOADV(bias + r * VW);
        }
#if R % 2 == 0 /* the other shapes would spill */
#pragma unroll 2
#else
#pragma unroll 1
#endif
        for (int j = 0; j < n_taps; j++) {
            const int tap = taps[j];
            vf wr[R];
#pragma unroll
            for (int r = 0; r < R; r++)
                wr[r] = LOADV(w + r * VW);
            w += R * VW;
#if P <= 7
            PREFETCH(next);
            next += next_step;
#endif
#pragma unroll
            for (int p = 0; p < P; p++) {
                const vf v = (vf)(px[p][tap]);
#pragma unroll
                for (int r = 0; r < R; r++)
                    acc[p][r] = fma(v, wr[r], acc[p][r]);
            }
        }
        if (n_valid == R * VW && y_stride == 1) {
#pragma unroll
            for (int p = 0; p < P; p++) {
                if (p < done)
                    continue;
                __global float *to = y + pixels[n_pixels + pixel + p] + y_channel;
                if (add_offset >= 0) {
                    __global const float *from = add + pixels[2 * n_pixels + pixel + p] + y_channel;
#pragma unroll
                    for (int r = 0; r < R; r++)
                        acc[p][r] += LOADV(from + r * VW);
                }
#pragma unroll
                for (int r = 0; r < R; r++)
                    STOREV(clamp_lanes(acc[p][r], lo, hi), to + r * VW);
            }
        } else {
#pragma unroll
            for (int p = 0; p < P; p++) {
                if (p < done)
                    continue;
                __global float *to = y + pixels[n_pixels + pixel + p] + y_channel * y_stride;
                __global const float *from = add + pixels[2 * n_pixels + pixel + p] + y_channel;
#pragma unroll
                for (int r = 0; r < R; r++) {
                    if (add_offset >= 0 && n_valid > r * VW)
                        acc[p][r] += LOADV(from + r * VW);
                    store_strided(
                        clamp_lanes(acc[p][r], lo, hi), to + r * VW * y_stride, n_valid - r * VW, y_stride);
                }
            }
        }
        if (act > ACT_CLIP) { /* rarely: over what was just stored */
            for (int p = done; p < P; p++)
                activate_row(y + pixels[n_pixels + pixel + p] + y_channel * y_stride, n_valid, y_stride, act, act_a, act_b);
        }
    }
}

#undef CONV_NAME
#undef P
#undef R
