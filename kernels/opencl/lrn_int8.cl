/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn_int8.cl: normalization across channels of u8. With S, the sum of squares over the window,
 *
 *     by a table     v = (x - zx) * table[S >> shift]
 *     by a curve     v = (x - zx) * octave[e mod 8] * polynomial(m),  S + offset = m * 2^e
 *
 * S is at most 2^24: floats hold it exactly. docs/quantization.md has the arithmetic.
 *
 * NDRange: dimension 0: pixels of a row times rows. t: outer dimensions n, d, h, w: extents, strides of x, strides of y
 * (4 each). factors: the table; or, with a negative shift, a curve: offset, 4 coefficients, the octaves twice.
 */
#define LRN_MAX_CHANNELS 2048
#define LRN_MAX_HALF     16
#define COEFFICIENTS     4

struct lrn {
    int n_channels, n_store; /* of a pixel: those that exist, those that may be written */
    int half_size, shift, x_zero_point;
    float lo, hi;
    int zero_point;
};

/* --- factors --- */

#if TF2_DOT >= 2
#define LOOK_UP(table, at)                                                                                   \
    __builtin_astype(                                                                                        \
        __builtin_ia32_gathersiv16sf(                                                                        \
            __builtin_astype((lf)(0.0f), floats_t), (const void *)(size_t)(table),                           \
            __builtin_astype(at, ints_t), (unsigned short)-1, 4),                                            \
        lf)
#else
static inline lf look_up(__global const float *table, li at)
{
    int index[LC];
    float value[LC];
    STOREC(at, index);
    for (int i = 0; i < LC; i++)
        value[i] = table[index[i]];
    return LOADC(value);
}
#define LOOK_UP(table, at) look_up(table, at)
#endif

/* octaves[exponents mod 8]. The instructions look at the lowest bits of an index. */
#if TF2_DOT == 0
typedef __global const float *octaves_t;
#define LOAD_OCTAVES(p)            (p)
#define OCTAVE(octaves, exponents) look_up(octaves, (exponents) & 7)
#else
typedef lf octaves_t;
#define LOAD_OCTAVES(p) LOADC(p)
#if TF2_DOT == 1
#define PERMUTE_FLOATS __builtin_ia32_permvarsf256
#else
#define PERMUTE_FLOATS __builtin_ia32_permvarsf512
#endif
#define OCTAVE(octaves, exponents)                                                                           \
    __builtin_astype(                                                                                        \
        PERMUTE_FLOATS(__builtin_astype(octaves, floats_t), __builtin_astype(exponents, ints_t)), lf)
#endif

struct curve {
    float offset, p[COEFFICIENTS];
    octaves_t octaves;
};

static inline INLINE struct curve load_curve(__global const float *factors)
{
    struct curve k;
    k.offset = factors[0];
    for (int i = 0; i < COEFFICIENTS; i++)
        k.p[i] = factors[1 + i];
    k.octaves = LOAD_OCTAVES(factors + 1 + COEFFICIENTS);
    return k;
}

/* The numbers x times their factors. The polynomial has no long chain of operations, see lrn.h. */
static inline INLINE lf on_curve(lf x, lf sum, const struct curve *k)
{
    const li bits = AS_INT(sum + (lf)(k->offset));
    const lf m = AS_FLOAT((bits & (li)(0x7fffff)) | (li)(0x3f800000));
    const lf y = (m + (lf)(k->p[0])) * m + (lf)(k->p[1]);
    return (x * OCTAVE(k->octaves, bits >> 23)) * ((y + (m + (lf)(k->p[2]))) * y + (lf)(k->p[3]));
}

/* --- windows of any size --- */

static inline INLINE lf lrn_reals(__global const uchar *x, int zero_point)
{
    return CONVERT_F(CONVERT_I(LOADC(x)) - (li)(zero_point));
}

/* The first n of a vector that is written to y. */
static inline INLINE void lrn_store(lf v, __global uchar *y, int n, const struct lrn *l)
{
    const lu q = round_u8(clamp_c(v, l->lo, l->hi), l->zero_point);
    uchar lane[LC];
    if (n >= LC) {
        STORE_LU(q, y);
        return;
    }
    STOREC(q, lane);
    for (int i = 0; i < n; i++)
        y[i] = lane[i];
}

/* n pixels, x_step and y_step bytes apart. */
TARGET void lrn_pixels(
    __global const uchar *restrict x, int x_step, __global uchar *restrict y, int y_step, int n,
    const struct lrn *l, __global const float *restrict factors)
{
    float square[LRN_MAX_CHANNELS + 2 * LRN_MAX_HALF + LC];
    const int n_channels = l->n_channels, half_size = l->half_size, shift = l->shift;
    const struct curve curve = load_curve(factors);
    for (int i = 0; i < half_size; i++)
        square[i] = 0;
    for (int w = 0; w < n; w++, x += x_step, y += y_step) {
        for (int c = 0; c < n_channels; c += LC) {
            const lf v = lrn_reals(x + c, l->x_zero_point);
            STOREC(v * v, square + half_size + c);
        }
        STOREC((lf)(0), square + half_size + n_channels);
        for (int i = 0; i < half_size; i++)
            square[half_size + n_channels + LC + i] = 0;
        for (int c = 0; c < n_channels; c += LC) {
            lf sum = LOADC(square + c);
            for (int k = 1; k <= 2 * half_size; k++)
                sum += LOADC(square + c + k);
            const lf v = lrn_reals(x + c, l->x_zero_point);
            const lf r = shift < 0 ? on_curve(v, sum, &curve) : v * LOOK_UP(factors, CONVERT_I(sum) >> shift);
            lrn_store(r, y + c, l->n_store - c, l);
        }
    }
}

/* --- windows of 5, by a curve: neighbours come from registers --- */

#if TF2_DOT >= 1
/* LC lanes of the two vectors a, b from lane i on. */
#if LC == 8
#define LANES_FROM(a, b, i) __builtin_shufflevector(a, b, i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7)
#else
#define LANES_FROM(a, b, i)                                                                                  \
    __builtin_shufflevector(                                                                                 \
        a, b, i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7, i + 8, i + 9, i + 10, i + 11, i + 12,      \
        i + 13, i + 14, i + 15)
#endif
typedef four_lu four_lu_anywhere __attribute__((aligned(1)));

/* One vector of channels, its squares, and square[c] + square[c + 1] for the channels before. */
struct row {
    lf v, square, pairs;
};

/*
 * v of 4 vectors of channels: x, of which n exist; sum[c] = pairs[c - 2] + pairs[c] + square[c + 2]. What is below 0
 * saturates when it is packed.
 */
static inline INLINE void lrn_four(
    __global const uchar *x, int n, int whole, struct row *row, const struct lrn *l,
    const struct curve *curve, lf r[4])
{
    lf sum[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        lf v = lrn_reals(x + (i + 1) * LC, l->x_zero_point);
        if (!whole || i == 3)
            v = LOADC(tf2_lanes) < (li)(n - (i + 1) * LC) ? v : (lf)(0);
        const lf square = v * v;
        const lf pairs = row->square + LANES_FROM(row->square, square, 1);
        sum[i] = LANES_FROM(row->pairs, pairs, LC - 2) + pairs + LANES_FROM(row->square, square, 2);
        r[i] = row->v;
        row->v = v;
        row->square = square;
        row->pairs = pairs;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        r[i] = on_curve(r[i], sum[i], curve);
        r[i] = r[i] > (lf)(l->hi) ? (lf)(l->hi) : r[i];
        if (l->lo > -l->zero_point)
            r[i] = r[i] < (lf)(l->lo) ? (lf)(l->lo) : r[i];
    }
}

static inline INLINE void lrn_store_four(const lf r[4], __global uchar *y, int n, int zero_point)
{
    const four_lu q = round_four(r[0], r[1], r[2], r[3], zero_point);
    uchar lane[4 * LC];
    int i = 0;
    if (n >= 4 * LC) {
        *(__global four_lu_anywhere *)y = q;
        return;
    }
    *(four_lu_anywhere *)lane = q;
    for (; i + 16 <= n; i += 16)
        STORE16(vload16(0, lane + i), y + i);
    for (; i < n; i++)
        y[i] = lane[i];
}

TARGET void lrn_pixels_5(
    __global const uchar *restrict x, int x_step, __global uchar *restrict y, int y_step, int n,
    const struct lrn *pointer, __global const float *restrict factors)
{
    const struct lrn l = *pointer;
    const struct curve curve = load_curve(factors);
    for (int w = 0; w < n; w++, x += x_step, y += y_step) {
        struct row row;
        row.v = LOADC(tf2_lanes) < (li)(l.n_channels) ? lrn_reals(x, l.x_zero_point) : (lf)(0);
        row.square = row.v * row.v;
        row.pairs = LANES_FROM((lf)(0), row.square, 1);
        for (int c = 0; c < l.n_channels; c += 4 * LC) {
            const int left = l.n_channels - c;
            lf r[4];
            if (left >= 4 * LC)
                lrn_four(x + c, left, 1, &row, &l, &curve, r);
            else
                lrn_four(x + c, left, 0, &row, &l, &curve, r);
            lrn_store_four(r, y + c, l.n_store - c, l.zero_point);
        }
    }
}
#endif

__kernel void lrn_int8(
    __global const uchar *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int n_store, const int half_size,
    __global const float *restrict factors, const int shift, const int x_zero_point, const float lo,
    const float hi, const int zero_point PART_ARGS)
{
    const struct lrn l = {n_channels, n_store, half_size, shift, x_zero_point, lo, hi, zero_point};
    int index = ID0;
    x += x_offset;
    y += y_offset;
    for (int d = 2; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        x += i * t[4 + d];
        y += i * t[8 + d];
    }
#if TF2_DOT >= 1
    if (half_size == 2 && shift < 0) {
        lrn_pixels_5(x, t[7], y, t[11], t[3], &l, factors);
        return;
    }
#endif
    lrn_pixels(x, t[7], y, t[11], t[3], &l, factors);
}
