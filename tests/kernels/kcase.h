/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kcase.h: random graphs for the kernel tests: a source of random decisions, a builder, a printer, and the
 * check that runs one graph on two devices, with and without passes, at two batch sizes, and compares.
 *
 * A graph is a function of its seed alone: the check builds it several times. Include after cmocka.h.
 */
#ifndef TF2_TEST_KCASE_H
#define TF2_TEST_KCASE_H

#include <tf2/tf2.h>

/* What the numbers of inputs and constants are. All are multiples of 1/64, so that short sums are exact. */
enum kdata {
    KDATA_SIGNED = 0,   /* -2 .. 2 */
    KDATA_POSITIVE = 1, /* 1/64 .. 2 */
};

/* A graph that is being built. */
struct kgraph {
    struct tf2_graph *graph;
    uint64_t random;
    enum kdata data; /* may be set by the builder; counts for constants made after it and for all inputs */
    uint32_t n_names;
    uint32_t n_outputs;
};

/* Builds into *k: at least one input or constant and one output. */
typedef void (*kbuild)(struct kgraph *k);

struct kfamily {
    const char *name;
    kbuild build;
    double tolerance; /* largest NMSE; 0: 1e-10 */
    uint64_t slow;    /* cases that are large: one in this many rounds is run; 0: all */
};

/* --- decisions --- */

uint64_t krandom(uint64_t *state); /* splitmix64 */
/* low .. high */
int64_t krange(struct kgraph *k, int64_t low, int64_t high);
/* True once in n times. */
bool kchance(struct kgraph *k, int64_t n);
float kuniform(struct kgraph *k, float low, float high);
/* A number of channels: 1 .. high, often next to a multiple of a vector width. */
int64_t kchannels(struct kgraph *k, int64_t high);
/* An extent 1 .. high, often 1, odd or prime. */
int64_t kextent(struct kgraph *k, int64_t high);

/* --- building; a failing call fails the test, unless its name has `try` in it --- */

#define KSHAPE(...)                                                                                          \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})
#define KIN(...)                                                                                             \
    (const tf2_tensor_id[]){__VA_ARGS__}, sizeof((tf2_tensor_id[]){__VA_ARGS__}) / sizeof(tf2_tensor_id)

tf2_tensor_id kinput(struct kgraph *k, struct tf2_shape shape);
tf2_tensor_id kconstant(struct kgraph *k, struct tf2_shape shape);
tf2_tensor_id
knode(struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs);
/* TF2_NO_TENSOR when the operator does not take it. */
tf2_tensor_id
knode_try(struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs);
void koutput(struct kgraph *k, tf2_tensor_id tensor);
const struct tf2_shape *kshape(const struct kgraph *k, tf2_tensor_id tensor);

/* Random [N, C, spatial...]: N 1 or 2, C up to max_channels, n_spatial extents up to max_extent. */
struct tf2_shape kmap_shape(struct kgraph *k, int64_t max_channels, uint32_t n_spatial, int64_t max_extent);
struct tf2_activation kactivation_attr(struct kgraph *k, enum tf2_activation_kind kind);
tf2_tensor_id kactivation(struct kgraph *k, tf2_tensor_id x, enum tf2_activation_kind kind);
tf2_tensor_id krelu(struct kgraph *k, tf2_tensor_id x);
/* Padding 0 .. 4, mostly asymmetric, or automatic; stride and dilation 1 .. 3. kernel: 0 for conv. */
struct tf2_window kwindow(struct kgraph *k, uint32_t n_spatial);
/* A convolution with the given window; tries smaller dilations and more padding until the window fits. */
tf2_tensor_id kconv(
    struct kgraph *k, tf2_tensor_id x, int64_t n_out, int64_t kernel, int64_t group,
    struct tf2_window window);
/* Kernel 3 (or what fits), padding 1: as networks have it, keeps the extents. */
tf2_tensor_id kconv_same(struct kgraph *k, tf2_tensor_id x, int64_t n_out);
tf2_tensor_id kconv_1x1(struct kgraph *k, tf2_tensor_id x, int64_t n_out);
tf2_tensor_id kconcat(struct kgraph *k, int32_t axis, const tf2_tensor_id *inputs, size_t n_inputs);
/* begin .. end - 1 of one dimension. */
tf2_tensor_id kslice(struct kgraph *k, tf2_tensor_id x, uint32_t axis, int64_t begin, int64_t end);
tf2_tensor_id kreshape(struct kgraph *k, tf2_tensor_id x, struct tf2_shape shape);
tf2_tensor_id ktranspose(struct kgraph *k, tf2_tensor_id x, const uint32_t *perm);
/* Something that computes: so that the result is no view and has no caller's layout. */
tf2_tensor_id ksomething(struct kgraph *k, tf2_tensor_id x);

/* --- checking --- */

/* Starts an empty graph for a seed. */
void kgraph_open(struct kgraph *k, uint64_t seed);
void kgraph_close(struct kgraph *k);
/* Prints nodes, attributes and shapes as test messages. */
void kgraph_print(const struct tf2_graph *graph);
/* Builds a family's graph into a model. */
struct tf2_model *kmodel(kbuild build, uint64_t seed, bool optimize);
/* Fills with what `data` says. */
void kfill(float *values, size_t n, uint64_t seed, enum kdata data);

/*
 * Sum of squared differences over that of the reference (at least n * 1e-4, for results that cancel out).
 * Infinite where one is not a number or infinite and the other is not the same. *at: the element that differs
 * most.
 */
double knmse(const float *found, const float *wanted, size_t n, size_t *at);

#define KMAX_KERNELS 64

struct kdevices {
    struct tf2_devices *devices; /* 0: the one that is tested, 1: host */
    /* Which kernels ran on the tested device, in how many sessions. */
    struct {
        char name[32];
        unsigned n;
    } kernels[KMAX_KERNELS];
    size_t n_kernels;
};

/* Counts the kernels of a session on the tested device. */
void kcount_kernels(struct kdevices *devices, const struct tf2_session *session);
void kprint_kernels(const struct kdevices *devices);

/*
 * All of one seed: {as built, optimized} x {the graph's batch, batch 3}, device 0 against device 1, and
 * optimized against as built. Each session runs its numbers, then not-a-numbers, then the same numbers again:
 * no trace of the others may remain. Prints what is wrong and returns false.
 */
bool kcheck(struct kdevices *devices, const struct kfamily *family, uint64_t seed);

/* The seeds to run: TF2_TEST_SEED alone, else 1 .. TF2_TEST_ROUNDS, else 1 .. default_rounds. */
void kseeds(uint64_t *first, uint64_t *n, uint64_t default_rounds);

#endif
