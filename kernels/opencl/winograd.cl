/* SPDX-License-Identifier: Apache-2.0 */
/*
 * winograd.cl: the transforms of Winograd's minimal filtering F(T x T, 3 x 3) for 3x3 convolutions of stride
 * 1, fp32. The products in between are conv.cl's, one group per transform point.
 *
 *     x ── winograd_in ──▶ v [point][tile][channel] ── conv ──▶ m [tile][point][channel] ── winograd_out ──▶ y
 *
 * T = 4: 6x6 patches, points 0, +-3/4, +-3/2 and infinity: 36 multiplications instead of 144 per tile and
 * pair of channels. T = 2: 4x4 patches, points 0, +-1, infinity: 16 instead of 36. Sources: A. Lavin and S.
 * Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; the points of T = 4 have the smallest
 * error (NMSE 2e-12 of 256 channels, against 7e-12 for 0, +-1, +-2) of those tried, after B. Barabasz et al.,
 * "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020.
 *
 * tiles: per tile input base, output offset, residual offset, and packed (16 bits each) how many patch rows
 * and columns exist, how many output rows and columns are wanted.
 * T (macro): 4 or 2; the file is compiled once for each.
 */
#define N (T + 2)
#define IN_NAME  TF2_CAT(winograd_in_, T)
#define OUT_NAME TF2_CAT(winograd_out_, T)
#define FORWARD  TF2_CAT(forward_, T)
#define INVERSE  TF2_CAT(inverse_, T)

#if T == 4
/* B^T d, in place, stride s between elements. a = 3/4, b = 3/2. */
static inline void FORWARD(vf *d, int s)
{
    const float aa = 0.5625f, bb = 2.25f, a = 0.75f, b = 1.5f, sum = 2.8125f, product = 1.265625f;
    const vf d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    const vf even_a = fma((vf)(-bb), d2, d4), odd_a = a * fma((vf)(-bb), d1, d3);
    const vf even_b = fma((vf)(-aa), d2, d4), odd_b = b * fma((vf)(-aa), d1, d3);
    d[0] = fma((vf)(product), d0, fma((vf)(-sum), d2, d4));
    d[s] = even_a + odd_a;
    d[2 * s] = even_a - odd_a;
    d[3 * s] = even_b + odd_b;
    d[4 * s] = even_b - odd_b;
    d[5 * s] = fma((vf)(product), d1, fma((vf)(-sum), d3, d5));
}

/* A^T m: N elements to T, in place. */
static inline void INVERSE(vf *m, int s)
{
    const float aa = 0.5625f, bb = 2.25f, a = 0.75f, b = 1.5f, aaa = 0.421875f, bbb = 3.375f;
    const vf s1 = m[s] + m[2 * s], t1 = m[s] - m[2 * s];
    const vf s2 = m[3 * s] + m[4 * s], t2 = m[3 * s] - m[4 * s];
    m[0] = m[0] + s1 + s2;
    m[s] = fma((vf)(a), t1, b * t2);
    m[2 * s] = fma((vf)(aa), s1, bb * s2);
    m[3 * s] = fma((vf)(aaa), t1, fma((vf)(bbb), t2, m[5 * s]));
}
#else
static inline void FORWARD(vf *d, int s)
{
    const vf d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];
    d[0] = d0 - d2;
    d[s] = d1 + d2;
    d[2 * s] = d2 - d1;
    d[3 * s] = d1 - d3;
}

static inline void INVERSE(vf *m, int s)
{
    const vf m1 = m[s], m2 = m[2 * s];
    m[0] = m[0] + m1 + m2;
    m[s] = m1 - m2 - m[3 * s];
}
#endif

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. v: point after point, point_stride elements apart; a
 * tile has n_channels rounded up to VW.
 */
__kernel void IN_NAME(
    __global const float *restrict x, const int x_offset, __global float *restrict v, const int v_offset,
    __global const int *restrict tiles, const int first_tile, const int n_channels, const int row_stride,
    const int column_stride, const int point_stride PART_ARGS)
{
    const int tile = ID0;
    const int channels = (n_channels + VW - 1) / VW * VW;
    __global const int *info = tiles + (first_tile + tile) * 5;
    const int rows = info[3] & 0xff, columns = info[3] >> 8;
    x += x_offset + info[0];
    v += v_offset + tile * channels;
    for (int c = 0; c < channels; c += VW) {
        vf d[N * N];
        if (rows == N && columns == N) {
#pragma unroll
            for (int i = 0; i < N; i++) {
#pragma unroll
                for (int j = 0; j < N; j++)
                    d[i * N + j] = LOADV(x + i * row_stride + j * column_stride + c);
            }
        } else {
#pragma unroll
            for (int i = 0; i < N; i++) {
#pragma unroll
                for (int j = 0; j < N; j++)
                    d[i * N + j] = i < rows && j < columns ? LOADV(x + i * row_stride + j * column_stride + c) :
                                                             (vf)(0.0f);
            }
        }
#pragma unroll
        for (int j = 0; j < N; j++)
            FORWARD(d + j, N);
#pragma unroll
        for (int i = 0; i < N; i++)
            FORWARD(d + i * N, 1);
#pragma unroll
        for (int i = 0; i < N * N; i++)
            STOREV(d[i], v + i * point_stride + c);
    }
}

/*
 * NDRange: dimension 0: tiles, from `first_tile` on. m: tile after tile, then point after point, n_padded
 * channels each. n_store: output lanes that may be written.
 */
__kernel void OUT_NAME(
    __global const float *restrict m, const int m_offset, __global float *restrict y, const int y_offset,
    __global const float *restrict add, const int add_offset, __global const float *restrict bias,
    __global const int *restrict tiles, const int first_tile, const int n_padded, const int n_store,
    const int row_stride, const int column_stride, const int add_row_stride, const int add_column_stride,
    const int act, const float act_a, const float act_b PART_ARGS)
{
    const int tile = ID0;
    __global const int *info = tiles + (first_tile + tile) * 5;
    const int rows = info[4] & 0xff, columns = info[4] >> 8;
    m += m_offset + tile * (N * N) * n_padded;
    y += y_offset + info[1];
    for (int c = 0; c < n_padded; c += VW) {
        vf d[N * N];
#pragma unroll
        for (int i = 0; i < N * N; i++)
            d[i] = LOADV(m + i * n_padded + c);
#pragma unroll
        for (int j = 0; j < N; j++)
            INVERSE(d + j, N);
#pragma unroll
        for (int i = 0; i < T; i++)
            INVERSE(d + i * N, 1);
        const vf b = LOADV(bias + c);
#pragma unroll
        for (int i = 0; i < T; i++) {
#pragma unroll
            for (int j = 0; j < T; j++) {
                if (i < rows && j < columns) {
                    vf one = d[i * N + j] + b;
                    if (add_offset >= 0)
                        one += LOADV(add + add_offset + info[2] + i * add_row_stride + j * add_column_stride + c);
                    if (act == ACT_CLIP)
                        one = fmin(fmax(one, (vf)(act_a)), (vf)(act_b));
                    if (n_store - c >= VW)
                        STOREV(one, y + i * row_stride + j * column_stride + c);
                    else
                        store_strided(one, y + i * row_stride + j * column_stride + c, n_store - c, 1);
                }
            }
        }
    }
    if (act > ACT_CLIP) {
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++)
                activate_row(y + i * row_stride + j * column_stride, n_store, 1, act, act_a, act_b);
        }
    }
}

#undef N
#undef IN_NAME
#undef OUT_NAME
#undef FORWARD
#undef INVERSE
#undef T
