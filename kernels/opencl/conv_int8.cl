/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_int8.cl: convolution by offset tables, u8 times s8.
 *
 * As conv.cl, with taps of four neighbouring bytes, or two 16-bit numbers (xt; on AVX2): a tap is the offset of these
 * inputs relative to a pixel's base. Which inputs they are is the table's business: a channel that the tap reads and the
 * convolution does not use has weight 0.
 *
 *     acc[P][R] = bias                       weights: block, tap, R * LC channels, 4 bytes or two 16-bit numbers
 *     for tap:                               w[0 .. R-1]
 *         for p: acc[p][.] += dot(x[base[p] + tap ..], w[.])
 *     q = clamp(acc * scale [+ residual]), rounded half to even
 *
 * NDRange, tables, weights_skip, n_out, n_store: as in conv.cl. bias has the zero point of x folded in.
 * P, R: macros, one variant each.
 */
#define CONV_NAME TF2_CAT(TF2_CAT(conv_int8_p, P), TF2_CAT(r, R))
#define STORE_NAME TF2_CAT(TF2_CAT(conv_int8_store_p, P), TF2_CAT(r, R))
#define BODY_NAME TF2_CAT(TF2_CAT(conv_int8_body_p, P), TF2_CAT(r, R))

#if TF2_DOT == 1
/* A whole tile of u8 outputs, four vectors at a time; the last ones may be stored twice. */
static inline INLINE void STORE_NAME(
    acc_t (*acc)[R], __global const float *scale, __global const int *pixels, int n_pixels,
    __global const uchar *add, int has_add, __global uchar *y, const struct epilogue *e)
{
#pragma unroll
    for (int f = 0; f < (P * R + 3) / 4; f++) {
        const int i = f * 4 < P * R - 4 ? f * 4 : P * R - 4;
        lf v[4];
#pragma unroll
        for (int k = i; k < i + 4; k++)
            v[k - i] = real_sums(
                ACC_SUM(acc[k / R][k % R]), LOADC(scale + k % R * LC),
                add + (has_add ? pixels[2 * n_pixels + k / R] : 0) + k % R * LC, has_add, e);
        const four_lu q = round_four(v[0], v[1], v[2], v[3], e->zero_point);
        STORE_LU(q.lo.lo, y + pixels[n_pixels + i / R] + i % R * LC);
        STORE_LU(q.lo.hi, y + pixels[n_pixels + (i + 1) / R] + (i + 1) % R * LC);
        STORE_LU(q.hi.lo, y + pixels[n_pixels + (i + 2) / R] + (i + 2) % R * LC);
        STORE_LU(q.hi.hi, y + pixels[n_pixels + (i + 3) / R] + (i + 3) % R * LC);
    }
}
#endif

TARGET void BODY_NAME(
    __global const xt *restrict x, __global const char *restrict weights, __global const int *restrict taps, int n_taps,
    __global const int *restrict pixels, int n_pixels, __global const int *restrict bias,
    __global const float *restrict scale, __global const uchar *restrict add, __global uchar *restrict y,
    int n_valid, int first, int last, const struct epilogue *e)
{
    for (int tile = first; tile < last; tile++) {
        const int pixel = min(tile * P, n_pixels - P);
        __global const xt *px[P];
        __global const char *w = weights;
        acc_t acc[P][R];
#if P <= 8
        const size_t next_step = tile < R ? 64 : 0;
        size_t next = (size_t)(weights + (size_t)n_taps * (R * LC * 4)) + next_step * tile * n_taps;
#endif
#pragma unroll
        for (int p = 0; p < P; p++)
            px[p] = x + pixels[pixel + p];
#pragma unroll
        for (int r = 0; r < R; r++) {
            const acc_t b = ACC_INIT(LOADC(bias + r * LC));
#pragma unroll
            for (int p = 0; p < P; p++)
                acc[p][r] = b;
        }
#pragma unroll 1
        for (int j = 0; j < n_taps; j++) {
            const int tap = taps[j];
            weight_t wr[R];
#pragma unroll
            for (int r = 0; r < R; r++)
                wr[r] = LOADW(w + r * LC * 4);
            w += R * LC * 4;
#if P <= 8
            PREFETCH(next);
            next += next_step;
#endif
#pragma unroll
            for (int p = 0; p < P; p++) {
                const spread_t v = SPREAD(px[p] + tap);
#pragma unroll
                for (int r = 0; r < R; r++)
                    acc[p][r] = dot(acc[p][r], v, wr[r]);
            }
        }
#if TF2_DOT >= 2
        if (e->packs && !e->has_add) {
            PACK_TILE(0)
            continue;
        }
        if (e->packs) {
            PACK_TILE(1)
            continue;
        }
#endif
#if TF2_DOT == 1
        if (stores_whole(e, n_valid, R * LC)) {
            if (e->has_add)
                STORE_NAME(acc, scale, pixels + pixel, n_pixels, add, 1, y, e);
            else
                STORE_NAME(acc, scale, pixels + pixel, n_pixels, add, 0, y, e);
            continue;
        }
#else
        if (stores_whole(e, n_valid, R * LC) && !e->has_add) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                const lf s = LOADC(scale + r * LC);
#pragma unroll
                for (int p = 0; p < P; p++)
                    STORE_LU(
                        round_u8(real_sums(ACC_SUM(acc[p][r]), s, add, 0, e), e->zero_point),
                        y + pixels[n_pixels + pixel + p] + r * LC);
            }
            continue;
        }
        if (stores_whole(e, n_valid, R * LC)) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                const lf s = LOADC(scale + r * LC);
#pragma unroll
                for (int p = 0; p < P; p++)
                    STORE_LU(
                        round_u8(
                            real_sums(
                                ACC_SUM(acc[p][r]), s, add + pixels[2 * n_pixels + pixel + p] + r * LC, 1, e),
                            e->zero_point),
                        y + pixels[n_pixels + pixel + p] + r * LC);
            }
            continue;
        }
#endif
        const int element = e->is_float ? 4 : 1;
#pragma unroll
        for (int p = 0; p < P; p++) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                if (n_valid > r * LC)
                    finish(
                        ACC_SUM(acc[p][r]), LOADC(scale + r * LC),
                        y + (size_t)element * (pixels[n_pixels + pixel + p] + r * LC * e->y_stride),
                        add + pixels[2 * n_pixels + pixel + p] + r * LC, e, n_valid - r * LC);
            }
        }
    }
}

__kernel void CONV_NAME(
    __global const xt *restrict x, const int x_offset, __global const char *restrict weights, const int weights_skip,
    __global const int *restrict taps, const int n_taps, __global const int *restrict pixels, const int n_pixels,
    __global const int *restrict bias, __global const float *restrict scale, __global const uchar *restrict add,
    const int add_offset, const int add_zero_point, const float add_factor, __global uchar *restrict y,
    const int y_offset, const int y_stride, const int is_float, const int n_out, const int n_store,
    const int blocks_per_group, const int x_group, const int tiles, const float lo, const float hi,
    const int zero_point, const int packs PART_ARGS)
{
    const int block = ID1;
    const int group = block / blocks_per_group;
    const int channel = (block - group * blocks_per_group) * (R * LC); /* within the group */
    const int y_channel = group * n_out + channel;
    const int first = ID0 * tiles;
    const int element = is_float ? 4 : 1;
    const struct epilogue e = {
        lo, hi, zero_point, add_zero_point, add_factor, is_float, y_stride, add_offset >= 0, packs,
        lo > (float)-zero_point || hi < (float)(255 - zero_point)};
    BODY_NAME(
        x + x_offset + group * x_group, weights + (long)block * n_taps * (R * LC * 4) - weights_skip, taps, n_taps, pixels,
        n_pixels, bias + block * (R * LC), scale + block * (R * LC), add + max(add_offset, 0) + y_channel,
        y + (size_t)element * (y_offset + y_channel * y_stride), min(n_store - channel, R * LC), first,
        min(first + tiles, (n_pixels + P - 1) / P), &e);
}

#undef CONV_NAME
#undef BODY_NAME
#undef STORE_NAME
#undef P
#undef R
