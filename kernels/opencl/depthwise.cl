/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depthwise.cl: convolution with one input channel per output channel, fp32: vectors run over channels, P
 * pixels share each weight vector.
 *
 * NDRange: dimension 0: strips of `tiles` pixel tiles. taps, pixels: as in conv.cl. weights: n_taps rows of
 * n_channels rounded up to VW; bias the same. n_store >= n_channels: lanes that may be written.
 */
#define P 4

__kernel void depthwise(
    __global const float *restrict x, const int x_offset, __global const float *restrict weights,
    __global const int *restrict taps, const int n_taps, __global const int *restrict pixels, const int n_pixels,
    __global const float *restrict bias, __global const float *restrict add, const int add_offset,
    __global float *restrict y, const int y_offset, const int n_channels, const int n_store, const int tiles, const int act,
    const float act_a, const float act_b PART_ARGS)
{
    const int row = (n_channels + VW - 1) / VW * VW;
    const int first = ID0 * tiles;
    const int last = min(first + tiles, (n_pixels + P - 1) / P);
    x += x_offset;
    y += y_offset;
    for (int tile = first; tile < last; tile++) {
        int from[P], to[P], res[P];
#pragma unroll
        for (int p = 0; p < P; p++) { /* beyond the end: the last pixel once more */
            const int pixel = min(tile * P + p, n_pixels - 1);
            from[p] = pixels[pixel];
            to[p] = pixels[n_pixels + pixel];
            res[p] = pixels[2 * n_pixels + pixel];
        }
        for (int c = 0; c < n_channels; c += VW) {
            vf acc[P];
#pragma unroll
            for (int p = 0; p < P; p++)
                acc[p] = LOADV(bias + c);
            for (int j = 0; j < n_taps; j++) {
                const vf w = LOADV(weights + j * row + c);
                const int tap = taps[j] + c;
#pragma unroll
                for (int p = 0; p < P; p++)
                    acc[p] = fma(LOADV(x + from[p] + tap), w, acc[p]);
            }
#pragma unroll
            for (int p = 0; p < P; p++) {
                if (add_offset >= 0)
                    acc[p] += LOADV(add + add_offset + res[p] + c);
                if (act == ACT_CLIP)
                    acc[p] = fmin(fmax(acc[p], (vf)(act_a)), (vf)(act_b));
                store_upto(acc[p], y + to[p] + c, n_store - c);
            }
        }
        if (act > ACT_CLIP) {
            for (int p = 0; p < P; p++) {
                if (tile * P + p < n_pixels)
                    activate_row(y + to[p], n_store, 1, act, act_a, act_b);
            }
        }
    }
}

#undef P
