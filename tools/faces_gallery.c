/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faces_gallery.c: pictures of known people, and who of them a face is most like.
 *
 * A picture of the gallery must leave no doubt who is meant: its largest face counts, and has to be twice as
 * large (in area) as the next one.
 */
#include "faces.h"

#include <string.h>

static bool is_picture(const char *path)
{
    return cli_is_picture(path) && !cli_is_directory(path);
}

static bool is_person(const char *path)
{
    return cli_is_picture(path) || cli_is_directory(path);
}

static int scan(struct cli_paths *paths, const char *directory, cli_wants_path *wants)
{
    size_t n_before = paths->n;
    int result = cli_paths_scan(paths, directory, wants);
    if (result == 0 && paths->n == n_before)
        result = cli_fail("%s: no .jpg, .png, .bmp, .ppm or .pgm file in this directory", directory);
    return result;
}

int faces_photos_add(struct cli_paths *photos, const char *path)
{
    if (cli_is_directory(path))
        return scan(photos, path, is_picture);
    cli_paths_keep(photos, cli_strdup(path));
    return 0;
}

static double area(const struct face *f)
{
    return ((double)f->x2 - f->x1) * ((double)f->y2 - f->y1);
}

/* Which face of a picture is meant; 0, or 1 after a message. */
static int choose_face(const struct faces_result *r, size_t *chosen)
{
    const struct face_list *list = &r->list;
    size_t best = 0;
    if (list->n_faces == 0)
        return cli_fail("%s: no face found in this picture of the gallery", r->path);
    for (size_t i = 1; i < list->n_faces; i++)
        best = area(&list->faces[i]) > area(&list->faces[best]) ? i : best;
    for (size_t i = 0; i < list->n_faces; i++) {
        if (i != best && 2 * area(&list->faces[i]) > area(&list->faces[best]))
            return cli_fail(
                "%s: %zu faces of like size in this picture of the gallery, wanted one person", r->path,
                list->n_faces);
    }
    *chosen = best;
    return 0;
}

/* Takes the name over. */
static void keep_person(struct faces_gallery *gallery, char *name, const float *embedding, size_t size)
{
    if ((gallery->n & (gallery->n - 1)) == 0) {
        size_t capacity = gallery->n ? 2 * gallery->n : 1;
        gallery->names = cli_grow(gallery->names, gallery->n, capacity, sizeof(char *));
        gallery->embeddings = cli_grow(gallery->embeddings, gallery->n, capacity, size * sizeof(float));
    }
    memcpy(gallery->embeddings + gallery->n * size, embedding, size * sizeof(float));
    gallery->names[gallery->n++] = name;
}

static int read_picture(
    struct faces_gallery *gallery, const struct faces_engine *engine, const char *path, const char *name)
{
    struct faces_result r = {0};
    size_t chosen = 0;
    int result = faces_look_at(engine, path, 1, &r);
    if (result == 0)
        result = choose_face(&r, &chosen);
    if (result == 0)
        keep_person(
            gallery, name ? cli_strdup(name) : cli_stem(path), r.embeddings + chosen * engine->embedding_size,
            engine->embedding_size);
    faces_result_finish(&r);
    return result;
}

static int
read_person(struct faces_gallery *gallery, const struct faces_engine *engine, const char *directory)
{
    struct cli_paths pictures = {0};
    int result = scan(&pictures, directory, is_picture);
    for (size_t i = 0; i < pictures.n && result == 0; i++)
        result = read_picture(gallery, engine, pictures.paths[i], strrchr(directory, '/') + 1);
    cli_paths_finish(&pictures);
    return result;
}

int faces_gallery_read(
    struct faces_gallery *gallery, const struct faces_engine *engine, const char *directory)
{
    struct cli_paths people = {0};
    int result = scan(&people, directory, is_person);
    for (size_t i = 0; i < people.n && result == 0; i++) {
        cli_progress("gallery: %zu of %zu", i + 1, people.n);
        if (cli_is_directory(people.paths[i]))
            result = read_person(gallery, engine, people.paths[i]);
        else
            result = read_picture(gallery, engine, people.paths[i], NULL);
    }
    cli_progress_clear();
    cli_paths_finish(&people);
    return result;
}

void faces_gallery_finish(struct faces_gallery *gallery)
{
    for (size_t i = 0; i < gallery->n; i++)
        free(gallery->names[i]);
    free(gallery->names);
    free(gallery->embeddings);
    memset(gallery, 0, sizeof(*gallery));
}

void faces_gallery_match(
    const struct faces_gallery *gallery, const struct faces_engine *engine, struct faces_result *r)
{
    size_t size = engine->embedding_size;
    if (gallery->n == 0)
        return;
    r->compared = true;
    for (size_t f = 0; f < r->list.n_faces; f++) {
        size_t best = 0;
        r->similarities[f] = -1;
        for (size_t i = 0; i < gallery->n; i++) {
            double similarity = face_cosine(r->embeddings + f * size, gallery->embeddings + i * size, size);
            if (similarity > r->similarities[f]) {
                r->similarities[f] = similarity;
                best = i;
            }
        }
        r->matches[f] = r->similarities[f] >= engine->options->threshold ? gallery->names[best] : NULL;
    }
}
