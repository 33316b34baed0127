/* SPDX-License-Identifier: Apache-2.0 */
/* tf2/version.h: the one place that says which version this is (meson reads it from here). */
#ifndef TF2_VERSION_H
#define TF2_VERSION_H

#define TF2_VERSION_MAJOR 0
#define TF2_VERSION_MINOR 1
#define TF2_VERSION_PATCH 0
#define TF2_VERSION_STRING "0.1.0"

#endif
