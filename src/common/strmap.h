/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strmap.h: a map from strings to 32-bit values (tensor ids and the like). Keys are not copied: they must
 * live as long as the map. Entries cannot be removed, only overwritten.
 */
#ifndef TF2__COMMON_STRMAP_H
#define TF2__COMMON_STRMAP_H

#include "common/base.h"

#define TF2__STRMAP_NONE UINT32_MAX

struct tf2__strmap_slot {
    const char *key; /* NULL: empty */
    uint32_t value;
};

struct tf2__strmap {
    struct tf2_env env;
    struct tf2__strmap_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n_used;
};

void tf2__strmap_init(struct tf2__strmap *map, const struct tf2_env *env);
void tf2__strmap_finish(struct tf2__strmap *map);
/* TF2__STRMAP_NONE when the key is absent. */
uint32_t tf2__strmap_get(const struct tf2__strmap *map, const char *key);
/* Adds or overwrites. False when out of memory. */
bool tf2__strmap_set(struct tf2__strmap *map, const char *key, uint32_t value);

#endif
