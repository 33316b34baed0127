/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h: what the files of the OpenCL device share.
 *
 *     select.c     step → row of the kernel table (choose)
 *     step_*.c     row → launches: tables, packed weights, arguments (compile)
 *     program.c    program families, built once per device, through cache.c
 *     divide.c     launches → tasks: what a part does of each
 *     execute.c    a run state: queue, arena, one cl_kernel per task with all arguments set; run only enqueues
 */
#ifndef TF2__CL_INTERNAL_H
#define TF2__CL_INTERNAL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <pthread.h>

#include "runtime/cl/cl.h"
#include "runtime/cl/cpu.h"

/* Program families: one OpenCL program each. */
enum tf2__cl_family {
    TF2__CL_CONV,
    TF2__CL_CONV_AMX,
    TF2__CL_CONV_INT8,
    TF2__CL_DEPTHWISE,
    TF2__CL_DEPTHWISE_INT8,
    TF2__CL_DETECT,
    TF2__CL_LRN_INT8,
    TF2__CL_MAP,
    TF2__CL_MAP_INT8,
    TF2__CL_NORM,
    TF2__CL_POOL,
    TF2__CL_POOL_INT8,
    TF2__CL_RESAMPLE,
    TF2__CL_WINOGRAD,
    TF2__CL_WINOGRAD_INT8,
    TF2__CL_N_FAMILIES,
};

struct tf2__cl_device {
    struct tf2__device base;
    cl_device_id id;
    cl_context context;
    int vector_width;
    bool is_pocl_cpu;     /* the cores of this machine, through clang: host memory is the device's memory */
    int64_t cache_bytes;  /* of the last level */
    double divide_ns;     /* launches that are estimated to take less are not divided among devices */
    char *cache_dir;      /* NULL: no cache */
    char *key;            /* what a compiled program depends on besides its source */
    pthread_mutex_t lock; /* guards dot and programs */
    enum tf2__cl_dot dot; /* what may be used; lowered when its program does not build */
    bool dot_is_sure;     /* its program was built */
    cl_program programs[TF2__CL_N_FAMILIES];
    char strings[4][256]; /* id, name, vendor, driver */
};

/* --- cache.c, program.c --- */

/* "TF2_ERR_DEVICE: what failed (OpenCL error -5, CL_OUT_OF_RESOURCES)" */
enum tf2_status tf2__cl_fail(struct tf2_error *error, cl_int code, const char *what);
/* The name of an OpenCL error code. */
const char *tf2__cl_error_name(cl_int code);
/* Reads a cached program; false when there is none or it is damaged. *data is allocated. */
bool tf2__cl_cache_load(
    const struct tf2__cl_device *device, const char *const *sources, size_t n_sources, unsigned char **data,
    size_t *size_bytes);
/* Failing to write is not an error: the next start builds again. */
void tf2__cl_cache_store(
    const struct tf2__cl_device *device, const char *const *sources, size_t n_sources,
    const unsigned char *data, size_t size_bytes);
/* The family's program, built when it is first asked for. */
enum tf2_status tf2__cl_program_get(
    struct tf2__cl_device *device, enum tf2__cl_family family, cl_program *program, struct tf2_error *error);

/* How integers are multiplied on this device: the best way whose program builds. Does not change afterwards. */
enum tf2_status
tf2__cl_dot_get(struct tf2__cl_device *device, enum tf2__cl_dot *dot, struct tf2_error *error);
/* Output channels of a vector: LC of int8.clh. */
int tf2__cl_dot_lanes(enum tf2__cl_dot dot, int vector_width);
/* Inputs of a tap: 4 bytes, or on AVX2 2 words. */
int tf2__cl_dot_inputs(enum tf2__cl_dot dot);

/* --- memory.c --- */

#define TF2__CL_ALIGNMENT 128 /* what PoCL asks of memory that it is given */

/* A buffer of the device, and where its contents lie in the host's memory. */
struct tf2__cl_memory {
    cl_mem mem; /* NULL: not on the device yet */
    void *host; /* in place on the cores of this machine; else NULL once it was uploaded */
    size_t size_bytes;
    bool borrowed; /* the host's memory belongs to somebody else */
};

enum tf2_status tf2__cl_memory_create(
    struct tf2__cl_device *device, cl_mem_flags access, size_t size_bytes, const char *what,
    struct tf2__cl_memory *memory, struct tf2_error *error);
/* Host memory only, not zeroed, and its way to the device, for reading. */
enum tf2_status tf2__cl_memory_host(
    struct tf2__cl_device *device, size_t size_bytes, const char *what, struct tf2__cl_memory *memory,
    struct tf2_error *error);
enum tf2_status tf2__cl_memory_upload(
    struct tf2__cl_device *device, const char *what, struct tf2__cl_memory *memory, struct tf2_error *error);
/* The same memory for another device of the same base.memory, or for the same device. The other outlives it. */
enum tf2_status tf2__cl_memory_share(
    struct tf2__cl_device *device, cl_mem_flags access, const struct tf2__cl_memory *other, const char *what,
    struct tf2__cl_memory *memory, struct tf2_error *error);
/* Takes a zeroed struct too. */
void tf2__cl_memory_destroy(struct tf2__cl_device *device, struct tf2__cl_memory *memory);

/* --- tiles of conv.cl --- */

struct tf2__cl_tile {
    int pixels;       /* P */
    int vectors;      /* R */
    float efficiency; /* measured share of the FMA peak on large layers */
};
/* The variants that exist for a vector width, in the order of compilation. */
const struct tf2__cl_tile *tf2__cl_tiles(int vector_width, size_t *n);
/* The same of conv_int8.cl. */
const struct tf2__cl_tile *tf2__cl_tiles_int8(enum tf2__cl_dot dot, size_t *n);
/* The only one of winograd_int8.cl. */
struct tf2__cl_tile tf2__cl_winograd_int8_tile(enum tf2__cl_dot dot);
/* The one with the least padded work, of the given ones. */
struct tf2__cl_tile tf2__cl_tile_best(
    const struct tf2__cl_tile *tiles, size_t n, int vector_width, int64_t n_pixels, int64_t out_per_group);

/* --- taps.c --- */

struct tf2__cl_taps {
    int64_t n;
    cl_int *offset; /* per tap: its first byte, relative to a pixel's base */
    int64_t *place; /* per input: tap * width + byte within the tap */
};

/* Covers n inputs, given by byte offsets, with taps of `width` bytes. Arrays lie in the arena. */
enum tf2_status tf2__cl_taps_make(
    struct tf2__arena *arena, const cl_int *offsets, int64_t n, int32_t width, struct tf2__cl_taps *taps,
    struct tf2_error *error);

/* --- an executable: launches, and the buffers they use --- */

enum tf2__cl_arg_kind {
    TF2__CL_ARG_ARENA,
    TF2__CL_ARG_INPUT, /* the arena, or memory that input `buffer` is lent in; the next argument is a place in it */
    TF2__CL_ARG_BUFFER,
    TF2__CL_ARG_INT,
    TF2__CL_ARG_FLOAT,
};

struct tf2__cl_arg {
    enum tf2__cl_arg_kind kind;
    union {
        uint32_t buffer;
        cl_int i;
        cl_float f;
    } value;
};

#define TF2__CL_MAX_ARGS 40

/* Weights that a launch can read in pieces: those of block b of dimension 1 are bytes start[b] .. start[b + 1] - 1 of
 * the buffer. */
struct tf2__cl_blocks {
    uint32_t buffer;
    uint32_t arg; /* the weights; the next argument is how many bytes in front are missing */
    uint32_t n_blocks;
    const size_t *start;
};

struct tf2__cl_launch {
    enum tf2__cl_family family;
    char kernel[32];
    uint32_t n_args;
    struct tf2__cl_arg args[TF2__CL_MAX_ARGS];
    size_t global[2];
    const struct tf2__cl_blocks *blocks; /* NULL: it has no weights, or wants them whole */
};

struct tf2__executable {
    struct tf2__cl_device *device;
    struct tf2__plan *plan;
    struct tf2__arena arena; /* owns the arrays */
    struct tf2__cl_launch *launches;
    uint32_t n_launches, cap_launches;
    uint32_t *first_launch; /* per step, and one behind */
    struct tf2__cl_memory *buffers;
    uint32_t n_buffers, cap_buffers;
    uint32_t *constant;          /* per plan tensor: its dense upload + 1, 0 for none yet */
    bool *lendable;              /* per input: kernels can read it in other memory than the arena */
    struct tf2__cl_launch *init; /* halo fills that are done once per session */
    uint32_t n_init;
    size_t weights_bytes;        /* all buffers */
    size_t shared_weights_bytes; /* of these, in memory of another executable */
};

/* --- divide.c: tasks, what a run state does of the launches --- */

#define TF2__CL_NONE UINT32_MAX

/* A rectangle of a launch. */
struct tf2__cl_task {
    uint32_t launch; /* TF2__CL_NONE: only wait */
    bool meet;       /* wait for the other parts first */
    bool piece_ends; /* the last task that reads `piece` */
    uint32_t piece;  /* of streamed weights, which this reads; TF2__CL_NONE: none */
    int64_t skip;    /* bytes of weights that the piece does not have in front */
    size_t first[2], size[2];
    cl_kernel kernel;
};

struct tf2__cl_tasks {
    struct tf2__cl_task *task;
    uint32_t n, cap;
    uint32_t *first; /* per step, and one behind */
};

/* Appends an empty one; NULL when out of memory. */
struct tf2__cl_task *tf2__cl_task_add(struct tf2__cl_tasks *tasks, struct tf2__arena *arena);
/* What the part does of every launch. Zero-initialize *tasks. */
enum tf2_status tf2__cl_divide(
    const struct tf2__executable *exe, const struct tf2__part *part, struct tf2__arena *arena,
    struct tf2__cl_tasks *tasks, struct tf2_error *error);

/* --- build.c: making launches --- */

struct tf2__cl_build {
    struct tf2__executable *executable;
    struct tf2__cl_device *device;
    struct tf2__plan *plan;
    const struct tf2__executable *like; /* NULL, or whose equal buffers are used */
    struct tf2_error *error;
    struct tf2__cl_launch *launch; /* the one being made */
    bool out_of_range;             /* an argument did not fit 32 bits */
};

/* Adds a launch and makes it the current one. */
enum tf2_status
tf2__cl_launch_begin(struct tf2__cl_build *build, enum tf2__cl_family family, const char *kernel);
void tf2__cl_arg_int(struct tf2__cl_build *build, int64_t value);
void tf2__cl_arg_float(struct tf2__cl_build *build, float value);
void tf2__cl_arg_buffer(struct tf2__cl_build *build, uint32_t buffer);
void tf2__cl_arg_arena(struct tf2__cl_build *build);
/* Two arguments: weights that can come in pieces, n_blocks for dimension 1 of the launch, and the bytes that are missing
 * in front. start: n_blocks + 1 byte offsets into the buffer; they are copied. */
enum tf2_status
tf2__cl_arg_blocks(struct tf2__cl_build *build, uint32_t buffer, const size_t *start, uint32_t n_blocks);
/* The same for blocks of equal size. */
enum tf2_status
tf2__cl_arg_equal_blocks(struct tf2__cl_build *build, uint32_t buffer, int64_t block_bytes, int64_t n_blocks);
/* Two arguments: where the tensor lies (arena, or an upload of the constant) and its element offset. */
enum tf2_status tf2__cl_arg_tensor(struct tf2__cl_build *build, uint32_t tensor);
void tf2__cl_launch_size(struct tf2__cl_build *build, int64_t size0, int64_t size1);

/* A new read-only buffer of n 4-byte elements, zeroed, for writing; unmap hands the contents over. */
enum tf2_status tf2__cl_buffer_map(struct tf2__cl_build *build, int64_t n, uint32_t *buffer, void **data);
enum tf2_status tf2__cl_buffer_unmap(struct tf2__cl_build *build, uint32_t buffer, void *data);
/* The same with the contents given. */
enum tf2_status
tf2__cl_buffer_from(struct tf2__cl_build *build, const void *data, int64_t n, uint32_t *buffer);

/* --- collapse.c --- */

#define TF2__CL_MAX_OPERANDS 4

/*
 * Dimensions of an element-wise walk, outermost first, in the memory order of operand 0: extents of 1
 * dropped, neighbours merged where all operands allow. At least one dimension.
 */
struct tf2__cl_walk {
    uint32_t n_dims;
    int64_t dim[TF2_MAX_DIMS];
    int64_t stride[TF2__CL_MAX_OPERANDS][TF2_MAX_DIMS];
};

void tf2__cl_collapse(
    const struct tf2_shape *shape, const int64_t *const *strides, uint32_t n_operands,
    struct tf2__cl_walk *walk);

/* [N, C, spatial...] as n, d, h, w with missing spatial dimensions in front as extents of 1. */
struct tf2__cl_map_view {
    int64_t n, c, dim[3];
    int64_t stride_n, stride_c, stride[3];
};
void tf2__cl_map_of(const struct tf2__plan *plan, uint32_t tensor, struct tf2__cl_map_view *view);

/* --- the kernel table --- */

/* One way to run one kind of step. */
struct tf2__cl_row {
    enum tf2_op op;
    bool int8; /* for nodes on integers */
    const char *name;
    /* NULL: always. */
    bool (*fits)(const struct tf2__plan *plan, const struct tf2__step *step);
    /* Fills kernel, scratch and choice. NULL: nothing to choose. */
    enum tf2_status (*choose)(
        struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
        struct tf2_error *error);
    enum tf2_status (*make)(struct tf2__cl_build *build, const struct tf2__step *step);
};

extern const struct tf2__cl_row tf2__cl_row_winograd, tf2__cl_row_conv, tf2__cl_row_depthwise,
    tf2__cl_row_gemm, tf2__cl_row_pool, tf2__cl_row_activation, tf2__cl_row_prelu, tf2__cl_row_batch_norm,
    tf2__cl_row_scale, tf2__cl_row_eltwise, tf2__cl_row_slice, tf2__cl_row_transpose, tf2__cl_row_softmax,
    tf2__cl_row_lrn, tf2__cl_row_resize, tf2__cl_row_pad, tf2__cl_row_conv_int8, tf2__cl_row_gemm_int8,
    tf2__cl_row_pool_int8, tf2__cl_row_eltwise_int8, tf2__cl_row_lookup, tf2__cl_row_quantize,
    tf2__cl_row_depthwise_int8, tf2__cl_row_resize_int8, tf2__cl_row_pad_int8, tf2__cl_row_dequantize,
    tf2__cl_row_lrn_int8, tf2__cl_row_slice_int8, tf2__cl_row_transpose_int8, tf2__cl_row_normalize,
    tf2__cl_row_detection_output, tf2__cl_row_deconv_depthwise, tf2__cl_row_deconv,
    tf2__cl_row_deconv_depthwise_int8, tf2__cl_row_deconv_int8;

/* The row for a NODE step; choose() has found one for every step. */
const struct tf2__cl_row *tf2__cl_row_find(const struct tf2__plan *plan, const struct tf2__step *step);
enum tf2_status tf2__cl_choose(struct tf2__device *device, struct tf2__plan *plan, struct tf2_error *error);

/* step_map.c: COPY and FILL steps, and a strided copy for other rows. */
enum tf2_status tf2__cl_make_copy(struct tf2__cl_build *build, const struct tf2__step *step);
enum tf2_status tf2__cl_make_fill(struct tf2__cl_build *build, uint32_t root);
/* step_map_int8.c: PIXELS steps. */
enum tf2_status tf2__cl_make_pixels(struct tf2__cl_build *build, const struct tf2__step *step);
/* Whether a COPY step goes through dense scratch: bytes of it, or 0. */
int64_t tf2__cl_copy_scratch(const struct tf2__plan *plan, const struct tf2__step *step);
/* Appends a launch that applies the node's activation to its output, in place. */
enum tf2_status tf2__cl_make_activation(
    struct tf2__cl_build *build, const struct tf2_activation *activation, uint32_t tensor);
/* Appends a launch: tensor = activation(tensor + other), of the same shape. */
enum tf2_status tf2__cl_make_add(
    struct tf2__cl_build *build, uint32_t tensor, uint32_t other, const struct tf2_activation *activation);

/* --- step_conv.c: what convolutions share --- */

struct tf2__window_dim;

/* A convolution as numbers: spatial dimensions d, h, w. */
struct tf2__cl_conv {
    int64_t n_pixels, n_taps;
    int64_t groups, in_per_group, out_per_group;
    struct {
        int64_t kernel, stride, dilation, pad_begin;
    } window[3];
    struct tf2__cl_map_view x, y, add;
    int64_t y_at; /* elements from the output's index 0, 0, ... to the first pixel */
    bool has_add;
    int64_t room; /* lanes behind the last output channel that may be written */
};

void tf2__cl_conv_describe(
    const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_conv *conv);
/* Byte (element) offsets of a pixel's inputs in the order of a row of weights; the table of pixels: input base, output
 * offset, residual offset, n_pixels each. */
void tf2__cl_conv_inputs(const struct tf2__cl_conv *conv, cl_int *offsets);
void tf2__cl_conv_pixels(const struct tf2__cl_conv *conv, cl_int *table);
/* The same for inner products; *axis is the first dimension that is summed. */
void tf2__cl_gemm_describe(
    const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_conv *conv, uint32_t *axis);
void tf2__cl_gemm_inputs(
    const struct tf2__plan *plan, const struct tf2__step *step, uint32_t axis, int64_t n, cl_int *offsets);
void tf2__cl_gemm_pixels(
    const struct tf2__plan *plan, const struct tf2__step *step, uint32_t axis, int64_t n, cl_int *table);
/* The best tile of conv.cl for so many pixels and output channels. */
struct tf2__cl_tile tf2__cl_tile_choose(int vector_width, int64_t n_pixels, int64_t out_per_group);
/* How many tiles a work item should do, of n_tiles for each of n_blocks: fewer where parts of a plan have to get equal
 * shares. */
int64_t tf2__cl_strip(
    const struct tf2__plan *plan, const struct tf2__cl_tile *tile, int64_t lanes, int64_t n_taps, int64_t n_tiles,
    int64_t n_blocks);
/* The tile and the kernel of conv.cl for it. */
struct tf2__cl_conv_choice {
    struct tf2__cl_tile tile;
    char kernel[32];
};
void tf2__cl_conv_choose(
    const struct tf2__cl_device *device, const struct tf2__cl_conv *conv, struct tf2__cl_conv_choice *choice);
/* Launches of conv.cl and of depthwise.cl with weights [O, I / group, k...]. */
enum tf2_status tf2__cl_conv_launch(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *conv,
    const struct tf2__cl_conv_choice *choice, const float *weights);
enum tf2_status tf2__cl_depthwise_launch(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *conv,
    const float *weights);
/* Whether depthwise.cl and depthwise_int8.cl take it. */
bool tf2__cl_is_depthwise(const struct tf2__cl_conv *conv);
/* The step's bias, or NULL. */
const float *tf2__cl_conv_bias(const struct tf2__plan *plan, const struct tf2__step *step);
/* Three arguments: the activation as the kernels take it; two: the residual; then what is left to do. */
void tf2__cl_arg_activation(
    struct tf2__cl_build *build, const struct tf2__cl_conv *conv, const struct tf2_activation *activation);
enum tf2_status tf2__cl_arg_residual(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *conv);
enum tf2_status tf2__cl_conv_finish(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *conv);

/* --- step_winograd.c: what both kinds of numbers share --- */

/* 3x3, stride 1, no dilation, no groups, adjacent channels. */
bool tf2__cl_winograd_applies(const struct tf2__cl_conv *conv);
/* The table of tiles of tile x tile output pixels, see winograd.cl. */
enum tf2_status tf2__cl_winograd_tiles(
    struct tf2__cl_build *build, const struct tf2__cl_conv *conv, int64_t tile, uint32_t *buffer);

/* --- words.c --- */

/* The bytes that a convolution reads, widened to 16 bits. */
struct tf2__cl_words {
    int64_t first, n;        /* bytes relative to the tensor */
    int64_t row_stride, row; /* how they are read: so many of each so many */
    int64_t scratch_bytes;
};
/* For reading bytes first .. last-1 relative to the input. */
struct tf2__cl_words tf2__cl_words_of(const struct tf2__cl_conv *conv, int64_t first, int64_t last);
/* Appends a launch that widens the step's first input into its scratch. */
enum tf2_status tf2__cl_words_make(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_words *words);

/* --- step_deconv.c: a transposed convolution as ordinary ones, one for each phase of the output --- */

struct tf2__cl_phase {
    /* Kernel positions of this phase: first + i * step, n of them; n = 0: none, the phase is bias. */
    struct {
        int64_t first, step, n;
    } kernel[3];
    struct tf2__cl_conv conv; /* n_taps: one of weight 0 where there are no positions */
};

int64_t tf2__cl_phases(const struct tf2__plan *plan, const struct tf2__step *step);
/* TF2_ERR_UNSUPPORTED where there are too many. */
enum tf2_status
tf2__cl_phases_check(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2_error *error);
void tf2__cl_phase_describe(
    const struct tf2__plan *plan, const struct tf2__step *step, int64_t number, struct tf2__cl_phase *phase);
/* The weights of a phase, [O, I / group, positions...], for the caller to free; NULL: out of memory. */
void *tf2__cl_phase_weights(
    const struct tf2__plan *plan, const struct tf2__step *step, const struct tf2__cl_phase *phase,
    const struct tf2_env *env);

/* --- execute.c --- */

enum tf2_status tf2__cl_compile(
    struct tf2__device *device, struct tf2__plan *plan, const struct tf2__executable *like,
    struct tf2__executable **executable, struct tf2_error *error);
void tf2__cl_release(struct tf2__device *device, struct tf2__executable *executable);
extern const struct tf2__device_ops tf2__cl_device_ops;

#endif
