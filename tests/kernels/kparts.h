/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kparts.h: instances whose steps are divided among devices, each part in a thread of its own. Include after cmocka.h.
 */
#ifndef TF2_TEST_KPARTS_H
#define TF2_TEST_KPARTS_H

#include "runtime/instance.h"
#include "transform/model/model.h"

#define KMAX_PARTS 4

/* Inputs and outputs of one run. */
struct kvalues {
    uint32_t n_in, n_out;
    struct tf2_shape shapes[16];
    void *in[16]; /* of tf2_alloc */
    bool lend;    /* a run reads them in place, where it can */
    bool written; /* they were written or lent already */
    void *out[64];
    size_t out_bytes[64];
};

/* Random inputs for the model at a batch (0: its own). */
void kvalues_open(struct kvalues *values, const struct tf2_model *model, int64_t batch, uint64_t seed);
void kvalues_close(struct kvalues *values);

/* Writes, runs all parts, reads. What the parts returned: the first status that is not TF2_OK; fails the test when they
 * disagree about whether it worked. n_parts: the instance's. */
enum tf2_status
kparts_run(struct tf2__instance *instance, uint32_t n_parts, struct kvalues *values, struct tf2_error *error);
/* Which part the calling thread runs. */
uint32_t kparts_current(void);

/* Whether the outputs are the same bits; prints the first difference. */
bool kvalues_equal(const struct kvalues *found, const struct kvalues *wanted);

/* Lets devices divide whatever can be divided, however small. */
void kparts_divide_all(struct tf2__device *const *devices, size_t n);

#endif
