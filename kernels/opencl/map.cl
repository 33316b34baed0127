/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.cl: element-wise arithmetic on up to three strided operands with broadcasting, and strided copies,
 * fp32.
 *
 * All operands are walked with the output's collapsed dimensions: five outer dimensions, and an inner one
 * of n elements with its own stride per operand (0: broadcast).
 *
 * NDRange: dimension 0: indices of the first four outer dimensions (the fifth is looped over); dimension 1:
 * pieces of the inner dimension.
 * t: extents of the outer dimensions [5], then outer strides of y, a, b, c [5 each], then inner strides of y,
 * a, b, c.
 */
#define MAP_COPY   0  /* a */
#define MAP_SUM    1  /* p a + q b */
#define MAP_PROD   2
#define MAP_MAX    3
#define MAP_MIN    4
#define MAP_SUB    5
#define MAP_DIV    6
#define MAP_AFFINE 7  /* a b + c */
#define MAP_PRELU  8  /* a >= 0 ? a : b a */
#define MAP_SELECT 9  /* a > 0 ? b : c */

static inline vf load_strided(__global const float *p, int stride, int n)
{
    if (stride == 1)
        return LOADV(p);
    if (stride == 0)
        return (vf)(*p);
    float lane[VW];
    for (int i = 0; i < VW; i++)
        lane[i] = i < n ? p[i * stride] : 0.0f;
    return LOADV(lane);
}

static inline vf combine(vf a, vf b, vf c, int op, float p, float q)
{
    switch (op) {
    case MAP_SUM:
        return p * a + q * b;
    case MAP_PROD:
        return a * b;
    case MAP_MAX:
        return fmax(a, b);
    case MAP_MIN:
        return fmin(a, b);
    case MAP_SUB:
        return a - b;
    case MAP_DIV:
        return a / b;
    case MAP_AFFINE:
        return fma(a, b, c);
    case MAP_PRELU:
        return select(a * b, a, a >= (vf)(0.0f));
    case MAP_SELECT:
        return select(c, b, a > (vf)(0.0f));
    default:
        return a;
    }
}

__kernel void map(
    __global float *y, const int y_offset, __global const float *a, const int a_offset, __global const float *b,
    const int b_offset, __global const float *c, const int c_offset, __global const int *restrict t, const int n,
    const int piece, const int op, const float p, const float q, const int act, const float act_a,
    const float act_b PART_ARGS)
{
    int index = ID0;
    const int first = ID1 * piece;
    const int last = min(first + piece, n);
    const int sy = t[25], sa = t[26], sb = t[27], sc = t[28];
    y += y_offset + first * sy;
    a += a_offset + first * sa;
    b += b_offset + first * sb;
    c += c_offset + first * sc;
    for (int d = 3; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        y += i * t[5 + d];
        a += i * t[10 + d];
        b += i * t[15 + d];
        c += i * t[20 + d];
    }
    for (int row = 0; row < t[4]; row++) {
        for (int i = first; i < last; i += VW) {
            const int at = i - first;
            const int left = last - i;
            vf v = load_strided(a + at * sa, sa, left);
            if (op != MAP_COPY)
                v = combine(
                    v, load_strided(b + at * sb, sb, left), load_strided(c + at * sc, sc, left), op, p, q);
            if (act != ACT_NONE)
                v = activate(v, act, act_a, act_b);
            if (sy == 1)
                store_upto(v, y + at, left);
            else
                store_strided(v, y + at * sy, left, sy);
        }
        y += t[9];
        a += t[14];
        b += t[19];
        c += t[24];
    }
}

/*
 * halo: zeroes the border of a root. The root is outer dimensions [4] x width x inner; an index that lies in
 * the halo of an outer dimension zeroes its whole row, another one its first and last columns. NDRange:
 * dimension 0: outer indices. t: per outer dimension full extent, halo before, halo after [4 each].
 */
__kernel void halo(
    __global float *y, const int y_offset, __global const int *restrict t, const int row, const int before,
    const int after PART_ARGS)
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
        for (int i = 0; i < row; i++)
            y[i] = 0.0f;
        return;
    }
    for (int i = 0; i < before; i++)
        y[i] = 0.0f;
    for (int i = row - after; i < row; i++)
        y[i] = 0.0f;
}
