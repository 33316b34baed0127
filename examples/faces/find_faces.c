/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find_faces.c: the faces of one or two photos, and how alike the largest face of each is.
 *
 *     find_faces MTCNN_DIR PHOTO
 *     find_faces MTCNN_DIR PHOTO OTHER_PHOTO EMBEDDER
 *
 * docs/models.md says where to get the networks. tools/tf2-faces.c is the same with options.
 */
#include "face.h"

#include <stdio.h>
#include <stdlib.h>

struct program {
    struct tf2_devices *devices;
    struct face_runner *runner;
    struct face_detector *detector;
    struct face_embedder *embedder;
};

static enum tf2_status
prepare(struct program *p, const char *folder, const char *embedder_path, struct tf2_error *error)
{
    enum tf2_status status = tf2_devices_open(NULL, NULL, &p->devices, error);
    if (status == TF2_OK)
        status = face_runner_create(p->devices, &p->runner, error);
    if (status == TF2_OK)
        status = face_detector_create(p->runner, folder, NULL, &p->detector, error);
    if (status == TF2_OK && embedder_path)
        status = face_embedder_create(p->runner, embedder_path, NULL, &p->embedder, error);
    return status;
}

static void print_face(const struct face *f)
{
    printf(
        "  box %.1f %.1f %.1f %.1f  score %.4f  nose %.1f %.1f\n", (double)f->x1, (double)f->y1,
        (double)f->x2, (double)f->y2, (double)f->score, (double)f->landmarks[2].x, (double)f->landmarks[2].y);
}

static const struct face *largest(const struct face_list *list)
{
    const struct face *best = NULL;
    for (size_t i = 0; i < list->n_faces; i++) {
        const struct face *f = &list->faces[i];
        if (!best || (f->x2 - f->x1) * (f->y2 - f->y1) > (best->x2 - best->x1) * (best->y2 - best->y1))
            best = f;
    }
    return best;
}

/* Prints the faces of a photo; *embedding (NULL: not wanted) gets that of the largest, owned by the
 * caller. */
static enum tf2_status
look_at(struct program *p, const char *path, float **embedding, struct tf2_error *error)
{
    struct tf2_image photo = {0};
    struct face_list list = {0};
    enum tf2_status status = tf2_image_load(path, 3, NULL, &photo, error);
    if (status == TF2_OK)
        status = face_detect(p->detector, &photo, &list, NULL, error);
    if (status == TF2_OK)
        printf("%s: %zu faces\n", path, list.n_faces);
    for (size_t i = 0; i < list.n_faces; i++)
        print_face(&list.faces[i]);
    if (embedding && list.n_faces > 0) {
        *embedding = calloc(face_embedder_size(p->embedder), sizeof(float));
        status = *embedding ? face_embed(p->embedder, &photo, largest(&list), 1, *embedding, error)
                            : TF2_ERR_NO_MEMORY;
    }
    face_list_finish(&list);
    tf2_image_finish(&photo);
    return status;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    struct tf2_error error = {.message = ""};
    float *a = NULL, *b = NULL;
    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: find_faces MTCNN_DIR PHOTO [OTHER_PHOTO EMBEDDER]\n");
        return 2;
    }
    enum tf2_status status = prepare(&p, argv[1], argc == 5 ? argv[4] : NULL, &error);
    if (status == TF2_OK)
        status = look_at(&p, argv[2], argc == 5 ? &a : NULL, &error);
    if (status == TF2_OK && argc == 5)
        status = look_at(&p, argv[3], &b, &error);
    if (status == TF2_OK && a && b)
        printf("similarity %.3f\n", face_cosine(a, b, face_embedder_size(p.embedder)));
    if (status != TF2_OK)
        fprintf(stderr, "find_faces: %s\n", error.message[0] ? error.message : tf2_status_message(status));

    free(a);
    free(b);
    face_embedder_destroy(&p.embedder);
    face_detector_destroy(&p.detector);
    face_runner_destroy(&p.runner);
    tf2_devices_close(&p.devices);
    return status == TF2_OK ? 0 : 1;
}
