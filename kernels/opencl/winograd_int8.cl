/* SPDX-License-Identifier: Apache-2.0 */
/*
 * winograd_int8.cl: Winograd's minimal filtering F(T x T, 3 x 3) in integers, exact, for AVX2 and VNNI. The products in
 * between are conv_int8.cl's, one group per transform point, 16-bit numbers.
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
#define SHAPE    TF2_CAT(winograd_int8_shape_, T)
#define BODY_NAME TF2_CAT(winograd_int8_out_body_, T)
#define STORE_NAME TF2_CAT(winograd_int8_store_, T)

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
    const int column_stride, const int point_stride PART_ARGS)
{
    const int tile = ID0;
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

struct SHAPE {
    int row_stride, column_stride, add_row_stride, add_column_stride;
    int n_padded, n_store;
};

/* A whole tile of u8 outputs, four pixels at a time. */
static inline INLINE void STORE_NAME(
    const li *sums, lf scale, __global const uchar *add, int has_add, __global uchar *y, const struct SHAPE *s,
    const struct epilogue *e)
{
#pragma unroll
    for (int f = 0; f < T * T; f += 4) {
        lf v[4];
#pragma unroll
        for (int k = 0; k < 4; k++)
            v[k] = real_sums(
                sums[f + k], scale,
                add + (has_add ? (f + k) / T * s->add_row_stride + (f + k) % T * s->add_column_stride : 0), has_add, e);
        const four_lu q = round_four(v[0], v[1], v[2], v[3], e->zero_point);
        STORE_LU(q.lo.lo, y + f / T * s->row_stride + f % T * s->column_stride);
        STORE_LU(q.lo.hi, y + (f + 1) / T * s->row_stride + (f + 1) % T * s->column_stride);
        STORE_LU(q.hi.lo, y + (f + 2) / T * s->row_stride + (f + 2) % T * s->column_stride);
        STORE_LU(q.hi.hi, y + (f + 3) / T * s->row_stride + (f + 3) % T * s->column_stride);
    }
}

TARGET void BODY_NAME(
    __global const int *restrict m, __global const int *restrict bias, __global const float *restrict scale,
    __global const uchar *restrict add, __global uchar *restrict y, int rows, int columns, const struct SHAPE *s,
    const struct epilogue *e)
{
    const int element = e->is_float ? 4 : 1, is_whole = rows == T && columns == T;
    for (int c = 0; c < s->n_padded; c += LC) {
        lui d[N * N];
        li sums[T * T];
#pragma unroll
        for (int i = 0; i < N * N; i++)
            d[i] = TF2_CAT(as_uint, LC)(LOADC(m + i * s->n_padded + c));
#pragma unroll
        for (int j = 0; j < N; j++)
            INVERSE(d + j, N);
#pragma unroll
        for (int i = 0; i < T; i++)
            INVERSE(d + i * N, 1);
        const lui b = TF2_CAT(as_uint, LC)(LOADC(bias + c));
#pragma unroll
        for (int i = 0; i < T * T; i++)
            sums[i] = TF2_CAT(as_int, LC)(TF2_CAT(as_uint, LC)(UNSCALE(d[i / T * N + i % T])) + b);
        if (is_whole && stores_whole(e, s->n_store - c, LC)) {
            if (e->has_add)
                STORE_NAME(sums, LOADC(scale + c), add + c, 1, y + c, s, e);
            else
                STORE_NAME(sums, LOADC(scale + c), add, 0, y + c, s, e);
            continue;
        }
#pragma unroll 1
        for (int i = 0; i < rows; i++) {
#pragma unroll 1
            for (int j = 0; j < columns; j++)
                finish(
                    sums[i * T + j], LOADC(scale + c),
                    y + element * (i * s->row_stride + j * s->column_stride + c),
                    add + i * s->add_row_stride + j * s->add_column_stride + c, e, s->n_store - c);
        }
    }
}

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. m: tile after tile (tile_stride apart), then point after point,
 * n_padded channels each. bias has the zero point of x folded in. n_store: output lanes that may be written.
 */
__kernel void OUT_NAME(
    __global const int *restrict m, const int m_offset, __global const int *restrict tiles, const int first_tile,
    const int n_padded, const int tile_stride, __global const int *restrict bias, __global const float *restrict scale,
    __global const uchar *restrict add, const int add_offset, const int add_zero_point, const float add_factor,
    __global uchar *restrict y, const int y_offset, const int is_float, const int n_store, const int row_stride,
    const int column_stride, const int add_row_stride, const int add_column_stride, const float lo, const float hi,
    const int zero_point PART_ARGS)
{
    const int tile = ID0;
    __global const int *info = tiles + (first_tile + tile) * 5;
    const struct epilogue e = {lo, hi, zero_point, add_zero_point, add_factor, is_float, 1, add_offset >= 0};
    const struct SHAPE s = {row_stride, column_stride, add_row_stride, add_column_stride, n_padded, n_store};
    BODY_NAME(
        m + m_offset + tile * tile_stride, bias, scale, add + max(add_offset, 0) + info[2],
        y + (size_t)(is_float ? 4 : 1) * (y_offset + info[1]), info[4] & 0xff, info[4] >> 8, &s, &e);
}

#undef N
#undef IN_NAME
#undef OUT_NAME
#undef FORWARD
#undef INVERSE
#undef UNSCALE
#undef SHAPE
#undef BODY_NAME
#undef STORE_NAME
#undef T
