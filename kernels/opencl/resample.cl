/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resample.cl: resize and padding by tables of source positions, of float32 and of bytes.
 */

/*
 * resize: every output pixel is a weighted sum of up to 8 input pixels (2 per spatial dimension); nearest
 * uses one. NDRange: dimension 0: output rows (n, d, h). t: extents n, d, h, w of the output, strides of x
 * [4], of y [4], then for d, h, w: (source offset 0, source offset 1) per output index. f: the weight of
 * source 1 per output index, d then h then w.
 */
__kernel void resize(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, __global const float *restrict f, const int n_channels, const int linear PART_ARGS)
{
    const int row = ID0;
    const int h = row % t[2], d = row / t[2] % t[1], n = row / t[2] / t[1];
    __global const int *pd = t + 12 + 2 * d, *ph = t + 12 + 2 * (t[1] + h), *pw = t + 12 + 2 * (t[1] + t[2]);
    const float fd = f[d], fh = f[t[1] + h];
    x += x_offset + n * t[4];
    y += y_offset + n * t[8] + d * t[9] + h * t[10];
    for (int w = 0; w < t[3]; w++, pw += 2, y += t[11]) {
        const float fw = f[t[1] + t[2] + w];
        for (int c = 0; c < n_channels; c += VW) {
            __global const float *p = x + c;
            vf v;
            if (!linear) {
                v = LOADV(p + pd[0] + ph[0] + pw[0]);
            } else {
                vf side[2];
                for (int i = 0; i < 2; i++) {
                    const vf top = mix(LOADV(p + pd[i] + ph[0] + pw[0]), LOADV(p + pd[i] + ph[0] + pw[1]), (vf)(fw));
                    const vf low = mix(LOADV(p + pd[i] + ph[1] + pw[0]), LOADV(p + pd[i] + ph[1] + pw[1]), (vf)(fw));
                    side[i] = mix(top, low, (vf)(fh));
                }
                v = mix(side[0], side[1], (vf)(fd));
            }
            store_upto(v, y + c, n_channels - c);
        }
    }
}

/* Where the row of work item `index` lies: adds to the offsets of x and y, gives the table of its last dimension. 0: the
 * row has no source. */
static inline int
pad_row(__global const int *t, int index, __private int *x_at, __private int *y_at, __global const int **last)
{
    __global const int *source = t + 16;
    int inside = 1;
    for (int d = 0; d < 7; d++)
        source += t[d];
    *last = source;
    for (int d = 6; d >= 0; d--) {
        source -= t[d];
        const int i = index % t[d];
        index /= t[d];
        *y_at += i * t[8 + d];
        if (source[i] < 0)
            inside = 0;
        else
            *x_at += source[i];
    }
    return inside;
}

/*
 * pad: y[i] = x[source(i)], or `value` where a dimension has no source (-1). Any strides.
 * NDRange: dimension 0: outer output indices; the last dimension is looped over. t: extents of y [8], strides
 * of y [8], then for every dimension its table of source offsets (-1: none), one after the other.
 */
__kernel void pad(
    __global const float *restrict x, const int x_offset, __global float *restrict y, const int y_offset,
    __global const int *restrict t, const float value PART_ARGS)
{
    __global const int *last;
    int x_at = x_offset, y_at = y_offset;
    const int inside = pad_row(t, ID0, &x_at, &y_at, &last);
    x += x_at;
    y += y_at;
    for (int i = 0; i < t[7]; i++)
        y[i * t[15]] = inside && last[i] >= 0 ? x[last[i]] : value;
}

/* resize for bytes; nearest only. Results lie between lo and hi. */
__kernel void resize_bytes(
    __global const uchar *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const int *restrict t, const int n_channels, const int lo, const int hi PART_ARGS)
{
    const int row = ID0;
    const int h = row % t[2], d = row / t[2] % t[1], n = row / t[2] / t[1];
    __global const int *pd = t + 12 + 2 * d, *ph = t + 12 + 2 * (t[1] + h), *pw = t + 12 + 2 * (t[1] + t[2]);
    x += x_offset + n * t[4] + pd[0] + ph[0];
    y += y_offset + n * t[8] + d * t[9] + h * t[10];
    for (int w = 0; w < t[3]; w++, pw += 2, y += t[11]) {
        for (int c = 0; c < n_channels; c++)
            y[c] = (uchar)min(max((int)x[pw[0] + c], lo), hi);
    }
}

/* pad for bytes; x between lo and hi. */
__kernel void pad_bytes(
    __global const uchar *restrict x, const int x_offset, __global uchar *restrict y, const int y_offset,
    __global const int *restrict t, const int value, const int lo, const int hi PART_ARGS)
{
    __global const int *last;
    int x_at = x_offset, y_at = y_offset;
    const int inside = pad_row(t, ID0, &x_at, &y_at, &last);
    x += x_at;
    y += y_at;
    for (int i = 0; i < t[7]; i++)
        y[i * t[15]] = (uchar)(inside && last[i] >= 0 ? min(max((int)x[last[i]], lo), hi) : value);
}
