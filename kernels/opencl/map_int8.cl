/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_int8.cl: element-wise work on u8, and the ways in and out of it.
 *
 * map_int8 walks strided operands as map.cl does (see there: t, NDRange). y is u8, or float32 when op is
 * DEQUANTIZE or PIXELS; a is u8, or float32 when op is QUANTIZE.
 */
#define INT8_BYTES      0 /* a as it is */
#define INT8_SUM        1 /* (a - za) fa [+ (b - zb) fb [+ (c - zc) fc]] */
#define INT8_PROD       2 /* (a - za) (b - zb) fa */
#define INT8_MAX        3 /* max of (a - za) fa, (b - zb) fb, ... */
#define INT8_MIN        4
#define INT8_LOOKUP     5 /* b[a]; then clamped */
#define INT8_QUANTIZE   6 /* (a - b) fa, zero point c; b float32, c u8 */
#define INT8_DEQUANTIZE 7 /* (a - za) fa */
#define INT8_PIXELS     8 /* (a - b) fa; b float32 */

struct map_numbers {
    int op, n_operands;
    float fa, fb, fc;
    int za, zb, zc;
    float lo, hi;
    int zero_point;
};

static inline uchar16 load_bytes(__global const uchar *p, int stride, int n)
{
    if (stride == 1)
        return vload16(0, p);
    if (stride == 0)
        return (uchar16)(*p);
    uchar lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = i < n ? p[i * stride] : 0;
    return vload16(0, lane);
}

static inline float16 load_floats(__global const float *p, int stride, int n)
{
    if (stride == 1)
        return vload16(0, p);
    if (stride == 0)
        return (float16)(*p);
    float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = i < n ? p[i * stride] : 0.0f;
    return vload16(0, lane);
}

static inline void store_bytes_strided(uchar16 q, __global uchar *y, int stride, int n)
{
    if (stride == 1) {
        store_bytes(q, y, n);
        return;
    }
    uchar lane[16];
    vstore16(q, 0, lane);
    for (int i = 0; i < 16 && i < n; i++)
        y[i * stride] = lane[i];
}

static inline float16 pick(float16 v, float16 w, int op)
{
    if (op == INT8_SUM)
        return v + w;
    return op == INT8_MAX ? (w > v ? w : v) : (w < v ? w : v);
}

static inline uchar16 combine_bytes(uchar16 a, uchar16 b, uchar16 c, const struct map_numbers *m)
{
    float16 v;
    if (m->op == INT8_PROD) {
        const int16 product = (convert_int16(a) - (int16)(m->za)) * (convert_int16(b) - (int16)(m->zb));
        v = convert_float16(product) * (float16)(m->fa);
    } else {
        v = real16(a, m->za, m->fa);
        if (m->n_operands > 2)
            v = pick(v, real16(b, m->zb, m->fb), m->op);
        if (m->n_operands > 3)
            v = pick(v, real16(c, m->zc, m->fc), m->op);
    }
    return round16(clamp16(v, m->lo, m->hi), m->zero_point);
}

static inline void quantize_some(
    __global uchar *y, int sy, __global const float *a, int sa, __global const float *b, int sb,
    __global const uchar *c, int sc, int n, const struct map_numbers *m)
{
    float16 v = load_floats(a, sa, n) - load_floats(b, sb, n);
    v = v * (float16)(m->fa);
    v = v == v ? v : (float16)(0.0f);
    const int16 zero_point = convert_int16(load_bytes(c, sc, n));
    const float16 lo = -convert_float16(zero_point), hi = (float16)(255.0f) + lo;
    v = clamp16(v, m->lo, m->hi); /* the activation's */
    v = v < lo ? lo : v;
    v = v > hi ? hi : v;
    store_bytes_strided(convert_uchar16(as_int16(v + (float16)(ROUNDER)) + zero_point), y, sy, n);
}

static inline void dequantize_some(
    __global float *y, int sy, __global const uchar *a, int sa, int n, const struct map_numbers *m)
{
    const float16 v = clamp16(real16(load_bytes(a, sa, n), m->za, m->fa), m->lo, m->hi);
    if (sy == 1) {
        store_floats(v, y, n);
        return;
    }
    float lane[16];
    vstore16(v, 0, lane);
    for (int i = 0; i < 16 && i < n; i++)
        y[i * sy] = lane[i];
}

static inline void pixels_some(
    __global float *y, int sy, __global const uchar *a, int sa, __global const float *b, int sb, int n, float factor)
{
    const float16 v = (convert_float16(load_bytes(a, sa, n)) - load_floats(b, sb, n)) * (float16)(factor);
    float lane[16];
    vstore16(v, 0, lane);
    for (int i = 0; i < 16 && i < n; i++)
        y[i * sy] = lane[i];
}

static inline void lookup_some(
    __global uchar *y, int sy, __global const uchar *a, int sa, __global const uchar *b, int sb, int n,
    const struct map_numbers *m)
{
    const int lo = (int)m->lo + m->zero_point, hi = (int)m->hi + m->zero_point;
    for (int i = 0; i < n; i++)
        y[i * sy] = (uchar)min(max((int)b[i * sb + a[i * sa]], lo), hi);
}

__kernel void map_int8(
    __global uchar *y, const int y_offset, __global const uchar *a, const int a_offset, __global const uchar *b,
    const int b_offset, __global const uchar *c, const int c_offset, __global const int *restrict t, const int n,
    const int piece, const int op, const int n_operands, const float fa, const float fb, const float fc, const int za,
    const int zb, const int zc, const float lo, const float hi, const int zero_point PART_ARGS)
{
    const struct map_numbers m = {op, n_operands, fa, fb, fc, za, zb, zc, lo, hi, zero_point};
    const int y_bytes = op == INT8_DEQUANTIZE || op == INT8_PIXELS ? 4 : 1, a_bytes = op == INT8_QUANTIZE ? 4 : 1;
    const int b_bytes = op == INT8_QUANTIZE || op == INT8_PIXELS ? 4 : 1;
    const int first = ID1 * piece;
    const int last = min(first + piece, n);
    const int sy = t[25], sa = t[26], sb = t[27], sc = t[28];
    long at_y = y_offset + (long)first * sy, at_a = a_offset + (long)first * sa;
    long at_b = b_offset + (long)first * sb, at_c = c_offset + (long)first * sc;
    int index = ID0;
    for (int d = 3; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        at_y += i * t[5 + d];
        at_a += i * t[10 + d];
        at_b += i * t[15 + d];
        at_c += i * t[20 + d];
    }
    y += at_y * y_bytes;
    a += at_a * a_bytes;
    b += at_b * b_bytes;
    c += at_c;
    for (int row = 0; row < t[4]; row++) {
        for (int i = 0; i < last - first; i += 16) {
            const int left = min(last - first - i, 16);
            if (op == INT8_QUANTIZE)
                quantize_some(
                    y + i * sy, sy, (__global const float *)a + i * sa, sa, (__global const float *)b + i * sb, sb,
                    c + i * sc, sc, left, &m);
            else if (op == INT8_PIXELS)
                pixels_some(
                    (__global float *)y + i * sy, sy, a + i * sa, sa, (__global const float *)b + i * sb, sb, left,
                    fa);
            else if (op == INT8_DEQUANTIZE)
                dequantize_some((__global float *)y + i * sy, sy, a + i * sa, sa, left, &m);
            else if (op == INT8_LOOKUP)
                lookup_some(y + i * sy, sy, a + i * sa, sa, b + i * sb, sb, left, &m);
            else if (op == INT8_BYTES)
                store_bytes_strided(load_bytes(a + i * sa, sa, left), y + i * sy, sy, left);
            else
                store_bytes_strided(
                    combine_bytes(
                        load_bytes(a + i * sa, sa, left), load_bytes(b + i * sb, sb, left),
                        load_bytes(c + i * sc, sc, left), &m),
                    y + i * sy, sy, left);
        }
        y += (long)t[9] * y_bytes;
        a += (long)t[14] * a_bytes;
        b += (long)t[19] * b_bytes;
        c += t[24];
    }
}

/*
 * quantize_rgb: three planes of float32 to interleaved u8. NDRange: dimension 0: rows of all images. x: strides of
 * images, planes and rows; y: of images and rows. number: per channel offset, then zero point (floats).
 */
static inline uchar16
quantize_plane(__global const float *x, float offset, float inverse, float zero_point, float lo, float hi)
{
    float16 v = vload16(0, x) - (float16)(offset);
    v = v * (float16)(inverse);
    v = v == v ? v : (float16)(0.0f);
    v = clamp16(clamp16(v, lo, hi), -zero_point, 255.0f - zero_point);
    return round16(v, (int)zero_point);
}

static inline void store_rgb(uchar16 r, uchar16 g, uchar16 b, __global uchar *y)
{
#ifdef TF2_CPU
    const uchar16 rg0 = __builtin_shufflevector(r, g, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    const uchar16 rg1 = __builtin_shufflevector(r, g, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    const uchar16 rg2 = __builtin_shufflevector(r, g, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    STORE16(
        __builtin_shufflevector(rg0, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15), y);
    STORE16(__builtin_shufflevector(rg1, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15), y + 16);
    STORE16(__builtin_shufflevector(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31), y + 32);
#else
    uchar lane[3][16];
    vstore16(r, 0, lane[0]);
    vstore16(g, 0, lane[1]);
    vstore16(b, 0, lane[2]);
    for (int i = 0; i < 48; i++)
        y[i] = lane[i % 3][i / 3];
#endif
}

__kernel void quantize_rgb(
    __global const float *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const float *restrict number, const float inverse, const int height, const int width, const int x_image,
    const int x_plane, const int x_row, const int y_image, const int y_row, const float lo, const float hi PART_ARGS)
{
    const int row = ID0 % height, image = ID0 / height;
    x += x_offset + image * x_image + row * x_row;
    y += y_offset + image * y_image + row * y_row;
    int i = 0;
    for (; i + 16 <= width; i += 16)
        store_rgb(
            quantize_plane(x + i, number[0], inverse, number[3], lo, hi),
            quantize_plane(x + x_plane + i, number[1], inverse, number[4], lo, hi),
            quantize_plane(x + 2 * x_plane + i, number[2], inverse, number[5], lo, hi), y + 3 * i);
    for (int c = 0; c < 3 && i < width; c++) {
        uchar lane[16];
        vstore16(quantize_plane(x + c * x_plane + i, number[c], inverse, number[3 + c], lo, hi), 0, lane);
        for (int k = i; k < width; k++)
            y[3 * k + c] = lane[k - i];
    }
}

/*
 * halo_int8: as halo in map.cl, with the bytes of `pixel` (pitch of them), the zero points. before, after, row: bytes.
 */
static inline void fill_pixels(__global uchar *y, int n, __global const uchar *pixel, int pitch)
{
    for (int i = 0; i < n; i += pitch) {
        for (int c = 0; c < pitch; c++)
            y[i + c] = pixel[c];
    }
}

__kernel void halo_int8(
    __global uchar *y, const int y_offset, __global const int *restrict t, const int row, const int before,
    const int after, __global const uchar *restrict pixel, const int pitch PART_ARGS)
{
    int index = ID0;
    int border = 0;
    y += y_offset + index * row;
    for (int d = 3; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        border |= i < t[4 + d] || i >= t[d] - t[8 + d];
    }
    if (border) {
        fill_pixels(y, row, pixel, pitch);
        return;
    }
    fill_pixels(y, before, pixel, pitch);
    fill_pixels(y + row - after, after, pixel, pitch);
}

/*
 * What conv_int8.cl reads on AVX2: words[i] = x[begin + i] for i in rows of `n` bytes, `row_stride` apart, of n_bytes;
 * `rows` rows a work item. Up to 15 numbers behind each row come along. NDRange: dimension 0: pieces of rows.
 */
__kernel void widen(
    __global const uchar *restrict x, const int x_offset, const int begin, __global short *restrict words,
    const int words_offset, const int n_bytes, const int row_stride, const int n, const int rows PART_ARGS)
{
    const int first = ID0 * rows;
    x += x_offset + begin;
    words += words_offset;
    for (int row = first; row < first + rows; row++) {
        const int at = row * row_stride, end = min(at + n, n_bytes);
        for (int i = at; i < end; i += 16)
            STORES(convert_short16(vload16(0, x + i)), words + i);
    }
}
