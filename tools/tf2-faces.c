/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2-faces.c: finds faces in photos, and tells who they are. The work is done by examples/faces.
 */
#include "faces.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_MTCNN_DIR "models/mtcnn"
#define DEFAULT_THRESHOLD 0.5

const char cli_program[] = "tf2-faces";

static const char help[] =
    "Usage: tf2-faces [OPTION]... IMAGE...\n"
    "Finds the faces in each IMAGE (JPEG, PNG, BMP, PPM, PGM, or a directory of these) with MTCNN, and, "
    "given\n"
    "an embedder and a gallery, tells who they are.\n"
    "\n"
    "Finding:\n"
    "  --mtcnn DIR          the three networks: det1, det2, det3 or pnet, rnet, onet, as .tf2, .onnx,\n"
    "                       .prototxt with .caffemodel, .pb or .tflite (default: " DEFAULT_MTCNN_DIR ");\n"
    "                       docs/models.md says where to get them\n"
    "  --mtcnn-layout L     caffe, onnx, tensorflow or facenet: how these files order axes, colours and "
    "boxes\n"
    "                       (default auto: by their names, see docs/faces.md)\n"
    "  --min-face N         faces of so many pixels a side are found, from 12 (default 20); larger is faster\n"
    "  --factor F           from one level of the pyramid to the next (default 0.709)\n"
    "  --thresholds P,R,O   scores that the three networks have to give (default 0.6,0.7,0.7)\n"
    "\n"
    "Recognizing:\n"
    "  --embedder MODEL     a network of one RGB image and one list of numbers, any format that can be\n"
    "                       imported; the weights of a .prototxt lie beside it\n"
    "  --mean M[,M,M]       subtracted from its pixels, in the order of --channels\n"
    "  --scale S[,S,S]      they are multiplied by it after that (without these options: what a .tf2 says, "
    "or\n"
    "                       mean and deviation of ImageNet)\n"
    "  --channels ORDER     rgb (default) or bgr\n"
    "  --gallery DIR        pictures of known people: NAME.jpg, or NAME/ with several\n"
    "  --threshold S        the similarity (cosine) from which it is the same person (default 0.5)\n"
    "\n"
    "Results:\n"
    "  --draw OUT.png       write the photo with boxes, landmarks and names; of several photos as\n"
    "                       OUT-NAME.png\n"
    "  --json FILE          write results as JSON; - writes them to standard output, instead of text\n"
    "  --time               tell how long each stage took\n"
    "  --repeat N           look N more times at each photo; times are the mean of these\n"
    "\n"
    "Running:\n"
    "  --devices SPEC       all (default), a number of devices, cl:I or host; they share the work\n"
    "  --precision P        fp32 or int8: only take networks that are (int8: .tf2 files of tf2-convert)\n"
    "\n"
    "  -h, --help           this text\n"
    "      --version        the version\n"
    "\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum {
    OPTION_MTCNN = CLI_OPTION_FIRST_OWN,
    OPTION_LAYOUT,
    OPTION_MIN_FACE,
    OPTION_FACTOR,
    OPTION_THRESHOLDS,
    OPTION_EMBEDDER,
    OPTION_GALLERY,
    OPTION_THRESHOLD,
    OPTION_DRAW,
    OPTION_JSON,
    OPTION_TIME,
    OPTION_REPEAT,
    OPTION_DEVICES,
    OPTION_PRECISION,
};

static const struct option long_options[] = {
    CLI_PREPROCESS_LONG_OPTIONS,
    {"mtcnn", required_argument, NULL, OPTION_MTCNN},
    {"mtcnn-layout", required_argument, NULL, OPTION_LAYOUT},
    {"min-face", required_argument, NULL, OPTION_MIN_FACE},
    {"factor", required_argument, NULL, OPTION_FACTOR},
    {"thresholds", required_argument, NULL, OPTION_THRESHOLDS},
    {"embedder", required_argument, NULL, OPTION_EMBEDDER},
    {"gallery", required_argument, NULL, OPTION_GALLERY},
    {"threshold", required_argument, NULL, OPTION_THRESHOLD},
    {"draw", required_argument, NULL, OPTION_DRAW},
    {"json", required_argument, NULL, OPTION_JSON},
    {"time", no_argument, NULL, OPTION_TIME},
    {"repeat", required_argument, NULL, OPTION_REPEAT},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    CLI_COMMON_LONG_OPTIONS,
};

/* Three numbers with commas between; one alone is for all when `one` is set. 0, or 2 after a message. */
static int
take_three(const char *option, const char *text, double minimum, double maximum, bool one, double numbers[3])
{
    const char *at = text;
    size_t n = 0;
    for (;;) {
        char *end;
        double x = strtod(at, &end);
        if (end == at || n == 3 || !(x >= minimum && x <= maximum) || (*end && *end != ',')) {
            n = 0;
            break;
        }
        numbers[n++] = x;
        if (!*end)
            break;
        at = end + 1;
    }
    if (n == 1 && one)
        numbers[1] = numbers[2] = numbers[0];
    else if (n != 3)
        return cli_usage(
            "%s %s: wanted %sthree numbers from %g to %g with commas between", option, text,
            one ? "one or " : "", minimum, maximum);
    return 0;
}

static int take_pixels(struct faces_options *o, int option, const char *text)
{
    bool is_mean = option == CLI_OPTION_MEAN;
    float *to = is_mean ? o->pixels.mean : o->pixels.scale;
    double numbers[3];
    o->has_pixels = true;
    if (option == CLI_OPTION_CHANNELS) {
        bool bgr = strcasecmp(text, "bgr") == 0;
        o->pixels.channels = bgr ? TF2_CHANNELS_BGR : TF2_CHANNELS_RGB;
        return bgr || strcasecmp(text, "rgb") == 0 ? 0 : cli_usage("--channels %s: wanted rgb or bgr", text);
    }
    int result = take_three(is_mean ? "--mean" : "--scale", text, -1e30, 1e30, true, numbers);
    for (size_t c = 0; c < FACE_MAX_CHANNELS && result == 0; c++)
        to[c] = (float)numbers[c];
    return result;
}

static int take_layout(struct faces_options *o, const char *text)
{
    for (int i = 0; face_layout_name((enum face_layout)i); i++) {
        if (strcmp(text, face_layout_name((enum face_layout)i)) == 0) {
            o->detector.layout = (enum face_layout)i;
            return 0;
        }
    }
    return cli_usage("--mtcnn-layout %s: wanted auto, caffe, onnx, tensorflow or facenet", text);
}

static int take_precision(struct faces_options *o, const char *text)
{
    bool int8 = strcmp(text, "int8") == 0;
    if (!int8 && strcmp(text, "fp32") != 0)
        return cli_usage("precision \"%s\" is not available in this version, wanted fp32 or int8", text);
    o->detector.precision = int8 ? FACE_PRECISION_INT8 : FACE_PRECISION_FP32;
    o->embedder.precision = o->detector.precision;
    return 0;
}

/* A name that says another format is a mistake; one without extension is not. */
static int take_drawing(struct faces_options *o, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (strchr(slash ? slash : path, '.') && !cli_has_extension(path, ".png"))
        return cli_usage("--draw %s: pictures are written as PNG, wanted a name that ends in .png", path);
    o->draw_path = path;
    return 0;
}

/* Options that are a number or two. */
static int take_number(struct faces_options *o, int option, const char *text)
{
    switch (option) {
    case OPTION_MIN_FACE:
        return cli_parse_double("--min-face", text, 12, 16384, &o->detector.min_face) ? 0 : 2;
    case OPTION_FACTOR:
        return cli_parse_double("--factor", text, 0.1, 0.95, &o->detector.factor) ? 0 : 2;
    case OPTION_THRESHOLDS:
        return take_three("--thresholds", text, 0.01, 1, false, o->detector.thresholds);
    case OPTION_THRESHOLD:
        return cli_parse_double("--threshold", text, -1, 1, &o->threshold) ? 0 : 2;
    default:
        return cli_parse_long("--repeat", text, 1, 1000000, &o->n_repeats) ? 0 : 2;
    }
}

/* 0, or the exit status after a message. */
static int take_option(void *to, int option, char **argv)
{
    struct faces_options *o = to;
    switch (option) {
    case CLI_OPTION_MEAN:
    case CLI_OPTION_SCALE:
    case CLI_OPTION_CHANNELS:
        return take_pixels(o, option, optarg);
    case OPTION_MIN_FACE:
    case OPTION_FACTOR:
    case OPTION_THRESHOLDS:
    case OPTION_THRESHOLD:
    case OPTION_REPEAT:
        return take_number(o, option, optarg);
    case OPTION_MTCNN:
        o->mtcnn_dir = optarg;
        return 0;
    case OPTION_LAYOUT:
        return take_layout(o, optarg);
    case OPTION_EMBEDDER:
        o->embedder_path = optarg;
        return 0;
    case OPTION_GALLERY:
        o->gallery_dir = optarg;
        return 0;
    case OPTION_DRAW:
        return take_drawing(o, optarg);
    case OPTION_JSON:
        o->json_path = optarg;
        return 0;
    case OPTION_TIME:
        o->time = true;
        return 0;
    case OPTION_DEVICES:
        o->devices = optarg;
        return 0;
    case OPTION_PRECISION:
        return take_precision(o, optarg);
    default:
        return cli_bad_option(option, argv);
    }
}

static int open_engine(struct faces_engine *engine)
{
    const struct faces_options *o = engine->options;
    struct tf2_error error;
    if (tf2_devices_open(o->devices, NULL, &engine->devices, &error) != TF2_OK ||
        face_runner_create(engine->devices, &engine->runner, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    enum tf2_status status =
        face_detector_create(engine->runner, o->mtcnn_dir, &o->detector, &engine->detector, &error);
    if (status == TF2_ERR_NOT_FOUND)
        return cli_fail(
            "%s; --mtcnn names their folder, docs/models.md says where to get them", error.message);
    if (status == TF2_OK && o->embedder_path) {
        status =
            face_embedder_create(engine->runner, o->embedder_path, &o->embedder, &engine->embedder, &error);
        engine->embedding_size = status == TF2_OK ? face_embedder_size(engine->embedder) : 0;
    }
    return status == TF2_OK ? 0 : cli_fail("%s", error.message);
}

static void close_engine(struct faces_engine *engine)
{
    face_embedder_destroy(&engine->embedder);
    face_detector_destroy(&engine->detector);
    face_runner_destroy(&engine->runner);
    tf2_devices_close(&engine->devices);
}

/* OUT.png, or OUT-NAME.png when there are several photos; malloc'ed. */
static char *drawing_path(const char *path, const char *photo, bool several)
{
    if (!several)
        return cli_strdup(path);
    char *stem = cli_stem(photo);
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path), size = strlen(path) + strlen(stem) + 2;
    char *full = cli_alloc(size, 1);
    snprintf(full, size, "%.*s-%s%s", (int)n, path, stem, dot ? dot : "");
    free(stem);
    return full;
}

/* Two photos of one name would be drawn into one file. */
static int check_stems(const struct cli_paths *photos)
{
    int result = 0;
    for (size_t i = 1; i < photos->n && result == 0; i++) {
        char *stem = cli_stem(photos->paths[i]);
        for (size_t k = 0; k < i && result == 0; k++) {
            char *other = cli_stem(photos->paths[k]);
            if (strcmp(stem, other) == 0)
                result =
                    cli_fail("%s and %s would be drawn into one file", photos->paths[k], photos->paths[i]);
            free(other);
        }
        free(stem);
    }
    return result;
}

static int report(const struct faces_engine *engine, struct faces_result *r, bool several, json_t *results)
{
    const struct faces_options *o = engine->options;
    int result = 0;
    if (results)
        json_array_append_new(results, faces_json(engine, r));
    if (!o->json_path || strcmp(o->json_path, "-") != 0)
        faces_print(engine, r);
    if (o->draw_path) {
        char *path = drawing_path(o->draw_path, r->path, several);
        result = faces_draw(r, path);
        free(path);
    }
    return result;
}

static int look_at_photos(
    const struct faces_engine *engine, const struct faces_gallery *gallery, const struct cli_paths *photos,
    json_t *results)
{
    int result = engine->options->draw_path && photos->n > 1 ? check_stems(photos) : 0;
    for (size_t i = 0; i < photos->n && result == 0; i++) {
        struct faces_result r = {0};
        cli_progress("%zu of %zu photos", i, photos->n);
        result = faces_look_at(engine, photos->paths[i], 1 + engine->options->n_repeats, &r);
        cli_progress_clear();
        if (result == 0) {
            faces_gallery_match(gallery, engine, &r);
            result = report(engine, &r, photos->n > 1, results);
        }
        faces_result_finish(&r);
    }
    return result;
}

static int run(const struct faces_options *o, char **args, size_t n_args)
{
    struct faces_engine engine = {.options = o};
    struct faces_gallery gallery = {0};
    struct cli_paths photos = {0};
    json_t *results = o->json_path ? json_array() : NULL;
    int result = 0;
    for (size_t i = 0; i < n_args && result == 0; i++)
        result = faces_photos_add(&photos, args[i]);
    if (result == 0)
        result = open_engine(&engine);
    if (result == 0 && o->gallery_dir)
        result = faces_gallery_read(&gallery, &engine, o->gallery_dir);
    if (result == 0)
        result = look_at_photos(&engine, &gallery, &photos, results);
    if (result == 0 && results)
        result = cli_write_json(json_pack("{s:O}", "results", results), o->json_path);
    json_decref(results);
    faces_gallery_finish(&gallery);
    cli_paths_finish(&photos);
    close_engine(&engine);
    return result;
}

/* Options that make no sense without others. */
static int check_options(struct faces_options *o)
{
    if (o->gallery_dir && !o->embedder_path)
        return cli_usage("--gallery needs an --embedder to compare faces with");
    if (o->has_pixels && !o->embedder_path)
        return cli_usage("--mean, --scale and --channels are about the --embedder, which was not given");
    if (o->has_pixels)
        o->embedder.pixels = &o->pixels;
    return 0;
}

static const struct cli_options options = {.help = help, .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    static struct faces_options o = {
        .mtcnn_dir = DEFAULT_MTCNN_DIR, .threshold = DEFAULT_THRESHOLD, .pixels.scale = {1, 1, 1}};
    int result = cli_take_options(&options, argc, argv, &o);
    if (result != CLI_GO_ON)
        return result;
    if (optind == argc)
        return cli_usage("no IMAGE given");
    result = check_options(&o);
    if (result != 0)
        return result;
    result = run(&o, argv + optind, (size_t)(argc - optind));
    int flushed = cli_finish_stdout();
    return result ? result : flushed;
}
