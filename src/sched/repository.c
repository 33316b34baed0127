/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repository.c: accelerators by name. Two threads that open the same name at once load it once: the second waits.
 *
 *     REPOSITORY/NAME.tf2                  or
 *     REPOSITORY/NAME/1/model.tf2, REPOSITORY/NAME/2/model.tf2, ...      the highest number, or NAME:2
 */
#include "sched/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_PATH_BYTES 4096
#define MAX_NAME_BYTES 255

/* Letters, digits, . _ - and no dot in front, so that a name cannot lead out of the repository; then perhaps a version. */
static enum tf2_status check_name(const char *name, int *n_bytes, const char **version, struct tf2_error *error)
{
    size_t n = name ? strcspn(name, ":") : 0;
    const char *after = n && name[n] ? name + n + 1 : NULL;
    bool ok = n > 0 && n <= MAX_NAME_BYTES && name[0] != '.';
    for (size_t i = 0; i < n && ok; i++)
        ok = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
             (name[i] >= '0' && name[i] <= '9') || strchr("._-", name[i]);
    ok = ok && (!after || (*after && strlen(after) <= 9 && strspn(after, "0123456789") == strlen(after)));
    *n_bytes = (int)n;
    *version = after;
    return ok ? TF2_OK
              : tf2__fail(
                    error, TF2_ERR_INVALID_ARGUMENT,
                    "accelerator '%.300s': wanted letters, digits and . _ -, perhaps with ':' and a version number",
                    name ? name : "");
}

/* The highest number that is the name of a folder with a model; -1: none. */
static long highest_version(const char *folder)
{
    DIR *dir = opendir(folder);
    long best = -1;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[MAX_PATH_BYTES + 300];
        if (!*entry->d_name || strlen(entry->d_name) > 9 ||
            strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
            continue;
        snprintf(path, sizeof(path), "%s/%s/model.tf2", folder, entry->d_name);
        long version = atol(entry->d_name);
        if (version > best && access(path, R_OK) == 0)
            best = version;
    }
    if (dir)
        closedir(dir);
    return best;
}

static enum tf2_status
find_file(const struct tf2_engine *engine, const char *name, char *path, struct tf2_error *error)
{
    const char *version;
    char folder[MAX_PATH_BYTES];
    int n;
    TF2__TRY(check_name(name, &n, &version, error));
    if (!engine->repository)
        return tf2__fail(
            error, TF2_ERR_NOT_FOUND, "no accelerator '%s' is loaded, and the engine has no repository", name);
    if (strlen(engine->repository) + (size_t)n + 64 > MAX_PATH_BYTES)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "accelerator '%s': the path is too long", name);
    snprintf(path, MAX_PATH_BYTES, "%s/%.*s.tf2", engine->repository, n, name);
    if (!version && access(path, R_OK) == 0)
        return TF2_OK;
    snprintf(folder, sizeof(folder), "%s/%.*s", engine->repository, n, name);
    long number = version ? atol(version) : highest_version(folder);
    snprintf(path, MAX_PATH_BYTES, "%s/%.*s/%ld/model.tf2", engine->repository, n, name, number);
    if (number >= 0 && access(path, R_OK) == 0)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_NOT_FOUND, "no accelerator '%s': neither loaded nor %s%s or %s/%s/model.tf2", name, folder,
        version ? "" : ".tf2", folder, version ? version : "VERSION");
}

/* One that is loaded, with another handle; or NULL. The lock is held. */
static struct tf2_accelerator *find_loaded(struct tf2_engine *engine, const char *name)
{
    TF2__LIST_EACH(accelerator, &engine->accelerators, struct tf2_accelerator, link)
    {
        if (accelerator->n_handles == 0 || strcmp(accelerator->name, name) != 0)
            continue;
        accelerator->n_handles++;
        accelerator->n_refs++;
        return accelerator;
    }
    return NULL;
}

static enum tf2_status load_file(
    struct tf2_engine *engine, const char *name, const struct tf2_load_options *options,
    struct tf2_accelerator **accelerator, struct tf2_error *error)
{
    char path[MAX_PATH_BYTES];
    struct tf2_load_options named = {0};
    struct tf2_model *model = NULL;
    if (options)
        named = *options;
    named.name = name;
    TF2__TRY(find_file(engine, name, path, error));
    TF2__TRY(tf2_model_load(path, &engine->env, &model, error));
    enum tf2_status status = tf2_accelerator_load(engine, model, &named, accelerator, error);
    tf2_model_destroy(&model);
    return status;
}

enum tf2_status tf2_accelerator_open(
    struct tf2_engine *engine, const char *name, const struct tf2_load_options *options,
    struct tf2_accelerator **out, struct tf2_error *error)
{
    if (!engine || !name || !out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "open: engine, name or result is NULL");
    if (tf2__engine_is_worker(engine))
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "open: not from a callback");
    tf2__lock(engine);
    struct tf2_accelerator *found = find_loaded(engine, name);
    while (!found && engine->opens_by_name) {
        tf2__engine_wait(engine, &engine->changed, TF2_FOREVER);
        found = find_loaded(engine, name);
    }
    engine->opens_by_name |= !found;
    tf2__unlock(engine);
    if (found) {
        *out = found;
        return TF2_OK;
    }
    enum tf2_status status = load_file(engine, name, options, out, error);
    tf2__lock(engine);
    engine->opens_by_name = false;
    pthread_cond_broadcast(&engine->changed);
    tf2__unlock(engine);
    return status;
}
