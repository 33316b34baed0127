/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.h: the OpenCL sources, embedded at build time from kernels/opencl.
 */
#ifndef TF2__CL_KERNELS_H
#define TF2__CL_KERNELS_H

extern const char tf2__kernel_base[];
extern const char tf2__kernel_conv[];
extern const char tf2__kernel_conv_amx[];
extern const char tf2__kernel_conv_int8[];
extern const char tf2__kernel_depthwise[];
extern const char tf2__kernel_depthwise_int8[];
extern const char tf2__kernel_detect[];
extern const char tf2__kernel_int8[];
extern const char tf2__kernel_lrn_int8[];
extern const char tf2__kernel_map[];
extern const char tf2__kernel_map_int8[];
extern const char tf2__kernel_norm[];
extern const char tf2__kernel_pack_int8[];
extern const char tf2__kernel_pool[];
extern const char tf2__kernel_pool_int8[];
extern const char tf2__kernel_resample[];
extern const char tf2__kernel_winograd[];
extern const char tf2__kernel_winograd_int8[];

#endif
