/* SPDX-License-Identifier: Apache-2.0 */
/*
 * winograd_int8.cl: Winograd's minimal filtering F(T x T, 3 x 3) in integers, exact, for AVX2. The products in between
 * are conv_int8.cl's, one group per transform point, 16-bit numbers.
 *
 *     x ── winograd_int8_in ──▶ v [point][tile][channel] ── conv_int8 ──▶ m [tile][point][channel] ── winograd_int8_out ──▶ y
 *         u8                      s16                                       s32
 *
 * T = 2: points 0, +-1, infinity. T = 4: and +-2. Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2016. Their fractions are multiplied out: weights and the inverse are scaled so that all are integers, and
 * what comes out is SCALE times the sum (4 or 24 * 24), modulo 2^32. With v and the weights (step_winograd_int8.c):
 *
 *     largest number        T = 2      T = 4
 *     v                      1020      17340 (255 * (8 * 8 + 2 * 2))     16 bits hold it
 *     transformed weight     1152      18432 (128 * 12 * 12)             16 bits hold it
 *     sum                    2^29      2^25                              or SCALE times the sum would not be in 32 bits:
 *                                                                        the library looks at the weights
 *
 * 576 = 9 * 64: an odd factor is divided out modulo 2^32 by its inverse, a power of two by a shift.
 *
 * tiles: as in winograd.cl. T (macro): 4 or 2; the file is compiled once for each.
 */
#define N (T + 2)
#define IN_NAME  TF2_CAT(winograd_int8_in_, T)
#define OUT_NAME TF2_CAT(winograd_int8_out_, T)
#define FORWARD  TF2_CAT(forward_int8_, T)
#define INVERSE  TF2_CAT(inverse_int8_, T)
#define UNSCALE  TF2_CAT(unscale_int8_, T)

/* Unsigned: numbers wrap around. Forward: B^T d, in place, stride s. Inverse: A^T m: N elements to T. */
#if T == 4
static inline void FORWARD(ushort16 *d, int s)
{
    const ushort16 d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    const ushort16 even = d4 - (d2 << 2), odd = d3 - (d1 << 2), even_2 = d4 - d2, odd_2 = (d3 - d1) << 1;
    d[0] = ((d0 - d2) << 2) + even_2;
    d[s] = even + odd;
    d[2 * s] = even - odd;
    d[3 * s] = even_2 + odd_2;
    d[4 * s] = even_2 - odd_2;
    d[5 * s] = ((d1 - d3) << 2) + (d5 - d3);
}

static inline void INVERSE(lui *m, int s)
{
    const lui s1 = m[s] + m[2 * s], t1 = m[s] - m[2 * s];
    const lui s2 = m[3 * s] + m[4 * s], t2 = m[3 * s] - m[4 * s];
    m[0] = m[0] + s1 + s2;
    m[s] = t1 + (t2 << 1);
    m[2 * s] = s1 + (s2 << 2);
    m[3 * s] = t1 + (t2 << 3) + (m[5 * s] << 1);
}

static inline li UNSCALE(lui sum)
{
    return TF2_CAT(as_int, LC)(sum * 0x38e38e39u) >> 6; /* 9 * 0x38e38e39 = 1 modulo 2^32 */
}
#else
static inline void FORWARD(ushort16 *d, int s)
{
    const ushort16 d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];
    d[0] = d0 - d2;
    d[s] = d1 + d2;
    d[2 * s] = d2 - d1;
    d[3 * s] = d1 - d3;
}

static inline void INVERSE(lui *m, int s)
{
    const lui m1 = m[s], m2 = m[2 * s];
    m[0] = m[0] + m1 + m2;
    m[s] = m1 - m2 - m[3 * s];
}

static inline li UNSCALE(lui sum)
{
    return TF2_CAT(as_int, LC)(sum) >> 2;
}
#endif

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. v: point after point, point_stride numbers apart; a tile has
 * n_channels rounded up to 16.
 */
__kernel void IN_NAME(
    __global const uchar *restrict x, const int x_offset, __global short *restrict v, const int v_offset,
    __global const int *restrict tiles, const int first_tile, const int n_channels, const int row_stride,
    const int column_stride, const int point_stride)
{
    const int tile = get_global_id(0);
    const int channels = (n_channels + 15) / 16 * 16;
    __global const int *info = tiles + (first_tile + tile) * 5;
    const int rows = info[3] & 0xff, columns = info[3] >> 8;
    x += x_offset + info[0];
    v += v_offset + tile * channels;
    for (int c = 0; c < channels; c += 16) {
        ushort16 d[N * N];
#pragma unroll
        for (int i = 0; i < N; i++) {
            /* What is beyond the map counts only in outputs that are not wanted. */
            const int row = min(i, rows - 1) * row_stride + c;
#pragma unroll
            for (int j = 0; j < N; j++)
                d[i * N + j] = convert_ushort16(vload16(0, x + row + min(j, columns - 1) * column_stride));
        }
#pragma unroll
        for (int j = 0; j < N; j++)
            FORWARD(d + j, N);
#pragma unroll
        for (int i = 0; i < N; i++)
            FORWARD(d + i * N, 1);
#pragma unroll
        for (int i = 0; i < N * N; i++)
            STORES(as_short16(d[i]), v + i * point_stride + c);
    }
}

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. m: tile after tile, then point after point, n_padded channels each.
 * bias has the zero point of x folded in. n_store: output lanes that may be written.
 */
__kernel void OUT_NAME(
    __global const int *restrict m, const int m_offset, __global const int *restrict tiles, const int first_tile,
    const int n_padded, __global const int *restrict bias, __global const float *restrict scale,
    __global const uchar *restrict add, const int add_offset, const int add_zero_point, const float add_factor,
    __global uchar *restrict y, const int y_offset, const int is_float, const int n_store, const int row_stride,
    const int column_stride, const int add_row_stride, const int add_column_stride, const float lo, const float hi,
    const int zero_point)
{
    const int tile = get_global_id(0);
    __global const int *info = tiles + (first_tile + tile) * 5;
    const int rows = info[4] & 0xff, columns = info[4] >> 8;
    const int element = is_float ? 4 : 1;
    const struct epilogue e = {lo, hi, zero_point, add_zero_point, add_factor, is_float, 1, add_offset >= 0};
    m += m_offset + tile * (N * N) * n_padded;
    y += (size_t)element * (y_offset + info[1]);
    add += max(add_offset, 0) + info[2];
    for (int c = 0; c < n_padded; c += LC) {
        lui d[N * N];
#pragma unroll
        for (int i = 0; i < N * N; i++)
            d[i] = TF2_CAT(as_uint, LC)(LOADC(m + i * n_padded + c));
#pragma unroll
        for (int j = 0; j < N; j++)
            INVERSE(d + j, N);
#pragma unroll
        for (int i = 0; i < T; i++)
            INVERSE(d + i * N, 1);
        const lui b = TF2_CAT(as_uint, LC)(LOADC(bias + c));
        const lf s = LOADC(scale + c);
#pragma unroll
        for (int i = 0; i < T; i++) {
#pragma unroll
            for (int j = 0; j < T; j++) {
                const li sum = TF2_CAT(as_int, LC)(TF2_CAT(as_uint, LC)(UNSCALE(d[i * N + j])) + b);
                __global uchar *to = y + element * (i * row_stride + j * column_stride + c);
                __global const uchar *from = add + i * add_row_stride + j * add_column_stride + c;
                if (i >= rows || j >= columns)
                    continue;
                if (stores_whole(&e, n_store - c, LC))
                    STORE_LU(round_u8(real_sums(sum, s, from, e.has_add, &e), zero_point), to);
                else
                    finish(sum, s, to, from, &e, n_store - c);
            }
        }
    }
}

#undef N
#undef IN_NAME
#undef OUT_NAME
#undef FORWARD
#undef INVERSE
#undef UNSCALE
#undef T
