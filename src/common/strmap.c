/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strmap.c: open addressing with linear probing, at most half full; XXH3 with a seed of the map's address
 * would not be reproducible, so the seed is fixed and a hostile file can at worst make its own import slow.
 */
#include "common/strmap.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void tf2__strmap_init(struct tf2__strmap *map, const struct tf2_env *env)
{
    memset(map, 0, sizeof(*map));
    tf2__env_copy(&map->env, env);
}

void tf2__strmap_finish(struct tf2__strmap *map)
{
    tf2__free(&map->env, map->slots);
    map->slots = NULL;
    map->n_slots = map->n_used = 0;
}

/* The slot that holds `key`, or the empty one where it belongs. */
static struct tf2__strmap_slot *find(struct tf2__strmap_slot *slots, size_t n_slots, const char *key)
{
    size_t i = (size_t)XXH3_64bits(key, strlen(key)) & (n_slots - 1);
    while (slots[i].key && strcmp(slots[i].key, key) != 0)
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

uint32_t tf2__strmap_get(const struct tf2__strmap *map, const char *key)
{
    if (!map->n_slots)
        return TF2__STRMAP_NONE;
    const struct tf2__strmap_slot *slot = find(map->slots, map->n_slots, key);
    return slot->key ? slot->value : TF2__STRMAP_NONE;
}

static bool grow(struct tf2__strmap *map)
{
    size_t n_slots = map->n_slots ? 2 * map->n_slots : 64;
    struct tf2__strmap_slot *slots = tf2__calloc(&map->env, n_slots, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < map->n_slots; i++) {
        if (map->slots[i].key)
            *find(slots, n_slots, map->slots[i].key) = map->slots[i];
    }
    tf2__free(&map->env, map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    return true;
}

bool tf2__strmap_set(struct tf2__strmap *map, const char *key, uint32_t value)
{
    if (2 * (map->n_used + 1) > map->n_slots && !grow(map))
        return false;
    struct tf2__strmap_slot *slot = find(map->slots, map->n_slots, key);
    if (!slot->key) {
        slot->key = key;
        map->n_used++;
    }
    slot->value = value;
    return true;
}
