/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c: one OpenCL program per family of kernels, built when a plan first needs it: from the cache, else from
 * source. conv.cl, conv_int8.cl and winograd.cl are repeated once per variant inside their programs.
 */
#include "runtime/cl/internal.h"

#include <stdio.h>

#include "runtime/cl/kernels.h"

#define MAX_SOURCES 32

/* Tile shapes by how many vector registers the device's instruction set has: 32 of 16 lanes, 16 of 8 (AVX2) or of 4. */
static const struct tf2__cl_tile tiles_16[] = {{6, 4, 0.92f},  {7, 3, 0.90f}, {7, 2, 0.88f},
                                               {14, 1, 0.65f}, {1, 4, 0.30f}, {3, 4, 0.70f}};
static const struct tf2__cl_tile tiles_8[] = {
    {6, 2, 0.90f}, {4, 3, 0.90f}, {8, 1, 0.70f}, {1, 4, 0.30f}, {3, 4, 0.80f}};
static const struct tf2__cl_tile tiles_4[] = {{4, 2, 0.90f}, {8, 1, 0.80f}, {1, 4, 0.30f}};

/* Of conv_int8.cl: 32 registers of 16 channels; AVX2 with 16 registers of 8; plain vectors, which need more of them. */
static const struct tf2__cl_tile tiles_vnni[] = {{6, 4, 0.95f},  {7, 3, 0.94f}, {7, 2, 0.93f},
                                                 {10, 1, 0.74f}, {1, 4, 0.30f}, {3, 4, 0.85f}};
static const struct tf2__cl_tile tiles_avx2[] = {{6, 2, 0.91f}, {5, 2, 0.91f}, {4, 2, 0.89f},
                                                 {2, 4, 0.88f}, {7, 1, 0.78f}, {1, 4, 0.40f}};
static const struct tf2__cl_tile tiles_plain[] = {{4, 2, 0.90f}, {8, 1, 0.80f}, {1, 4, 0.30f}};

const struct tf2__cl_tile *tf2__cl_tiles_int8(enum tf2__cl_dot dot, size_t *n)
{
    if (dot >= TF2__CL_DOT_VNNI) {
        *n = TF2__COUNT(tiles_vnni);
        return tiles_vnni;
    }
    if (dot == TF2__CL_DOT_AVX2) {
        *n = TF2__COUNT(tiles_avx2);
        return tiles_avx2;
    }
    *n = TF2__COUNT(tiles_plain);
    return tiles_plain;
}

struct tf2__cl_tile tf2__cl_winograd_int8_tile(enum tf2__cl_dot dot)
{
    return (struct tf2__cl_tile){.pixels = dot >= TF2__CL_DOT_VNNI ? 8 : 6, .vectors = 2};
}

int tf2__cl_dot_lanes(enum tf2__cl_dot dot, int vector_width)
{
    return dot >= TF2__CL_DOT_VNNI ? 16 : dot == TF2__CL_DOT_AVX2 ? 8 : vector_width;
}

int tf2__cl_dot_inputs(enum tf2__cl_dot dot)
{
    return dot == TF2__CL_DOT_AVX2 ? 2 : 4;
}

const struct tf2__cl_tile *tf2__cl_tiles(int vector_width, size_t *n)
{
    switch (vector_width) {
    case 16:
        *n = TF2__COUNT(tiles_16);
        return tiles_16;
    case 8:
        *n = TF2__COUNT(tiles_8);
        return tiles_8;
    default:
        *n = TF2__COUNT(tiles_4);
        return tiles_4;
    }
}

static const char *const family_source[TF2__CL_N_FAMILIES] = {
    [TF2__CL_CONV] = tf2__kernel_conv,
    [TF2__CL_CONV_AMX] = tf2__kernel_conv_amx,
    [TF2__CL_CONV_INT8] = tf2__kernel_conv_int8,
    [TF2__CL_DEPTHWISE] = tf2__kernel_depthwise,
    [TF2__CL_DEPTHWISE_INT8] = tf2__kernel_depthwise_int8,
    [TF2__CL_DETECT] = tf2__kernel_detect,
    [TF2__CL_LRN_INT8] = tf2__kernel_lrn_int8,
    [TF2__CL_MAP] = tf2__kernel_map,
    [TF2__CL_MAP_INT8] = tf2__kernel_map_int8,
    [TF2__CL_NORM] = tf2__kernel_norm,
    [TF2__CL_POOL] = tf2__kernel_pool,
    [TF2__CL_POOL_INT8] = tf2__kernel_pool_int8,
    [TF2__CL_RESAMPLE] = tf2__kernel_resample,
    [TF2__CL_WINOGRAD] = tf2__kernel_winograd,
    [TF2__CL_WINOGRAD_INT8] = tf2__kernel_winograd_int8,
};

static const char *const family_name[TF2__CL_N_FAMILIES] = {
    [TF2__CL_CONV] = "conv.cl",
    [TF2__CL_CONV_AMX] = "conv_amx.cl",
    [TF2__CL_CONV_INT8] = "conv_int8.cl",
    [TF2__CL_DEPTHWISE] = "depthwise.cl",
    [TF2__CL_DEPTHWISE_INT8] = "depthwise_int8.cl",
    [TF2__CL_DETECT] = "detect.cl",
    [TF2__CL_LRN_INT8] = "lrn_int8.cl",
    [TF2__CL_MAP] = "map.cl",
    [TF2__CL_MAP_INT8] = "map_int8.cl",
    [TF2__CL_NORM] = "norm.cl",
    [TF2__CL_POOL] = "pool.cl",
    [TF2__CL_POOL_INT8] = "pool_int8.cl",
    [TF2__CL_RESAMPLE] = "resample.cl",
    [TF2__CL_WINOGRAD] = "winograd.cl",
    [TF2__CL_WINOGRAD_INT8] = "winograd_int8.cl",
};

static bool is_int8(enum tf2__cl_family family)
{
    return family == TF2__CL_CONV_AMX || family == TF2__CL_CONV_INT8 || family == TF2__CL_DEPTHWISE_INT8 ||
           family == TF2__CL_LRN_INT8 || family == TF2__CL_MAP_INT8 || family == TF2__CL_POOL_INT8 ||
           family == TF2__CL_WINOGRAD_INT8;
}

#define DEFINE_SIZE 48

struct sources {
    const char *text[MAX_SOURCES];
    size_t n;
    char defines[MAX_SOURCES][DEFINE_SIZE];
    char dot[32];
};

static const char *define_tile(char *text, struct tf2__cl_tile tile)
{
    snprintf(text, DEFINE_SIZE, "#define P %d\n#define R %d\n", tile.pixels, tile.vectors);
    return text;
}

static void collect(const struct tf2__cl_device *device, enum tf2__cl_family family, struct sources *s)
{
    s->n = 0;
    s->text[s->n++] = tf2__kernel_base;
    if (is_int8(family)) {
        snprintf(s->dot, sizeof(s->dot), "#define TF2_DOT %d\n", (int)device->dot);
        s->text[s->n++] = s->dot;
        if (family == TF2__CL_WINOGRAD_INT8 && device->dot >= TF2__CL_DOT_VNNI)
            s->text[s->n++] = "#define TF2_WORDS\n";
        s->text[s->n++] = tf2__kernel_int8;
    }
    if (family == TF2__CL_WINOGRAD_INT8)
        s->text[s->n++] = define_tile(s->defines[0], tf2__cl_winograd_int8_tile(device->dot));
    if (family == TF2__CL_WINOGRAD || family == TF2__CL_WINOGRAD_INT8) {
        s->text[s->n++] = "#define T 4\n";
        s->text[s->n++] = family_source[family];
        s->text[s->n++] = "#define T 2\n";
    }
    if (family != TF2__CL_CONV && family != TF2__CL_CONV_INT8) {
        s->text[s->n++] = family_source[family];
        return;
    }
    if (family == TF2__CL_CONV_INT8)
        s->text[s->n++] = tf2__kernel_pack_int8;
    size_t n_tiles;
    const struct tf2__cl_tile *tiles = family == TF2__CL_CONV ? tf2__cl_tiles(device->vector_width, &n_tiles)
                                                              : tf2__cl_tiles_int8(device->dot, &n_tiles);
    for (size_t i = 0; i < n_tiles; i++) {
        s->text[s->n++] = define_tile(s->defines[i], tiles[i]);
        s->text[s->n++] = family_source[family];
    }
}

static enum tf2_status build_failed(
    const struct tf2__cl_device *device, cl_program program, const char *name, struct tf2_error *error)
{
    char log[1200] = "";
    size_t size = 0;
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *whole = size ? tf2__calloc(&device->base.env, size + 1, 1) : NULL;
    if (whole) {
        clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, whole, NULL);
        snprintf(log, sizeof(log), "%s", whole);
        tf2__free(&device->base.env, whole);
    }
    for (char *c = log; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    return tf2__fail(
        error, TF2_ERR_BUILD, "%s does not build for device %s (%s): %s", name, device->base.info.id,
        device->base.info.name, log);
}

static cl_program load_cached(struct tf2__cl_device *device, const struct sources *s, const char *options)
{
    unsigned char *data;
    size_t size;
    cl_int code, status = CL_SUCCESS;
    if (!tf2__cl_cache_load(device, s->text, s->n, &data, &size))
        return NULL;
    const unsigned char *binary = data;
    cl_program program =
        clCreateProgramWithBinary(device->context, 1, &device->id, &size, &binary, &status, &code);
    tf2__free(&device->base.env, data);
    if (!program)
        return NULL;
    if (status == CL_SUCCESS && clBuildProgram(program, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return program;
    clReleaseProgram(program);
    return NULL;
}

static void store_binary(struct tf2__cl_device *device, cl_program program, const struct sources *s)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL) != CL_SUCCESS || !size)
        return;
    unsigned char *data = tf2__alloc(&device->base.env, size);
    if (data && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(data), &data, NULL) == CL_SUCCESS)
        tf2__cl_cache_store(device, s->text, s->n, data, size);
    tf2__free(&device->base.env, data);
}

static enum tf2_status build_program(
    struct tf2__cl_device *device, enum tf2__cl_family family, cl_program *out, struct tf2_error *error)
{
    struct sources s;
    char options[96];
    cl_int code;
    collect(device, family, &s);
    snprintf(
        options, sizeof(options), "-w -DVW=%d%s", device->vector_width,
        device->is_pocl_cpu ? " -DTF2_CPU" : "");
    *out = load_cached(device, &s, options);
    if (*out)
        return TF2_OK;
    tf2__log(
        &device->base.env, TF2_LOG_INFO, "compiling %s for %s", family_name[family], device->base.info.id);
    cl_program program =
        clCreateProgramWithSource(device->context, (cl_uint)s.n, (const char **)s.text, NULL, &code);
    if (!program)
        return tf2__cl_fail(error, code, "clCreateProgramWithSource");
    code = clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        enum tf2_status status = build_failed(device, program, family_name[family], error);
        clReleaseProgram(program);
        return status;
    }
    store_binary(device, program, &s);
    *out = program;
    return TF2_OK;
}

/* Lowers dot until its convolutions build. Under the lock. */
static enum tf2_status make_dot_sure(struct tf2__cl_device *device, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    while (!device->dot_is_sure) {
        enum tf2__cl_family family = device->dot == TF2__CL_DOT_AMX ? TF2__CL_CONV_AMX : TF2__CL_CONV_INT8;
        status = device->programs[family] ? TF2_OK
                                          : build_program(device, family, &device->programs[family], error);
        device->dot_is_sure = status == TF2_OK;
        if (status != TF2_ERR_BUILD || device->dot == TF2__CL_DOT_GENERIC)
            break;
        tf2__log(
            &device->base.env, TF2_LOG_WARNING, "%s: integer kernels %d do not build, taking simpler ones",
            device->base.info.id, (int)device->dot);
        device->dot--;
    }
    return status;
}

enum tf2_status tf2__cl_dot_get(struct tf2__cl_device *device, enum tf2__cl_dot *dot, struct tf2_error *error)
{
    pthread_mutex_lock(&device->lock);
    enum tf2_status status = make_dot_sure(device, error);
    *dot = device->dot;
    pthread_mutex_unlock(&device->lock);
    return status;
}

enum tf2_status tf2__cl_program_get(
    struct tf2__cl_device *device, enum tf2__cl_family family, cl_program *program, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    pthread_mutex_lock(&device->lock);
    if (is_int8(family))
        status = make_dot_sure(device, error);
    if (status == TF2_OK && !device->programs[family])
        status = build_program(device, family, &device->programs[family], error);
    *program = device->programs[family];
    pthread_mutex_unlock(&device->lock);
    return status;
}
