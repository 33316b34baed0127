/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_amx.cl: convolution by offset tables on the matrix tiles of x86 (AMX): 16 pixels times 16 channels times 64
 * inputs an instruction.
 *
 * A tap is 64 bytes of the input. A tile of x has 16 rows, one pixel each: read from where it lies when the pixels of
 * every tile are equally far apart (x_step > 0), else gathered first, a chunk of tiles at a time, into scratch:
 * [tile][tap][16 pixels][64 bytes], a tap of runs of `run` neighbouring bytes (16, 32 or 64; `taps` has one offset per
 * run). Two tiles of pixels and two of channels are multiplied together:
 *
 *               w0   w1     tiles 6, 7          weights: block of 32 channels, tap, 2 halves,
 *          x0   c0   c1     tiles 0, 1                   16 rows of 4 inputs, 16 channels, 4 bytes
 *          x1   c2   c3     tiles 2, 3
 *       tiles 4, 5
 *
 * For all channels of a chunk before the next chunk, so that weights are read once per chunk and x stays in the second
 * level cache. The last tile of pixels is shifted back to end with the last pixel (n_pixels >= 16).
 *
 * NDRange: one work item; tiles belong to the thread that runs it.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
 */
#if TF2_DOT >= 3

#define AMX __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq"), noinline))
#define AMX_POINTER(p) ((void *)(size_t)(p))

AMX void amx_begin(void)
{
    uchar config[64];
    for (int i = 0; i < 64; i++)
        config[i] = 0;
    config[0] = 1; /* palette 1: tiles of at most 16 rows of 64 bytes */
    for (int i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __builtin_ia32_tile_loadconfig(config);
}

AMX void amx_end(void)
{
    __builtin_ia32_tilerelease();
}

/* Tiles first .. last - 1 of pixels into scratch. */
#define AMX_GATHER(run, ints)                                                                                \
    AMX void amx_gather_##run(                                                                               \
        __global uchar *restrict to, __global const uchar *restrict x, __global const int *restrict pixels,  \
        int n_pixels, __global const int *restrict taps, int n_runs, int n_taps, int first, int last)        \
    {                                                                                                        \
        for (int t = first; t < last; t++, to += (size_t)n_taps * 1024) {                                    \
            const int pixel = min(t * 16, n_pixels - 16);                                                    \
            for (int i = 0; i < 16; i++) {                                                                   \
                __global const uchar *from = x + pixels[pixel + i];                                          \
                for (int j = 0; j < n_runs; j++)                                                             \
                    vstore##ints(                                                                            \
                        vload##ints(0, (__global const int *)(from + taps[j])), 0,                           \
                        (__global int *)(to + (size_t)(j * run / 64) * 1024 + i * 64 + j * run % 64));       \
            }                                                                                                \
        }                                                                                                    \
    }

AMX_GATHER(16, 4)
AMX_GATHER(32, 8)
AMX_GATHER(64, 16)

struct amx_job {
    __global const char *weights; /* of the block */
    __global const char *next;    /* weights to fetch meanwhile, a tap's worth per tap; NULL: none */
    __global const int *steps;    /* per tap: where its inputs lie in x */
    int n_taps;
    int x_step;                   /* bytes between the rows of a tile */
    __global const int *bias;
};

/* Sums of m tiles of pixels (x[0], x[1]) and n tiles of channels, to c: [pixel tile][channel tile][16][16]. */
#define AMX_MULTIPLY(m, n)                                                                                   \
    AMX void amx_multiply_##m##x##n(                                                                         \
        const struct amx_job *job, __global const uchar *x0, __global const uchar *x1, int *c)               \
    {                                                                                                        \
        __global const char *w = job->weights;                                                               \
        const long step = job->x_step;                                                                       \
        const size_t next = (size_t)job->next;                                                               \
        __builtin_ia32_tileloadd64(0, AMX_POINTER(job->bias), 0);                                            \
        if (n > 1)                                                                                           \
            __builtin_ia32_tileloadd64(1, AMX_POINTER(job->bias + 16), 0);                                   \
        if (m > 1)                                                                                           \
            __builtin_ia32_tileloadd64(2, AMX_POINTER(job->bias), 0);                                        \
        if (m > 1 && n > 1)                                                                                  \
            __builtin_ia32_tileloadd64(3, AMX_POINTER(job->bias + 16), 0);                                   \
        for (int j = 0; j < job->n_taps; j++, w += n * 1024) {                                               \
            const int at = job->steps[j];                                                                    \
            __builtin_ia32_tileloadd64(4, AMX_POINTER(x0 + at), step);                                       \
            __builtin_ia32_tileloadd64(6, AMX_POINTER(w), 64);                                               \
            __builtin_ia32_tdpbusd(0, 4, 6);                                                                 \
            if (m > 1) {                                                                                     \
                __builtin_ia32_tileloadd64(5, AMX_POINTER(x1 + at), step);                                   \
                __builtin_ia32_tdpbusd(2, 5, 6);                                                             \
            }                                                                                                \
            if (n > 1) {                                                                                     \
                __builtin_ia32_tileloadd64(7, AMX_POINTER(w + 1024), 64);                                    \
                __builtin_ia32_tdpbusd(1, 4, 7);                                                             \
            }                                                                                                \
            if (m > 1 && n > 1)                                                                              \
                __builtin_ia32_tdpbusd(3, 5, 7);                                                             \
            if (next) {                                                                                      \
                _Pragma("unroll") for (int i = 0; i < n * 16; i++)                                           \
                    PREFETCH(next + (size_t)j * (n * 1024) + i * 64);                                        \
            }                                                                                                \
        }                                                                                                    \
        __builtin_ia32_tilestored64(0, c, 64);                                                               \
        if (n > 1)                                                                                           \
            __builtin_ia32_tilestored64(1, c + 256, 64);                                                     \
        if (m > 1)                                                                                           \
            __builtin_ia32_tilestored64(2, c + n * 256, 64);                                                 \
        if (m > 1 && n > 1)                                                                                  \
            __builtin_ia32_tilestored64(3, c + 768, 64);                                                     \
    }

AMX_MULTIPLY(2, 2)
AMX_MULTIPLY(1, 2)
AMX_MULTIPLY(2, 1)
AMX_MULTIPLY(1, 1)

static inline void amx_multiply(
    const struct amx_job *job, __global const uchar *x0, __global const uchar *x1, int m, int n, int *c)
{
    if (m == 2 && n == 2)
        amx_multiply_2x2(job, x0, x1, c);
    else if (n == 2)
        amx_multiply_1x2(job, x0, x1, c);
    else if (m == 2)
        amx_multiply_2x1(job, x0, x1, c);
    else
        amx_multiply_1x1(job, x0, x1, c);
}

/*
 * Two tiles of sums, 16 pixels and 32 channels, to u8 when the activation leaves the whole range of a byte: packing
 * saturates, which is what clamping does, and no factor is so large that a rounded v exceeds 32 bits. The channels of
 * such weights are dealt to the two tiles in fours (0-3, 8-11, ... and 4-7, 12-15, ...), so that packing puts them in
 * order.
 */
typedef float real_t __attribute__((vector_size(64)));
typedef int sums_t __attribute__((vector_size(64)));
typedef short words_t __attribute__((vector_size(64)));
typedef char bytes_t __attribute__((vector_size(32)));
typedef uchar byte32 __attribute__((ext_vector_type(32)));
typedef ushort word32 __attribute__((ext_vector_type(32)));
typedef byte32 byte32_anywhere __attribute__((aligned(1)));

#define AMX_STEPS(v)                                                                                         \
    __builtin_astype(                                                                                        \
        __builtin_ia32_cvtps2dq512_mask(                                                                     \
            __builtin_astype(v, real_t), __builtin_astype((int16)(0), sums_t), (unsigned short)-1, 4),       \
        int16)
#define AMX_WORDS(a, b)                                                                                      \
    __builtin_ia32_packusdw512(__builtin_astype(a, sums_t), __builtin_astype(b, sums_t))
#define AMX_BYTES(words)                                                                                     \
    __builtin_astype(                                                                                        \
        __builtin_ia32_pmovuswb512_mask(words, __builtin_astype((byte32)(0), bytes_t), (unsigned)-1), byte32)
/* Words 0-3 or 4-7 of each 128 bits, as integers. */
#define AMX_LOW(w)                                                                                           \
    __builtin_astype(__builtin_shufflevector(                                                                                \
            w, (word32)(0), 0, 32, 1, 32, 2, 32, 3, 32, 8, 32, 9, 32, 10, 32, 11, 32, \
            16, 32, 17, 32, 18, 32, 19, 32, 24, 32, 25, 32, 26, 32, 27, 32), int16)
#define AMX_HIGH(w)                                                                                          \
    __builtin_astype(__builtin_shufflevector(                                                                                \
            w, (word32)(0), 4, 32, 5, 32, 6, 32, 7, 32, 12, 32, 13, 32, 14, 32, 15, 32, \
            20, 32, 21, 32, 22, 32, 23, 32, 28, 32, 29, 32, 30, 32, 31, 32), int16)

AMX void amx_store_pairs(
    const int *c, __global const int *pixels, int n_pixels, int pixel, __global const float *scale,
    __global const uchar *add, __global uchar *y, const struct epilogue *e)
{
    const float16 s0 = vload16(0, scale), s1 = vload16(0, scale + 16);
    const int16 zero_point = (int16)(e->zero_point), add_zero_point = (int16)(e->add_zero_point);
    const float16 factor = (float16)(e->add_factor);
    for (int i = 0; i < 16; i++) {
        float16 v0 = convert_float16(vload16(0, c + i * 16)) * s0;
        float16 v1 = convert_float16(vload16(0, c + 256 + i * 16)) * s1;
        if (e->has_add) {
            const byte32 a = *(__global const byte32_anywhere *)(add + pixels[2 * n_pixels + pixel + i]);
            const word32 w = __builtin_convertvector(a, word32);
            const float16 a0 = convert_float16(AMX_LOW(w) - add_zero_point) * factor;
            const float16 a1 = convert_float16(AMX_HIGH(w) - add_zero_point) * factor;
            v0 = v0 + a0;
            v1 = v1 + a1;
        }
        *(__global byte32_anywhere *)(y + pixels[n_pixels + pixel + i]) =
            AMX_BYTES(AMX_WORDS(AMX_STEPS(v0) + zero_point, AMX_STEPS(v1) + zero_point));
    }
}

/* A tile of 16 pixels and n * 16 channels of sums to the output. */
static inline void amx_finish(
    const int *c, int n, __global const int *pixels, int n_pixels, int pixel, __global const float *scale,
    __global const uchar *add, __global uchar *y, int n_valid, const struct epilogue *e)
{
    const int element = e->is_float ? 4 : 1;
    if (stores_whole(e, n_valid, n * 16)) {
        for (int k = 0; k < n; k++) {
            const lf s = LOADC(scale + k * 16);
            if (e->has_add) {
#pragma unroll 4
                for (int i = 0; i < 16; i++)
                    STORE_LU(
                        round_u8(
                            real_sums(
                                LOADC(c + k * 256 + i * 16), s, add + pixels[2 * n_pixels + pixel + i] + k * 16, 1,
                                e),
                            e->zero_point),
                        y + pixels[n_pixels + pixel + i] + k * 16);
                continue;
            }
#pragma unroll 4
            for (int i = 0; i < 16; i++)
                STORE_LU(
                    round_u8(real_sums(LOADC(c + k * 256 + i * 16), s, add, 0, e), e->zero_point),
                    y + pixels[n_pixels + pixel + i] + k * 16);
        }
        return;
    }
    for (int k = 0; k < n && k * 16 < n_valid; k++) {
        const lf s = LOADC(scale + k * 16);
        for (int i = 0; i < 16; i++)
            finish(
                LOADC(c + k * 256 + i * 16), s,
                y + (size_t)element * (pixels[n_pixels + pixel + i] + k * 16 * e->y_stride),
                add + pixels[2 * n_pixels + pixel + i] + k * 16, e, n_valid - k * 16);
    }
}

__kernel void conv_amx(
    __global const uchar *restrict x, const int x_offset, __global const char *restrict weights,
    __global const int *restrict taps, const int n_taps, __global const int *restrict pixels, const int n_pixels,
    __global const int *restrict bias, __global const float *restrict scale, __global const uchar *restrict add,
    const int add_offset, const int add_zero_point, const float add_factor, __global uchar *restrict y,
    const int y_offset, const int y_stride, const int is_float, const int n_out, const int n_store,
    const int groups, const int x_group, const int chunk, const float lo, const float hi, const int zero_point,
    __global uchar *scratch, const int scratch_offset, __global const int *restrict gathered, const int x_step,
    const int run, const int n_runs, const int pairs PART_ARGS)
{
    const struct epilogue e = {lo, hi, zero_point, add_zero_point, add_factor, is_float, y_stride, add_offset >= 0};
    const int n_tiles = (n_pixels + 15) / 16;
    const int n_blocks = (n_out + 31) / 32; /* of a group */
    const int padded = (n_out + 15) / 16 * 16;
    const int element = is_float ? 4 : 1;
    int c[2048];
    add += max(add_offset, 0);
    amx_begin();
    for (int group = 0; group < groups; group++) {
        __global const uchar *from = x + x_offset + group * x_group;
        for (int first = 0; first < n_tiles; first += chunk) {
            const int last = min(first + chunk, n_tiles);
            __global uchar *to = scratch + scratch_offset;
            if (x_step == 0 && run == 16)
                amx_gather_16(to, from, pixels, n_pixels, taps, n_runs, n_taps, first, last);
            else if (x_step == 0 && run == 32)
                amx_gather_32(to, from, pixels, n_pixels, taps, n_runs, n_taps, first, last);
            else if (x_step == 0)
                amx_gather_64(to, from, pixels, n_pixels, taps, n_runs, n_taps, first, last);
            for (int block = 0; block < n_blocks; block++) {
                const int channel = block * 32, at = group * padded + channel;
                const int n = min((padded - channel) / 16, 2);
                const int y_channel = group * n_out + channel;
                __global uchar *out = y + (size_t)element * (y_offset + y_channel * y_stride);
                struct amx_job job;
                job.weights = weights + (size_t)at * n_taps * 64;
                job.steps = x_step ? taps : gathered;
                job.n_taps = n_taps;
                job.x_step = x_step ? x_step : 64;
                job.bias = bias + at;
                /* The sums of one pair are stored while the next is multiplied. */
                for (int t = first; t < last + 2; t += 2) {
                    if (t < last) {
                        __global const uchar *x0, *x1;
                        if (x_step) {
                            x0 = from + pixels[min(t * 16, n_pixels - 16)];
                            x1 = from + pixels[min(t * 16 + 16, n_pixels - 16)];
                        } else {
                            x0 = to + (size_t)(t - first) * n_taps * 1024;
                            x1 = x0 + (size_t)n_taps * 1024;
                        }
                        job.next = t == first ? job.weights + (size_t)n * n_taps * 1024 : 0;
                        amx_multiply(&job, x0, x1, min(last - t, 2), n, c + (t & 2) * 512);
                    }
                    if (t == first)
                        continue;
                    const int done = t - 2, m = min(last - done, 2);
                    for (int i = 0; i < m; i++) {
                        const int pixel = min((done + i) * 16, n_pixels - 16);
                        const int *sums = c + (done & 2) * 512 + i * n * 256;
                        if (pairs)
                            amx_store_pairs(sums, pixels, n_pixels, pixel, scale + at, add + y_channel, out, &e);
                        else
                            amx_finish(
                                sums, n, pixels, n_pixels, pixel, scale + at, add + y_channel, out,
                                n_store - channel, &e);
                    }
                }
            }
        }
    }
    amx_end();
}

#endif
