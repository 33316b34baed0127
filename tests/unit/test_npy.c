/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_npy.c: .npy files as NumPy writes them, round trips, and files that are broken or not supported.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tf2/image.h>

#define FILE_BYTES 1024

/* A file made by hand: version major.0, the header text as it is (no padding), then the data. */
static size_t
make_file(unsigned char out[FILE_BYTES], int major, const char *header, const void *data, size_t data_bytes)
{
    size_t length = strlen(header);
    size_t at = major == 1 ? 10 : 12;
    memset(out, 0, FILE_BYTES);
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)major;
    out[8] = (unsigned char)length;
    out[9] = (unsigned char)(length >> 8);
    memcpy(out + at, header, length);
    memcpy(out + at + length, data, data_bytes);
    return at + length + data_bytes;
}

static enum tf2_status
load(const void *data, size_t size_bytes, struct tf2_array *array, struct tf2_error *error)
{
    return tf2_npy_load_memory("x.npy", data, size_bytes, NULL, array, error);
}

static void
assert_loads(const unsigned char *file, size_t size_bytes, const char *shape, enum tf2_dtype dtype)
{
    char text[128];
    struct tf2_array array;
    struct tf2_error error = {0};
    if (load(file, size_bytes, &array, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_string_equal(tf2_shape_format(&array.shape, text, sizeof(text)), shape);
    assert_int_equal(array.dtype, dtype);
    assert_memory_equal(
        array.data, "abcdefghijklmnopqrstuvwx",
        (size_t)tf2_shape_count(&array.shape) * tf2_dtype_size_bytes(dtype));
    tf2_array_finish(&array);
    assert_null(array.data);
    tf2_array_finish(&array);
}

static void test_versions_and_spellings(void **state)
{
    static const struct {
        int major;
        const char *header;
        const char *shape;
        enum tf2_dtype dtype;
        size_t data_bytes;
    } files[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", "2x3", TF2_DTYPE_F32, 24},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", "2x3", TF2_DTYPE_F32, 24},
        {3, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", "5", TF2_DTYPE_U8, 5},
        {1, "{'shape':(1,2,1),'descr':\"|i1\",'fortran_order':False}", "1x2x1", TF2_DTYPE_S8, 2},
        {1, "{ 'fortran_order' : False , 'shape' : ( 3L , 2L ) , 'descr' : '<i4' }", "3x2", TF2_DTYPE_S32,
         24},
        {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", "scalar", TF2_DTYPE_S64, 8},
        {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", "3", TF2_DTYPE_S64, 24},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2)}", "1x1x1x1x1x1x1x2",
         TF2_DTYPE_U8, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unsigned char file[FILE_BYTES];
        size_t size =
            make_file(file, files[i].major, files[i].header, "abcdefghijklmnopqrstuvwx", files[i].data_bytes);
        assert_loads(file, size, files[i].shape, files[i].dtype);
    }
}

static void test_refused_headers(void **state)
{
    static const struct {
        const char *header;
        enum tf2_status status;
        const char *message;
    } files[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", TF2_ERR_UNSUPPORTED,
         "'>f4' (big-endian)"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", TF2_ERR_UNSUPPORTED, "type '<f8' is not"},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (8,)}", TF2_ERR_UNSUPPORTED, "type '|b1' is not"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", TF2_ERR_UNSUPPORTED,
         "structured"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", TF2_ERR_UNSUPPORTED, "Fortran order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", TF2_ERR_UNSUPPORTED,
         "more than 8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}", TF2_ERR_SHAPE, "an extent is 0"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536)}", TF2_ERR_VALUE, "2147483647"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967298,)}", TF2_ERR_VALUE, "2147483647"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", TF2_ERR_VALUE,
         "more"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536, 65536, 65536)}", TF2_ERR_VALUE,
         "more"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", TF2_ERR_FORMAT, "wanted an extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", TF2_ERR_FORMAT, "wanted a comma"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", TF2_ERR_FORMAT, "wanted a comma"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", TF2_ERR_FORMAT, "wanted a tuple"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", TF2_ERR_FORMAT, "wanted True or False"},
        {"{'descr': 4, 'fortran_order': False, 'shape': (2,)}", TF2_ERR_FORMAT, "wanted a string"},
        {"{'descr': '<f4', 'shape': (2,)}", TF2_ERR_FORMAT, "once each"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", TF2_ERR_FORMAT,
         "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", TF2_ERR_FORMAT, "once each"},
        {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", TF2_ERR_FORMAT, "wanted a colon"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", TF2_ERR_FORMAT, "wanted a comma"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", TF2_ERR_FORMAT, "wanted a comma"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 1", TF2_ERR_FORMAT, "nothing behind"},
        {"{'descr': '<f4", TF2_ERR_FORMAT, "end of a string"},
        {"{'descr': '<f4\\n'}", TF2_ERR_FORMAT, "without escapes"},
        {"dict(descr=1)", TF2_ERR_FORMAT, "wanted a dict"},
        {"", TF2_ERR_FORMAT, "wanted a dict"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unsigned char file[FILE_BYTES];
        struct tf2_array array = {0};
        struct tf2_error error = {0};
        size_t size = make_file(file, 1, files[i].header, "abcdefgh", 8);
        if (load(file, size, &array, &error) != files[i].status || !strstr(error.message, files[i].message))
            fail_msg("%s gives \"%s\", wanted \"%s\"", files[i].header, error.message, files[i].message);
        assert_int_equal(error.status, files[i].status);
        assert_non_null(strstr(error.message, "x.npy: "));
        assert_null(array.data);
    }
}

static void assert_fails(const void *data, size_t size_bytes, enum tf2_status status, const char *message)
{
    struct tf2_array array;
    struct tf2_error error = {0};
    assert_int_equal(load(data, size_bytes, &array, &error), status);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, error.message);
}

static void test_refused_files(void **state)
{
    unsigned char file[FILE_BYTES];
    struct tf2_array array;
    struct tf2_error error;
    size_t size =
        make_file(file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "abcdefgh", 8);
    (void)state;
    assert_fails(file, size - 1, TF2_ERR_FORMAT, "cut short: 7 bytes of data, wanted 8");
    assert_fails(file, size + 1, TF2_ERR_FORMAT, "bytes left over: 9 bytes of data, wanted 8");
    assert_fails("", 0, TF2_ERR_FORMAT, "empty");
    assert_fails("PK\3\4 a zip file (.npz)", 20, TF2_ERR_FORMAT, "not a .npy file");
    file[6] = 4;
    assert_fails(file, size, TF2_ERR_UNSUPPORTED, "format 4.0");
    file[6] = 1;
    file[9] = 0xff;
    assert_fails(file, size, TF2_ERR_FORMAT, "cut short in its header");
    assert_int_equal(tf2_npy_load("/nonexistent/x.npy", NULL, &array, &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x.npy"));
    assert_int_equal(tf2_npy_load(NULL, NULL, &array, &error), TF2_ERR_INVALID_ARGUMENT);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_cut_and_mutated(void **state)
{
    unsigned char file[FILE_BYTES];
    size_t size =
        make_file(file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", "abcdefgh", 8);
    uint32_t seed = 7;
    (void)state;
    for (size_t n = 0; n < size; n++) {
        struct tf2_array array;
        unsigned char *copy = malloc(n ? n : 1); /* of this very size, for the address sanitizer */
        memcpy(copy, file, n);
        assert_int_equal(load(copy, n, &array, NULL), TF2_ERR_FORMAT);
        free(copy);
    }
    for (int round = 0; round < 20000; round++) {
        struct tf2_array array;
        struct tf2_error error = {0};
        unsigned char *copy = malloc(size);
        memcpy(copy, file, size);
        for (uint32_t k = 0; k <= next_random(&seed) % 3; k++)
            copy[next_random(&seed) % size] = (unsigned char)next_random(&seed);
        if (load(copy, size, &array, &error) == TF2_OK)
            tf2_array_finish(&array);
        else
            assert_true(error.message[0] != 0);
        free(copy);
    }
}

static char *temp_path(void)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/test_npy_%ld.npy", (long)getpid());
    return path;
}

static size_t read_file(const char *path, unsigned char *out, size_t size_bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(out, 1, size_bytes, file);
    fclose(file);
    return n;
}

/* The header is byte for byte what NumPy 1.24 and later write. */
static void test_saved_as_numpy_does(void **state)
{
    static const char head[] = "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    static const char head_1d[] = "\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }";
    static const char head_0d[] = "\x93NUMPY\1\0v\0{'descr': '<i8', 'fortran_order': False, 'shape': (), }";
    const struct tf2_shape shape = {2, {2, 3}}, shape_1d = {1, {5}}, shape_0d = {0, {0}};
    unsigned char file[FILE_BYTES];
    (void)state;
    assert_int_equal(
        tf2_npy_save(temp_path(), TF2_DTYPE_F32, &shape, "abcdefghijklmnopqrstuvwx", NULL), TF2_OK);
    assert_int_equal(read_file(temp_path(), file, sizeof(file)), 128 + 24);
    assert_memory_equal(file, head, sizeof(head) - 1);
    for (size_t i = sizeof(head) - 1; i < 127; i++)
        assert_int_equal(file[i], ' ');
    assert_int_equal(file[127], '\n');
    assert_memory_equal(file + 128, "abcdefghijklmnopqrstuvwx", 24);

    assert_int_equal(tf2_npy_save(temp_path(), TF2_DTYPE_U8, &shape_1d, "abcde", NULL), TF2_OK);
    assert_int_equal(read_file(temp_path(), file, sizeof(file)), 128 + 5);
    assert_memory_equal(file, head_1d, sizeof(head_1d) - 1);
    assert_int_equal(tf2_npy_save(temp_path(), TF2_DTYPE_S64, &shape_0d, "abcdefgh", NULL), TF2_OK);
    assert_int_equal(read_file(temp_path(), file, sizeof(file)), 128 + 8);
    assert_memory_equal(file, head_0d, sizeof(head_0d) - 1);
    unlink(temp_path());
}

static void test_round_trip(void **state)
{
    static const enum tf2_dtype dtypes[] = {
        TF2_DTYPE_F32, TF2_DTYPE_U8, TF2_DTYPE_S8, TF2_DTYPE_S32, TF2_DTYPE_S64};
    unsigned char data[8 * 360], file[8192];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t t = 0; t < 5; t++) {
        for (uint32_t n_dims = 0; n_dims <= TF2_MAX_DIMS; n_dims++) {
            struct tf2_shape shape = {n_dims, {3, 1, 5, 2, 1, 3, 1, 4}};
            struct tf2_array array;
            size_t n_bytes = (size_t)tf2_shape_count(&shape) * tf2_dtype_size_bytes(dtypes[t]);
            assert_int_equal(tf2_npy_save(temp_path(), dtypes[t], &shape, data, NULL), TF2_OK);
            assert_int_equal((read_file(temp_path(), file, sizeof(file)) - n_bytes) % 64, 0);
            assert_int_equal(tf2_npy_load(temp_path(), NULL, &array, NULL), TF2_OK);
            assert_int_equal(array.dtype, dtypes[t]);
            assert_true(tf2_shape_equal(&array.shape, &shape));
            assert_memory_equal(array.data, data, n_bytes);
            tf2_array_finish(&array);
        }
    }
    unlink(temp_path());
}

static void test_save_refuses(void **state)
{
    const struct tf2_shape shape = {1, {2}}, empty = {1, {0}}, deep = {TF2_MAX_DIMS + 1, {1}};
    struct tf2_error error;
    struct stat info;
    (void)state;
    assert_int_equal(tf2_npy_save(temp_path(), 99, &shape, "ab", &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_npy_save(temp_path(), TF2_DTYPE_U8, &empty, "ab", &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_npy_save(temp_path(), TF2_DTYPE_U8, &deep, "ab", &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_npy_save("/nonexistent/x.npy", TF2_DTYPE_U8, &shape, "ab", &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x.npy: cannot write: No such file"));
    if (stat("/dev/full", &info) == 0) {
        assert_int_equal(tf2_npy_save("/dev/full", TF2_DTYPE_U8, &shape, "ab", &error), TF2_ERR_IO);
        assert_non_null(strstr(error.message, "No space left"));
        assert_int_equal(stat("/dev/full", &info), 0);
    }
}

static void *no_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    (void)size;
    (void)alignment;
    return NULL;
}

static void test_out_of_memory(void **state)
{
    unsigned char file[FILE_BYTES];
    struct tf2_env env;
    struct tf2_array array;
    struct tf2_error error;
    size_t size =
        make_file(file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "abcdefgh", 8);
    (void)state;
    tf2_env_defaults(&env);
    env.allocator.alloc = no_alloc;
    assert_int_equal(tf2_npy_load_memory("x.npy", file, size, &env, &array, &error), TF2_ERR_NO_MEMORY);
    assert_string_equal(error.message, "x.npy: out of memory: 8 bytes of data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_and_spellings), cmocka_unit_test(test_refused_headers),
        cmocka_unit_test(test_refused_files),          cmocka_unit_test(test_cut_and_mutated),
        cmocka_unit_test(test_saved_as_numpy_does),    cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_save_refuses),           cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
