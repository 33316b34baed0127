/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_external.c: ONNX files that keep weights in files beside them, as torch.onnx writes them: what is read from
 * where, and places that point elsewhere, beyond the end, or at nothing.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx_builder.h"

#define N_WEIGHTS  6
#define PATH_BYTES 256

/* Files in a folder of their own; the current directory is another one. */
struct folder {
    char path[32];
};

static void folder_path(const struct folder *f, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", f->path, name);
}

static void write_file(const struct folder *f, const char *name, const void *data, size_t size_bytes)
{
    char path[PATH_BYTES];
    folder_path(f, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size_bytes, file), size_bytes);
    fclose(file);
}

/* deep/weights.bin: eight bytes of something else, the weights 1, 2, ..., and one byte more. */
static struct folder make_folder(void)
{
    struct folder f;
    char path[PATH_BYTES], data[8 + N_WEIGHTS * sizeof(float) + 1] = "........";
    snprintf(f.path, sizeof(f.path), "/tmp/tf2-external-XXXXXX");
    assert_non_null(mkdtemp(f.path));
    for (int i = 0; i < N_WEIGHTS; i++)
        memcpy(data + 8 + i * 4, &(float){(float)i + 1}, sizeof(float));
    folder_path(&f, "deep", path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(&f, "deep/weights.bin", data, sizeof(data));
    return f;
}

static void remove_folder(const struct folder *f)
{
    static const char *const names[] = {"deep/weights.bin", "net.onnx", "deep", ""};
    char path[PATH_BYTES];
    for (size_t i = 0; i < TF2__COUNT(names); i++) {
        folder_path(f, names[i], path);
        remove(path);
    }
}

static void add_entry(struct onnx_builder *b, Tf2__Onnx__TensorProto *w, const char *key, const char *value)
{
    Tf2__Onnx__StringStringEntryProto *entry = onnx_block(b, 1, sizeof(*entry));
    tf2__onnx__string_string_entry_proto__init(entry);
    entry->key = (char *)(uintptr_t)key;
    entry->value = (char *)(uintptr_t)value;
    w->external_data[w->n_external_data++] = entry;
}

/* x [n, 3] times w [2, 3]. entries: key, value, ..., NULL. */
static Tf2__Onnx__TensorProto *open_model(struct onnx_builder *b, const char *const *entries)
{
    onnx_open(b, 13);
    onnx_input(b, "x", DIMS(0, 3));
    Tf2__Onnx__TensorProto *w = onnx_tensor(b, "w", 1, DIMS(2, 3), NULL, 0);
    w->has_raw_data = false;
    w->has_data_location = true;
    w->data_location = 1;
    w->external_data = onnx_block(b, 8, sizeof(*w->external_data));
    for (; *entries; entries += 2)
        add_entry(b, w, entries[0], entries[1]);
    onnx_initializer(b, w);
    onnx_node(b, "Gemm", "x w", "y");
    onnx_int_attr(b, "transB", 1);
    onnx_output(b, "y");
    return w;
}

static struct onnx_import import_in(const struct folder *f, struct onnx_builder *b, bool by_path)
{
    struct onnx_import im = {0};
    size_t size_bytes;
    char path[PATH_BYTES];
    const unsigned char *bytes = onnx_pack(b, &size_bytes);
    folder_path(f, "net.onnx", path);
    write_file(f, "net.onnx", bytes, size_bytes);
    const struct tf2__source source = {
        .name = path, .path = by_path ? path : NULL, .data = bytes, .size_bytes = size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &im.graph, NULL), TF2_OK);
    im.status = tf2__import(&source, NULL, im.graph, &im.error);
    onnx_close(b);
    return im;
}

static void refused_in(
    const struct folder *f, const char *const *entries, bool by_path, enum tf2_status status,
    const char *words)
{
    struct onnx_builder b;
    open_model(&b, entries);
    struct onnx_import im = import_in(f, &b, by_path);
    if (im.status != status || !strstr(im.error.message, words))
        fail_msg("%s: \"%s\", wanted \"%s\"", tf2_status_name(im.status), im.error.message, words);
    onnx_import_free(&im);
}

#define ENTRIES(...)                                                                                         \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static void test_read(void **state)
{
    (void)state;
    const struct folder f = make_folder();
    static const char *const forms[][7] = {
        {"location", "deep/weights.bin", "offset", "8", "length", "24", NULL},
        {"offset", "8", "location", "./deep/weights.bin", NULL},
        {"checksum", "any", "location", "deep//weights.bin", "offset", "8", NULL},
    };
    for (size_t i = 0; i < TF2__COUNT(forms); i++) {
        struct onnx_builder b;
        open_model(&b, forms[i]);
        struct onnx_import im = import_in(&f, &b, true);
        if (im.status != TF2_OK)
            fail_msg("%s", im.error.message);
        const float *w = onnx_has_constant(&im, onnx_has_node(&im, 0, TF2_OP_GEMM, "y", "1x2"), 1, "2x3");
        for (int k = 0; k < N_WEIGHTS; k++)
            assert_float_equal(w[k], k + 1, 0);
        onnx_import_free(&im);
    }
    remove_folder(&f);
}

static void test_refused(void **state)
{
    (void)state;
    const struct folder f = make_folder();
    static const struct {
        const char *entries[7];
        const char *words;
    } cases[] = {
        {{"offset", "8"}, "without a location"},
        {{"location", ""}, "wanted a file in the model's own folder"},
        {{"location", "/etc/hostname"}, "wanted a file in the model's own folder"},
        {{"location", "../weights.bin"}, "wanted a file in the model's own folder"},
        {{"location", "deep/.."}, "wanted a file in the model's own folder"},
        {{"location", "deep/../deep/weights.bin"}, "wanted a file in the model's own folder"},
        {{"location", "deep/weights.bin", "location", "deep/weights.bin"}, "bad entry 'location'"},
        {{"location", "deep/weights.bin", "offset", "-8"}, "bad entry 'offset' = '-8'"},
        {{"location", "deep/weights.bin", "offset", "18446744073709551616"}, "bad entry 'offset'"},
        {{"location", "deep/weights.bin", "offset", ""}, "bad entry 'offset'"},
        {{"location", "deep/weights.bin", "offset", "8 "}, "bad entry 'offset'"},
        {{"location", "deep/weights.bin", "size", "8"}, "bad entry 'size'"},
        {{"location", "deep/weights.bin", "offset", "10"},
         "24 bytes from byte 10 of 'deep/weights.bin' on, which has 33"},
        {{"location", "deep/weights.bin", "offset", "18446744073709551615"}, "which has 33"},
        {{"location", "deep/weights.bin", "offset", "8", "length", "25"}, "has 25 bytes"},
    };
    for (size_t i = 0; i < TF2__COUNT(cases); i++)
        refused_in(&f, cases[i].entries, true, TF2_ERR_FORMAT, cases[i].words);
    refused_in(&f, ENTRIES("location", "none.bin"), true, TF2_ERR_IO, "/none.bin: cannot open");
    refused_in(&f, ENTRIES("location", "deep"), true, TF2_ERR_IO, "not a regular file");
    refused_in(
        &f, ENTRIES("location", "deep/weights.bin", "offset", "8"), false, TF2_ERR_UNSUPPORTED,
        "which only an import by path can read");
    remove_folder(&f);
}

/* What the tensor itself says about its data. */
static void test_contradictions(void **state)
{
    (void)state;
    const struct folder f = make_folder();
    static const char *const words[] = {
        "has its data twice", "data_location 0", "data_location 7", "type string"};
    for (int form = 0; form < 4; form++) {
        struct onnx_builder b;
        Tf2__Onnx__TensorProto *w = open_model(&b, ENTRIES("location", "deep/weights.bin", "offset", "8"));
        if (form == 0) {
            w->has_raw_data = true;
            w->raw_data = (ProtobufCBinaryData){.len = 24, .data = onnx_block(&b, 24, 1)};
        } else if (form == 3) {
            w->data_type = 8;
        } else {
            w->data_location = form == 1 ? 0 : 7;
        }
        struct onnx_import im = import_in(&f, &b, true);
        if (im.status == TF2_OK || !strstr(im.error.message, words[form]))
            fail_msg("\"%s\", wanted \"%s\"", im.error.message, words[form]);
        onnx_import_free(&im);
    }
    remove_folder(&f);
}

/* Many tensors in one large file: each could be the whole of it. */
static void test_budget(void **state)
{
    (void)state;
    const struct folder f = make_folder();
    struct onnx_builder b;
    const int64_t n = 1 << 28; /* 1 GiB of floats; the file is sparse */
    char path[PATH_BYTES], name[16], out[16];
    folder_path(&f, "deep/weights.bin", path);
    assert_int_equal(truncate(path, n * 4), 0);
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(1, 1));
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        Tf2__Onnx__TensorProto *w = onnx_tensor(&b, name, 1, DIMS(1, 1 << 28), NULL, 0);
        w->has_data_location = true;
        w->data_location = 1;
        w->external_data = onnx_block(&b, 8, sizeof(*w->external_data));
        add_entry(&b, w, "location", "deep/weights.bin");
        onnx_initializer(&b, w);
        snprintf(out, sizeof(out), "s%d", i);
        onnx_node(&b, "Shape", name, out);
        onnx_output(&b, out);
    }
    struct onnx_import im = import_in(&f, &b, true);
    if (im.status != TF2_ERR_UNSUPPORTED || !strstr(im.error.message, "too large for a file of"))
        fail_msg("%s", im.error.message);
    onnx_import_free(&im);
    remove_folder(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests_name("onnx external", tests, NULL, NULL);
}
