/* SPDX-License-Identifier: Apache-2.0 */
/*
 * winograd_int8.cl: Winograd's minimal filtering F(T x T, 3 x 3) in integers, exact, for AVX2 and VNNI.
 *
 *     x ── winograd_int8_in ──▶ v [point][tile][channel] ── winograd_int8: products, inverse transform ──▶ y
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
 * Products of a group of tiles and R * LC output channels, of all points, are inverted as soon as they are there, before
 * they leave the nearest caches. Groups have at most P tiles and are as equal as can be, so that no product is wasted
 * on tiles that are not there.
 *
 * tiles: as in winograd.cl. P, R, and T (4 or 2), macros: the file is compiled once for each T. With VNNI TF2_WORDS is
 * defined, so that dot() takes two 16-bit numbers.
 */
#define N (T + 2)
#define IN_NAME  TF2_CAT(winograd_int8_in_, T)
#define NAME     TF2_CAT(winograd_int8_, T)
#define FORWARD  TF2_CAT(forward_int8_, T)
#define INVERSE  TF2_CAT(inverse_int8_, T)
#define UNSCALE  TF2_CAT(unscale_int8_, T)
#define SHAPE    TF2_CAT(winograd_int8_shape_, T)
#define IN_BODY  TF2_CAT(winograd_int8_in_body_, T)
#define INVERT   TF2_CAT(winograd_int8_invert_, T)
#define BODY     TF2_CAT(winograd_int8_body_, T)
#define STORE_NAME TF2_CAT(winograd_int8_store_, T)

#ifndef IN_LANES
/* Groups that are multiplied with the weights of a point while these are in the first level cache; how many bytes ahead
 * weights are fetched into the second. */
#define GROUPS 2
#define AHEAD  8192
/* Vectors from one point of m to the next: odd, so that these do not fall on the same cache sets. */
#define M_STRIDE (P * R | 1)
/* Channels that are transformed together: a register of words. */
#define IN_LANES (2 * LC)
typedef ushort words_v __attribute__((ext_vector_type(IN_LANES)));
typedef uchar bytes_v __attribute__((ext_vector_type(IN_LANES)));
typedef words_v words_anywhere __attribute__((aligned(2)));
typedef bytes_v bytes_anywhere __attribute__((aligned(1)));

/* The products of `count` tiles at one point: m [tile][vector]. step: numbers from one tile of v to the next. w: weights of
 * the point. ahead: bytes. A function of its own, so that all it needs stays in registers. */
#define MULTIPLY(name, count)                                                                                \
    TARGET void name(                                                                                        \
        acc_t *m, __global const short *v, long step, __global const char *w, int n_taps, int ahead)         \
    {                                                                                                        \
        acc_t acc[count][R];                                                                                 \
        __global const short *pv[count];                                                                     \
        _Pragma("unroll") for (int p = 0; p < count; p++)                                                    \
        {                                                                                                    \
            pv[p] = v + p * step;                                                                            \
            _Pragma("unroll") for (int r = 0; r < R; r++) acc[p][r] = ACC_INIT((li)(0));                     \
        }                                                                                                    \
        _Pragma("unroll 1") for (long j = 0; j < n_taps; j++, w += R * LC * 4)                               \
        {                                                                                                    \
            weight_t wr[R];                                                                                  \
            _Pragma("unroll") for (int r = 0; r < R; r++) wr[r] = LOADW(w + r * LC * 4);                     \
            _Pragma("unroll") for (int i = 0; i < R * LC * 4; i += 64) PREFETCH((size_t)w + ahead + i);      \
            _Pragma("unroll") for (int p = 0; p < count; p++)                                                \
            {                                                                                                \
                const spread_t x = SPREAD(pv[p] + 2 * j);                                                    \
                _Pragma("unroll") for (int r = 0; r < R; r++) acc[p][r] = dot(acc[p][r], x, wr[r]);          \
            }                                                                                                \
        }                                                                                                    \
        _Pragma("unroll") for (int p = 0; p < count; p++)                                                    \
        {                                                                                                    \
            _Pragma("unroll") for (int r = 0; r < R; r++) m[p * R + r] = acc[p][r];                          \
        }                                                                                                    \
    }
MULTIPLY(winograd_int8_most, P)
MULTIPLY(winograd_int8_less, (P - 1))
#endif

/* Unsigned: numbers wrap around. Forward: B^T d, in place, stride s. Inverse: A^T m: N elements to T. */
#if T == 4
static inline void FORWARD(words_v *d, int s)
{
    const words_v d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    const words_v even = d4 - (d2 << 2), odd = d3 - (d1 << 2), even_2 = d4 - d2, odd_2 = (d3 - d1) << 1;
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
static inline void FORWARD(words_v *d, int s)
{
    const words_v d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];
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

TARGET void IN_BODY(
    __global const uchar *restrict x, __global short *restrict v, int rows, int columns, int channels, int row_stride,
    int column_stride, int point_stride)
{
    for (int c = 0; c < channels; c += IN_LANES) {
        words_v d[N * N];
#pragma unroll
        for (int i = 0; i < N; i++) {
            /* What is beyond the map counts only in outputs that are not wanted. */
            __global const uchar *row = x + min(i, rows - 1) * row_stride + c;
#pragma unroll
            for (int j = 0; j < N; j++)
                d[i * N + j] = __builtin_convertvector(
                    *(__global const bytes_anywhere *)(row + min(j, columns - 1) * column_stride), words_v);
        }
#pragma unroll
        for (int j = 0; j < N; j++)
            FORWARD(d + j, N);
#pragma unroll
        for (int i = 0; i < N; i++)
            FORWARD(d + i * N, 1);
#pragma unroll
        for (int i = 0; i < N * N; i++)
            *(__global words_anywhere *)(v + i * point_stride + c) = d[i];
    }
}

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. v: point after point, point_stride numbers apart; a tile has
 * `channels` numbers, a multiple of IN_LANES.
 */
__kernel void IN_NAME(
    __global const uchar *restrict x, const int x_offset, __global short *restrict v, const int v_offset,
    __global const int *restrict tiles, const int first_tile, const int channels, const int row_stride,
    const int column_stride, const int point_stride PART_ARGS)
{
    const int tile = ID0;
    __global const int *info = tiles + (first_tile + tile) * 5;
    IN_BODY(
        x + x_offset + info[0], v + v_offset + tile * channels, info[3] & 0xff, info[3] >> 8, channels, row_stride,
        column_stride, point_stride);
}

struct SHAPE {
    int row_stride, column_stride, add_row_stride, add_column_stride;
    int point_stride, channels, n_taps; /* of v; pairs of channels that are multiplied */
    int n_tiles, n_groups;
    int n_store; /* output lanes that may be written */
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

/* One tile of LC output channels. */
static inline INLINE void INVERT(
    const acc_t *m, lui bias, lf scale, __global const uchar *add, __global uchar *y, int rows, int columns, int n,
    const struct SHAPE *s, const struct epilogue *e)
{
    lui d[N * N];
    li sums[T * T];
#pragma unroll
    for (int i = 0; i < N * N; i++)
        d[i] = TF2_CAT(as_uint, LC)(ACC_SUM(m[i * M_STRIDE]));
#pragma unroll
    for (int j = 0; j < N; j++)
        INVERSE(d + j, N);
#pragma unroll
    for (int i = 0; i < T; i++)
        INVERSE(d + i * N, 1);
#pragma unroll
    for (int i = 0; i < T * T; i++)
        sums[i] = TF2_CAT(as_int, LC)(TF2_CAT(as_uint, LC)(UNSCALE(d[i / T * N + i % T])) + bias);
    if (rows == T && columns == T && stores_whole(e, n, LC)) {
        if (e->has_add)
            STORE_NAME(sums, scale, add, 1, y, s, e);
        else
            STORE_NAME(sums, scale, add, 0, y, s, e);
        return;
    }
    const int element = e->is_float ? 4 : 1;
#pragma unroll 1
    for (int i = 0; i < rows; i++) {
#pragma unroll 1
        for (int j = 0; j < columns; j++)
            finish(
                sums[i * T + j], scale, y + element * (i * s->row_stride + j * s->column_stride),
                add + i * s->add_row_stride + j * s->add_column_stride, e, n);
    }
}

/* Groups first .. last - 1, group i from tile i * n_tiles / n_groups on. Multiplied as P or P - 1 tiles; if these are more
 * than there are, what follows in v is taken for tiles. */
TARGET void BODY(
    __global const short *restrict v, __global const char *restrict weights, __global const int *restrict tiles,
    __global const int *restrict bias, __global const float *restrict scale, __global const uchar *restrict add,
    __global uchar *restrict y, int first, int last, const struct SHAPE *s, const struct epilogue *e)
{
    acc_t m[GROUPS][N * N][M_STRIDE];
    int begin[GROUPS + 1];
    for (int group = first; group < last; group += GROUPS) {
        const int n = min(GROUPS, last - group);
        for (int g = 0; g <= n; g++)
            begin[g] = (group + g) * s->n_tiles / s->n_groups;
#pragma unroll 1
        for (int point = 0; point < N * N; point++) {
            __global const char *w = weights + point * s->n_taps * (R * LC * 4);
#pragma unroll 1
            for (int g = 0; g < n; g++) {
                __global const short *group_v = v + point * s->point_stride + begin[g] * s->channels;
                const int ahead = g == 0 ? AHEAD : 0;
                if (begin[g + 1] - begin[g] == P)
                    winograd_int8_most(m[g][point], group_v, s->channels, w, s->n_taps, ahead);
                else
                    winograd_int8_less(m[g][point], group_v, s->channels, w, s->n_taps, ahead);
            }
        }
#pragma unroll 1
        for (int g = 0; g < n; g++) {
#pragma unroll 1
            for (int tile = begin[g]; tile < begin[g + 1]; tile++) {
                __global const int *info = tiles + tile * 5;
#pragma unroll 1
                for (int c = 0; c < R * LC && c < s->n_store; c += LC)
                    INVERT(
                        &m[g][0][(tile - begin[g]) * R + c / LC], TF2_CAT(as_uint, LC)(LOADC(bias + c)), LOADC(scale + c),
                        add + info[2] + c, y + (e->is_float ? 4 : 1) * (size_t)(info[1] + c), info[4] & 0xff, info[4] >> 8,
                        s->n_store - c, s, e);
            }
        }
    }
}

/*
 * NDRange: dimension 0: `groups` each of n_groups groups of tiles, n_tiles in all, from `first_tile` on; dimension 1: blocks
 * of R * LC output channels. weights [block][point][pair of input channels][R * LC][2], weights_skip bytes less; bias has
 * the zero point of x folded in. n_store: output lanes that may be written.
 */
__kernel void NAME(
    __global const short *restrict v, const int v_offset, const int point_stride, const int channels,
    __global const char *restrict weights, const int weights_skip, const int n_taps, __global const int *restrict tiles,
    const int first_tile, const int n_tiles, const int n_groups, const int groups, __global const int *restrict bias,
    __global const float *restrict scale, __global const uchar *restrict add, const int add_offset,
    const int add_zero_point, const float add_factor, __global uchar *restrict y, const int y_offset, const int is_float,
    const int n_store, const int row_stride, const int column_stride, const int add_row_stride,
    const int add_column_stride, const float lo, const float hi, const int zero_point PART_ARGS)
{
    const int block = ID1, channel = block * R * LC, first = ID0 * groups;
    const struct epilogue e = {lo, hi, zero_point, add_zero_point, add_factor, is_float, 1, add_offset >= 0};
    const struct SHAPE s = {row_stride,   column_stride, add_row_stride, add_column_stride, point_stride,
                            channels,     n_taps,        n_tiles,        n_groups,           n_store - channel};
    BODY(
        v + v_offset, weights + (long)block * N * N * n_taps * (R * LC * 4) - weights_skip, tiles + first_tile * 5,
        bias + channel, scale + channel, add + max(add_offset, 0) + channel,
        y + (size_t)(is_float ? 4 : 1) * (y_offset + channel), first, min(first + groups, n_groups), &s, &e);
}

#undef N
#undef IN_NAME
#undef NAME
#undef FORWARD
#undef INVERSE
#undef UNSCALE
#undef SHAPE
#undef IN_BODY
#undef INVERT
#undef BODY
#undef STORE_NAME
#undef T
