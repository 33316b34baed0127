/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_file.h: for tests of the .tf2 format: models with something of everything, files as bytes, comparing
 * models, and making damaged files consistent again. Include after cmocka.h.
 */
#ifndef TF2_TEST_TF2_FILE_H
#define TF2_TEST_TF2_FILE_H

#include <tf2/model.h>

/* A network with every float32 operator. */
struct tf2_model *tf2_file_float_model(bool optimize);
/* One on integers: every kind of quantization, an activation in an integer node, a float32 node at the end.
 * preprocess as in the options; outputs "features" and "prob". */
struct tf2_model *tf2_file_int8_model(void);

/* Inputs of pixels 0 .. 255 in the model's preprocessing, and what the host device makes of them. */
struct tf2_file_example {
    float *values[16]; /* inputs, then outputs */
    const void *inputs[8], *outputs[8];
    size_t n_values;
};
struct tf2_file_example tf2_file_example(const struct tf2_model *model);
void tf2_file_example_free(struct tf2_file_example *example);
/* Runs on the host device. */
void tf2_file_run(const struct tf2_model *model, const void *const *inputs, float *const *outputs);

struct tf2_file_bytes {
    unsigned char *data;
    size_t n;
};

/* The file that tf2_model_save writes. Freed by the caller. */
struct tf2_file_bytes tf2_file_save(const struct tf2_model *model, const struct tf2_save_options *options);
/* The same with labels, facts and an example. */
struct tf2_file_bytes tf2_file_save_full(const struct tf2_model *model);
struct tf2_file_bytes tf2_file_copy(const struct tf2_file_bytes *bytes);
struct tf2_file_bytes tf2_file_read(const char *path);
void tf2_file_write(const char *path, const void *data, size_t n);
/* A path in a folder for this process; a new name each time. The folder goes at the end of the process. */
const char *tf2_file_path(char path[256]);

/* Loads; a failure makes the test fail. */
struct tf2_model *tf2_file_load(const struct tf2_file_bytes *bytes);

/* The row of a section in the table, and the section; NULL: not there. */
unsigned char *tf2_file_row(const struct tf2_file_bytes *bytes, uint32_t id);
unsigned char *tf2_file_section(const struct tf2_file_bytes *bytes, uint32_t id, size_t *n);
/* Sets all checksums to what the bytes are now. */
void tf2_file_repair(struct tf2_file_bytes *bytes);

/* Makes the test fail unless both models are the same in all that a file keeps. */
void tf2_file_check_same(const struct tf2_model *a, const struct tf2_model *b);

#endif
