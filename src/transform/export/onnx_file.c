/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_file.c: an ONNX message to a file. protobuf-c hands over small pieces, and weights straight from where
 * they lie; nothing is packed in memory. The file is written under another name and renamed, so that a
 * failure leaves what was there.
 */
#define _POSIX_C_SOURCE 200809L
#include "transform/export/onnx.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct writer {
    ProtobufCBuffer base; /* first: protobuf-c gives its address */
    FILE *file;
    int failure; /* errno of the first piece that was not written */
};

static void append(ProtobufCBuffer *buffer, size_t size_bytes, const uint8_t *data)
{
    struct writer *writer = (struct writer *)buffer;
    if (!writer->failure && size_bytes && fwrite(data, 1, size_bytes, writer->file) != size_bytes)
        writer->failure = errno ? errno : EIO;
}

static int write_as(const Tf2__Onnx__ModelProto *model, const char *temporary)
{
    struct writer writer = {.base = {.append = append}, .file = fopen(temporary, "wbx")};
    if (!writer.file)
        return errno;
    tf2__onnx__model_proto__pack_to_buffer(model, &writer.base);
    if (fclose(writer.file) != 0 && !writer.failure)
        writer.failure = errno ? errno : EIO;
    return writer.failure;
}

/* Renaming onto a device or a pipe would replace it. */
static bool is_no_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

enum tf2_status
tf2__export_write(const Tf2__Onnx__ModelProto *model, const char *path, struct tf2_error *error)
{
    char temporary[PATH_MAX];
    size_t size_bytes = tf2__onnx__model_proto__get_packed_size(model);
    if (size_bytes > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "the ONNX file would have %zu bytes, the format ends at %d",
            size_bytes, INT32_MAX);
    /* Unique among processes and threads. */
    int n =
        snprintf(temporary, sizeof(temporary), "%s.%ld.%p", path, (long)getpid(), (const void *)temporary);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return tf2__fail(error, TF2_ERR_IO, "the path is too long");
    if (is_no_file(path))
        return tf2__fail(error, TF2_ERR_IO, "exists and is no regular file");
    int failure = write_as(model, temporary);
    if (!failure && rename(temporary, path) != 0)
        failure = errno;
    if (!failure)
        return TF2_OK;
    if (failure != EEXIST)
        unlink(temporary);
    return tf2__fail(error, TF2_ERR_IO, "cannot be written: %s", strerror(failure));
}
