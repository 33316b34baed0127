/* SPDX-License-Identifier: Apache-2.0 */
/* prototxt_lex.h: the tokens of protobuf's text format. Safe on any bytes. */
#ifndef TF2__IMPORT_PROTOTXT_LEX_H
#define TF2__IMPORT_PROTOTXT_LEX_H

#include "common/base.h"

enum tf2__lex_kind {
    TF2__LEX_END,
    TF2__LEX_NAME,   /* letters, digits, '_' */
    TF2__LEX_NUMBER, /* starts with a digit or '.'; signs are punctuation */
    TF2__LEX_STRING, /* one quoted piece, quotes and escapes included */
    TF2__LEX_PUNCTUATION,
    TF2__LEX_INVALID, /* `problem` says why */
};

struct tf2__lex_token {
    enum tf2__lex_kind kind;
    const char *text;
    size_t n;
    uint32_t line;   /* from 1 */
    uint32_t column; /* from 1, in bytes */
    const char *problem;
};

struct tf2__lex {
    const char *at;
    const char *end;
    const char *line_start;
    uint32_t line;
};

void tf2__lex_start(struct tf2__lex *lex, const char *text, size_t text_bytes);
void tf2__lex_next(struct tf2__lex *lex, struct tf2__lex_token *token);

/* A whole number without sign: decimal, 0x hexadecimal or 0 octal. False: not one, or above 2^64 - 1. */
bool tf2__lex_integer(const struct tf2__lex_token *token, uint64_t *value);
/* A number or inf, infinity, nan, without sign, with an optional 'f' behind; `text` needs no terminator. */
bool tf2__lex_real(const struct tf2__lex_token *token, double *value);
/*
 * Decodes a string token into `bytes` (room for token->n); *n_bytes is what came out. False: an escape is
 * wrong, and token->problem and token->column say what and where.
 */
bool tf2__lex_string(struct tf2__lex_token *token, char *bytes, size_t *n_bytes);

#endif
