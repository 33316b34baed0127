/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c: the input of a convolution as 16-bit numbers, for AVX2.
 *
 * vpmaddwd multiplies 16-bit numbers. Bytes are widened once per layer, into scratch that mirrors the input's memory:
 *
 *     x      . . h h h h h h . .      all that taps of any pixel read, gaps and halo included
 *     words      0 1 2 3 4 5          number i is byte `first + i` relative to the tensor
 *
 * so that the tables of pixels and taps hold for both. Where channels are a small part of a pixel (a slice of a concat),
 * only they are widened: a row per pixel. The numbers in between are never read but with weight 0.
 */
#include "runtime/cl/internal.h"

/* Contiguous bytes go in rows of so many; work items take as many bytes at least. */
#define ROW 1024
#define ITEM 8192

/* Whether pixels follow each other at one distance in memory, with gaps: that distance, else 0. */
static int64_t sparse_pixels(const struct tf2__cl_conv *conv)
{
    const struct tf2__cl_map_view *x = &conv->x;
    const int64_t pixel = x->stride[2];
    if (x->stride_c != 1 || pixel < 2 * tf2__round_up(x->c + 1, 16))
        return 0;
    return x->stride[1] % pixel || x->stride[0] % pixel || x->stride_n % pixel ? 0 : pixel;
}

struct tf2__cl_words tf2__cl_words_of(const struct tf2__cl_conv *conv, int64_t first, int64_t last)
{
    const int64_t pixel = sparse_pixels(conv);
    struct tf2__cl_words words = {
        .first = first,
        .n = last - first,
        .row_stride = pixel ? pixel : ROW,
        .row = pixel ? conv->x.c + 1 : ROW,
    };
    /* Whole vectors are written. */
    words.scratch_bytes = 2 * tf2__round_up(words.n + 16, 16);
    return words;
}

enum tf2_status tf2__cl_words_make(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_words *words)
{
    const int64_t n_rows = tf2__ceil_div(words->n, words->row_stride), rows = TF2__MAX(ITEM / words->row, 1);
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_MAP_INT8, "widen"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    tf2__cl_arg_int(build, words->first);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, step->scratch_at / 2);
    tf2__cl_arg_int(build, words->n);
    tf2__cl_arg_int(build, words->row_stride);
    tf2__cl_arg_int(build, words->row);
    tf2__cl_arg_int(build, rows);
    tf2__cl_launch_size(build, tf2__ceil_div(n_rows, rows), 1);
    return TF2_OK;
}
