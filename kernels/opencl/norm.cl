/* SPDX-License-Identifier: Apache-2.0 */
/*
 * norm.cl: softmax, local response normalization and division by the root of the sum of squares, fp32.
 */

/* The offset of row `row` over all reduced dimensions but the last; strides: of x or of y. */
static inline int softmax_row(int row, __global const int *extents, __global const int *strides)
{
    int offset = 0;
    for (int d = 4; d >= 0; d--) {
        offset += row % extents[d] * strides[d];
        row /= extents[d];
    }
    return offset;
}

/*
 * softmax: y = exp(x - max) / sum over the reduced elements of every outer index.
 * NDRange: dimension 0: outer indices. t: extents of the outer dimensions [5], outer strides of x [5], of y
 * [5], then the reduced dimensions: extents [6], strides of x [6], of y [6]; the innermost (last) of them has
 * n elements. logarithm: y = x - max - log(sum).
 */
__kernel void softmax(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const int n_rows, const int n, const int logarithm PART_ARGS)
{
    int index = ID0;
    const int sx = t[26], sy = t[32];
    x += x_offset;
    y += y_offset;
    for (int d = 4; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        x += i * t[5 + d];
        y += i * t[10 + d];
    }
    float most = -INFINITY;
    for (int row = 0; row < n_rows; row++) {
        __global const float *p = x + softmax_row(row, t + 15, t + 21);
        for (int i = 0; i < n; i++)
            most = fmax(most, p[i * sx]);
    }
    float sum = 0.0f;
    for (int row = 0; row < n_rows; row++) {
        __global const float *p = x + softmax_row(row, t + 15, t + 21);
        __global float *q = y + softmax_row(row, t + 15, t + 27);
        int i = 0;
        if (sx == 1 && sy == 1) {
            vf part = (vf)(0.0f);
            for (; i + VW <= n; i += VW) {
                const vf v = LOADV(p + i) - most;
                const vf e = exp(v);
                STOREV(logarithm ? v : e, q + i);
                part += e;
            }
            float lane[VW];
            STOREV(part, lane);
            for (int k = 0; k < VW; k++)
                sum += lane[k];
        }
        for (; i < n; i++) {
            const float v = p[i * sx] - most;
            const float e = exp(v);
            q[i * sy] = logarithm ? v : e;
            sum += e;
        }
    }
    const float factor = logarithm ? 1.0f : 1.0f / sum;
    const float shift = logarithm ? -log(sum) : 0.0f;
    for (int row = 0; row < n_rows; row++) {
        __global float *q = y + softmax_row(row, t + 15, t + 27);
        for (int i = 0; i < n; i++)
            q[i * sy] = q[i * sy] * factor + shift;
    }
}

/*
 * 1 / sqrt(s) for normal s > 0 by three Newton steps from an integer guess, a few units in the last place:
 * division and square root units are several times slower. Source of the guess: C. Lomont, "Fast Inverse
 * Square Root", 2003.
 */
static inline vf inverse_root(vf s)
{
    vf r = TF2_CAT(as_float, VW)(0x5f375a86 - (TF2_CAT(as_int, VW)(s) >> 1));
    const vf half_s = 0.5f * s;
#pragma unroll
    for (int i = 0; i < 3; i++)
        r = r * fma(-half_s * r, r, (vf)(1.5f));
    return r;
}

/* s to the power -beta, s > 0; 0.75 and 0.5 are what networks use. */
static inline vf power_minus(vf s, float beta)
{
    vf y = inverse_root(s);
    if (beta != 0.75f && beta != 0.5f)
        return pow(s, (vf)(-beta));
    if (beta == 0.75f)
        y *= inverse_root(s * y);
    if (!all(isnormal(s) && s > 0.0f)) /* lane by lane: what lies behind the last channel must not change the others */
        y = select(pow(s, (vf)(-beta)), y, isnormal(s) && s > 0.0f);
    return y;
}

/*
 * lrn_channels: y = x * (k + alpha / size * sum of x^2 over half_size channels on either side)^-beta.
 * NDRange: dimension 0: rows of `n_pixels` pixels. t: extents of the row dimensions [4], strides of x [4], of
 * y [4], pixel strides of x and y. Channels are adjacent.
 */
__kernel void lrn_channels(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const int n_pixels, const int n_channels, const int half_size,
    const float size, const float alpha,
    const float beta, const float k PART_ARGS)
{
    int index = ID0;
    x += x_offset;
    y += y_offset;
    for (int d = 3; d >= 0; d--) {
        const int i = index % t[d];
        index /= t[d];
        x += i * t[4 + d];
        y += i * t[8 + d];
    }
    for (int pixel = 0; pixel < n_pixels; pixel++) {
        for (int c = 0; c < n_channels; c += VW) {
            vf sum = (vf)(0.0f);
            if (c >= half_size && c + VW + half_size <= n_channels) {
                for (int j = -half_size; j <= half_size; j++) {
                    const vf v = LOADV(x + c + j);
                    sum = fma(v, v, sum);
                }
            } else { /* neighbours that do not exist count nothing */
                for (int j = -half_size; j <= half_size; j++) {
                    const vi channel = LANES + (c + j);
                    if (c + j <= -VW || c + j >= n_channels)
                        continue;
                    vf v = LOADV(x + c + j);
                    v = select((vf)(0.0f), v, channel >= 0 && channel < n_channels);
                    sum = fma(v, v, sum);
                }
            }
            const vf scale = power_minus(fma(sum, (vf)(alpha / size), (vf)(k)), beta);
            store_upto(LOADV(x + c) * scale, y + c, n_channels - c);
        }
        x += t[12];
        y += t[13];
    }
}

/*
 * lrn_within: the same over a size x size window (size per spatial dimension) of one channel.
 * NDRange: dimension 0: output pixels (n, d, h, w). t: extents n, d, h, w, strides of x [4], of y [4].
 * n_window: elements of a full window, what the sum is divided by.
 */
__kernel void lrn_within(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int half_d, const int half_h, const int half_w,
    const float n_window, const float alpha, const float beta, const float k PART_ARGS)
{
    const int index = ID0;
    const int w = index % t[3], h = index / t[3] % t[2], d = index / t[3] / t[2] % t[1];
    const int n = index / t[3] / t[2] / t[1];
    x += x_offset + n * t[4];
    y += y_offset + n * t[8] + d * t[9] + h * t[10] + w * t[11];
    for (int c = 0; c < n_channels; c += VW) {
        vf sum = (vf)(0.0f);
        for (int id = max(d - half_d, 0); id <= min(d + half_d, t[1] - 1); id++) {
            for (int ih = max(h - half_h, 0); ih <= min(h + half_h, t[2] - 1); ih++) {
                for (int iw = max(w - half_w, 0); iw <= min(w + half_w, t[3] - 1); iw++) {
                    const vf v = LOADV(x + id * t[5] + ih * t[6] + iw * t[7] + c);
                    sum = fma(v, v, sum);
                }
            }
        }
        const vf scale = power_minus(fma(sum, (vf)(alpha / n_window), (vf)(k)), beta);
        store_upto(LOADV(x + d * t[5] + h * t[6] + w * t[7] + c) * scale, y + c, n_channels - c);
    }
}

/* The sum of squares of a pixel's channels. */
static float sum_squares(__global const float *x, int n_channels, int stride)
{
    float sum = 0.0f;
    int c = 0;
    if (stride == 1) {
        vf part = (vf)(0.0f);
        for (; c + VW <= n_channels; c += VW) {
            const vf v = LOADV(x + c);
            part = fma(v, v, part);
        }
        float lane[VW];
        STOREV(part, lane);
        for (int k = 0; k < VW; k++)
            sum += lane[k];
    }
    for (; c < n_channels; c++)
        sum = fma(x[c * stride], x[c * stride], sum);
    return sum;
}

/*
 * normalize_length: y = scale * x / sqrt(epsilon + sum of x^2), of the channels of each pixel or of a whole image.
 * NDRange: dimension 0: rows of pixels (n, d, h), or images. t: extents d, h, w, strides of x: n, d, h, w, c, of y: the
 * same. scale: a factor per channel, padded to a vector.
 */
__kernel void normalize_length(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const float *restrict scale, __global const int *restrict t, const int n_channels, const int whole,
    const float epsilon PART_ARGS)
{
    const int index = ID0, n_rows = t[0] * t[1];
    const int n = whole ? index : index / n_rows, first = whole ? 0 : index % n_rows;
    const int last = whole ? n_rows : first + 1;
    const int sx = t[7], sy = t[12];
    float sum = epsilon;
    x += x_offset + n * t[3];
    y += y_offset + n * t[8];
    for (int row = first; row < last && whole; row++) {
        for (int w = 0; w < t[2]; w++)
            sum += sum_squares(x + row / t[1] * t[4] + row % t[1] * t[5] + w * t[6], n_channels, sx);
    }
    for (int row = first; row < last; row++) {
        for (int w = 0; w < t[2]; w++) {
            __global const float *from = x + row / t[1] * t[4] + row % t[1] * t[5] + w * t[6];
            __global float *to = y + row / t[1] * t[9] + row % t[1] * t[10] + w * t[11];
            const float squares = whole ? sum : epsilon + sum_squares(from, n_channels, sx);
            const float factor = squares > 0.0f ? 1.0f / sqrt(squares) : 0.0f;
            int c = 0;
            for (; c + VW <= n_channels && sx == 1 && sy == 1; c += VW)
                STOREV(LOADV(from + c) * factor * LOADV(scale + c), to + c);
            for (; c < n_channels; c++)
                to[c * sy] = from[c * sx] * factor * scale[c];
        }
    }
}
