/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c: compiled programs on disk, so that only the first start on a machine compiles.
 *
 * One file per program: cache_dir/<hash>.clbin, the hash (XXH3, 128 bits) over source, options, device and
 * driver. The file opens with a header that repeats the hash and sums the contents, so that a torn or foreign
 * file is ignored. Files are written under another name and renamed: readers in other processes see whole
 * files only.
 */
#define _POSIX_C_SOURCE 200809L
#include "runtime/cl/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/file.h"

struct header {
    char magic[8];
    uint64_t key[2];
    uint64_t size_bytes;
    uint64_t checksum;
};

static const char magic[8] = "TF2CLB1";

static XXH128_hash_t
make_hash(const struct tf2__cl_device *device, const char *const *sources, size_t n_sources)
{
    XXH128_hash_t hash = XXH3_128bits(device->key, strlen(device->key));
    for (size_t i = 0; i < n_sources; i++) {
        XXH128_hash_t part = XXH3_128bits(sources[i], strlen(sources[i]));
        uint64_t both[4] = {hash.low64, hash.high64, part.low64, part.high64};
        hash = XXH3_128bits(both, sizeof(both));
    }
    return hash;
}

static bool make_path(const struct tf2__cl_device *device, XXH128_hash_t hash, char *path, size_t size_bytes)
{
    int n = snprintf(
        path, size_bytes, "%s/%016llx%016llx.clbin", device->cache_dir, (unsigned long long)hash.high64,
        (unsigned long long)hash.low64);
    return n > 0 && (size_t)n < size_bytes;
}

bool tf2__cl_cache_load(
    const struct tf2__cl_device *device, const char *const *sources, size_t n_sources, unsigned char **data,
    size_t *size_bytes)
{
    char path[4200];
    struct header header;
    struct tf2__file file = {0};
    bool good = false;
    if (!device->cache_dir)
        return false;
    XXH128_hash_t hash = make_hash(device, sources, n_sources);
    if (!make_path(device, hash, path, sizeof(path)) || tf2__file_map(path, &file, NULL) != TF2_OK)
        return false;
    if (file.size_bytes > sizeof(header)) {
        memcpy(&header, file.data, sizeof(header));
        *size_bytes = file.size_bytes - sizeof(header);
        good = memcmp(header.magic, magic, sizeof(magic)) == 0 && header.key[0] == hash.low64 &&
               header.key[1] == hash.high64 && header.size_bytes == *size_bytes &&
               header.checksum == XXH3_64bits(file.data + sizeof(header), *size_bytes);
    }
    *data = good ? tf2__alloc(&device->base.env, *size_bytes) : NULL;
    if (*data)
        memcpy(*data, file.data + sizeof(header), *size_bytes);
    tf2__file_unmap(&file);
    return *data != NULL;
}

/* Makes the directory and those above it. */
static void make_dirs(const char *dir)
{
    char path[4096];
    if (strlen(dir) >= sizeof(path))
        return;
    strcpy(path, dir);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
}

static bool write_file(const char *path, const struct header *header, const unsigned char *data)
{
    FILE *file = fopen(path, "wbx");
    if (!file)
        return false;
    bool good = fwrite(header, sizeof(*header), 1, file) == 1 &&
                fwrite(data, 1, (size_t)header->size_bytes, file) == (size_t)header->size_bytes;
    return fclose(file) == 0 && good;
}

void tf2__cl_cache_store(
    const struct tf2__cl_device *device, const char *const *sources, size_t n_sources,
    const unsigned char *data, size_t size_bytes)
{
    char path[4200], temporary[4300];
    if (!device->cache_dir)
        return;
    XXH128_hash_t hash = make_hash(device, sources, n_sources);
    if (!make_path(device, hash, path, sizeof(path)))
        return;
    make_dirs(device->cache_dir);
    struct header header = {
        .key = {hash.low64, hash.high64},
        .size_bytes = size_bytes,
        .checksum = XXH3_64bits(data, size_bytes)};
    memcpy(header.magic, magic, sizeof(magic));
    /* Unique among processes and devices. */
    snprintf(temporary, sizeof(temporary), "%s.%ld.%p", path, (long)getpid(), (const void *)device);
    if (!write_file(temporary, &header, data) || rename(temporary, path) != 0) {
        tf2__log(
            &device->base.env, TF2_LOG_WARNING, "%s: cannot be written (%s): kernels will be compiled again",
            path, strerror(errno));
        unlink(temporary);
    }
}
