/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/tf2.h: the whole library: imports a trained network and runs it on the OpenCL devices of this machine,
 * or on the host device, which needs no OpenCL.
 *
 *     file ─ tf2_model_import ─▶ model ───┐
 *                                         ├─ tf2_session_create ─▶ session ─ tf2_session_run ─▶ numbers
 *            tf2_devices_open ─▶ devices ─┘
 *
 * Conventions
 *
 *   Names      Functions are tf2_<noun>_<verb>, structs tf2_<noun>, constants TF2_<NOUN>_<VALUE>. What
 *              starts with tf2__ is internal. `n_x` counts; `_bytes` and `_ns` are units; a size without a
 *              unit is in elements.
 *   Ownership  create, import, open and from_graph make an object, which the caller owns; destroy and close
 *              free it: they take a pointer to the handle, clear the handle, and accept NULL and a cleared
 *              one. load and resize fill a struct of the caller's; its finish frees what is in it. An object
 *              outlives what was made of it: model and devices outlive their sessions. Strings in info
 *              structs live as long as the object that was asked. What is passed in (paths, names, option
 *              structs, data) is not needed after the call, unless it says so.
 *   Failure    Calls that can fail return enum tf2_status; TF2_OK is 0. Results are written only on success.
 *              Most of them take a struct tf2_error *, which may be NULL; on failure it gets the status and a
 *              message that says which file, node or tensor, what was wanted and what was found. The library
 *              does not print and does not exit.
 *   Options    An option struct of zeros is the default: `= {0}`, or tf2_<noun>_defaults(). NULL is the same.
 *   Threads    The library has no global state of its own. A model does not change: any number of threads may
 *              use it. A graph and a session belong to one thread at a time. Sessions are independent of each
 *              other, also on the same device. tf2_devices_open can set an environment variable (see
 *              tf2/device.h): call it before other threads start. Images and .npy: from any thread.
 *   Tensors    float32, dense, row-major, in the order of the source framework: [N, C, H, W] for feature
 *              maps, [N, H, W, C] in networks from TensorFlow (see enum tf2_layout). The library changes to a layout
 *              of its own inside. At most 8 dimensions, below 2^31 elements.
 *   Versions   tf2/version.h. Before 1.0 a minor version may change the interface; NEWS.md says how. Numbers
 *              of enums are only appended to.
 *
 * Example: the best class of one picture. The same as a program with options: tools/tf2-run.c.
 *
 *     #include <stdio.h>
 *     #include <stdlib.h>
 *     #include <tf2/tf2.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct tf2_session_options options = {.batch = 1};
 *         struct tf2_model *model = NULL;
 *         struct tf2_devices *devices = NULL;
 *         struct tf2_session *session = NULL;
 *         struct tf2_image file = {0}, image = {0}, size;
 *         struct tf2_model_info info;
 *         struct tf2_tensor_info in, out;
 *         struct tf2_error error = {0};
 *         float *x = NULL, *y = NULL;
 *         int result = 1;
 *
 *         if (argc != 3 || tf2_model_import(argv[1], NULL, NULL, &model, &error) ||
 *             tf2_devices_open("1", NULL, &devices, &error) ||
 *             tf2_session_create(model, devices, 0, &options, &session, &error))
 *             goto end;
 *         tf2_model_info(model, &info);
 *         tf2_session_input(session, 0, &in);
 *         tf2_session_output(session, 0, &out);
 *         if (info.n_inputs != 1 || info.n_outputs != 1 || !tf2_image_extents(&in, &size))
 *             goto end;
 *         if (tf2_image_load(argv[2], size.channels, NULL, &file, &error) ||
 *             tf2_image_resize(&file, size.width, size.height, TF2_FIT_STRETCH, &image, &error))
 *             goto end;
 *         x = malloc((size_t)tf2_shape_count(&in.shape) * sizeof(*x));
 *         y = malloc((size_t)tf2_shape_count(&out.shape) * sizeof(*y));
 *         if (!x || !y)
 *             goto end;
 *         if (tf2_image_to_input(&image, NULL, &in, x, &error) ||
 *             tf2_session_run(session, (const void *[]){x}, (void *[]){y}, &error))
 *             goto end;
 *         int64_t best = 0;
 *         for (int64_t i = 1; i < tf2_shape_count(&out.shape); i++)
 *             best = y[i] > y[best] ? i : best;
 *         printf("class %d, score %g\n", (int)best, y[best]);
 *         result = 0;
 *     end:
 *         if (result)
 *             fprintf(stderr, "%s\n", *error.message ? error.message : "wanted MODEL.onnx IMAGE");
 *         free(y);
 *         free(x);
 *         tf2_image_finish(&image);
 *         tf2_image_finish(&file);
 *         tf2_session_destroy(&session);
 *         tf2_devices_close(&devices);
 *         tf2_model_destroy(&model);
 *         return result;
 *     }
 */
#ifndef TF2_TF2_H
#define TF2_TF2_H

#include <tf2/common.h>
#include <tf2/device.h>
#include <tf2/graph.h>
#include <tf2/image.h>
#include <tf2/model.h>
#include <tf2/op.h>
#include <tf2/quantize.h>
#include <tf2/session.h>
#include <tf2/version.h>

#endif
