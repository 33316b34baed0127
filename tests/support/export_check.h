/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_check.h: graphs written as ONNX in tests, and read again. There is one file, in the working
 * directory.
 */
#ifndef TF2_TEST_EXPORT_CHECK_H
#define TF2_TEST_EXPORT_CHECK_H

#include "net.h"
#include "transform/import/onnx/onnx.pb-c.h"

#define EXPORT_PATH_MAX 64

/* The file's name, the process's own. */
void export_path(char path[EXPORT_PATH_MAX]);
void export_remove(void);

/* Writes the graph, and reads the file as a message. Give it to tf2__onnx__model_proto__free_unpacked. */
Tf2__Onnx__ModelProto *exported(const struct net *net);
Tf2__Onnx__ModelProto *export_read(void);

/* Imports the file for a batch (0: as the graph has it), which has to compute what the graph computes. One
 * input. */
void export_check_batch(const struct net *net, int64_t batch);

#endif
