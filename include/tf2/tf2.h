/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TF2_TF2_H
#define TF2_TF2_H

#include <tf2/common.h>
#include <tf2/device.h>
#include <tf2/graph.h>
#include <tf2/image.h>
#include <tf2/model.h>
#include <tf2/op.h>
#include <tf2/session.h>
#include <tf2/version.h>

#endif
