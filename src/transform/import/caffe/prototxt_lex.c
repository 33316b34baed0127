/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prototxt_lex.c: cuts text into tokens and decodes numbers and strings. Nothing is copied or allocated: a
 * token is a piece of the source. The language: https://protobuf.dev/reference/protobuf/textformat-spec/.
 */
#include "transform/import/caffe/prototxt_lex.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

/* The C library's functions depend on the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void tf2__lex_start(struct tf2__lex *lex, const char *text, size_t text_bytes)
{
    *lex = (struct tf2__lex){.at = text, .end = text + text_bytes, .line_start = text, .line = 1};
    /* Some editors put a byte order mark in front. */
    if (text_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        lex->at = lex->line_start = text + 3;
}

static void skip_space(struct tf2__lex *lex)
{
    bool comment = false;
    for (; lex->at < lex->end && (comment || *lex->at == '#' || is_space(*lex->at)); lex->at++) {
        if (*lex->at == '\n') {
            lex->line++;
            lex->line_start = lex->at + 1;
            comment = false;
        } else if (*lex->at == '#') {
            comment = true;
        }
    }
}

/* A number's letters and digits; 1e-5 has a sign inside, 0x1e-5 does not. */
static const char *number_end(const char *at, const char *end)
{
    bool hex = end - at > 1 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    for (; at < end; at++) {
        if (!hex && (*at == 'e' || *at == 'E') && end - at > 1 && (at[1] == '+' || at[1] == '-'))
            at++;
        else if (!is_digit(*at) && !is_letter(*at) && *at != '.')
            break;
    }
    return at;
}

static const char *string_end(const char *at, const char *end, const char **problem)
{
    char quote = *at++;
    for (; at < end && *at != '\n'; at++) {
        if (*at == quote)
            return at + 1;
        if (*at == '\\' && end - at > 1 && at[1] != '\n')
            at++;
    }
    *problem = "a string does not end on its line";
    return at;
}

void tf2__lex_next(struct tf2__lex *lex, struct tf2__lex_token *token)
{
    skip_space(lex);
    const char *at = lex->at;
    *token = (struct tf2__lex_token){
        .kind = TF2__LEX_END, .text = at, .line = lex->line, .column = (uint32_t)(at - lex->line_start + 1)};
    if (at == lex->end)
        return;
    if (is_letter(*at)) {
        token->kind = TF2__LEX_NAME;
        while (at < lex->end && (is_letter(*at) || is_digit(*at)))
            at++;
    } else if (is_digit(*at) || (*at == '.' && lex->end - at > 1 && is_digit(at[1]))) {
        token->kind = TF2__LEX_NUMBER;
        at = number_end(at, lex->end);
    } else if (*at == '"' || *at == '\'') {
        token->kind = TF2__LEX_STRING;
        at = string_end(at, lex->end, &token->problem);
    } else if (memchr("{}<>[]:;,-/.+", *at, 13)) {
        token->kind = TF2__LEX_PUNCTUATION;
        at++;
    } else {
        token->problem = "a character that is not allowed here";
        at++;
    }
    if (token->problem)
        token->kind = TF2__LEX_INVALID;
    token->n = (size_t)(at - token->text);
    lex->at = at;
}

bool tf2__lex_integer(const struct tf2__lex_token *token, uint64_t *value)
{
    const char *text = token->text;
    size_t i = 0;
    unsigned base = 10;
    uint64_t sum = 0;
    if (token->kind != TF2__LEX_NUMBER)
        return false;
    if (token->n > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        i = 2;
    } else if (token->n > 1 && text[0] == '0') {
        base = 8;
        i = 1;
    }
    for (; i < token->n; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0 || (unsigned)digit >= base || __builtin_mul_overflow(sum, base, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)digit, &sum))
            return false;
    }
    *value = sum;
    return true;
}

/* strtod, whatever the program's locale says about decimal points. */
static bool parse_real(const char *text, double *value)
{
    char *end;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        return false;
    locale_t before = uselocale(c_locale);
    *value = strtod(text, &end);
    uselocale(before);
    freelocale(c_locale);
    if (end != text && (*end == 'f' || *end == 'F'))
        end++;
    return end != text && *end == '\0';
}

bool tf2__lex_real(const struct tf2__lex_token *token, double *value)
{
    char text[512];
    uint64_t whole;
    if (token->n >= sizeof(text))
        return false;
    memcpy(text, token->text, token->n);
    text[token->n] = '\0';
    if (token->kind == TF2__LEX_NAME) {
        bool inf = strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0 ||
                   strcasecmp(text, "inff") == 0;
        *value = inf ? (double)INFINITY : (double)NAN;
        return inf || strcasecmp(text, "nan") == 0 || strcasecmp(text, "nanf") == 0;
    }
    if (token->kind != TF2__LEX_NUMBER)
        return false;
    if (token->n > 2 && (text[1] == 'x' || text[1] == 'X')) {
        if (!tf2__lex_integer(token, &whole))
            return false;
        *value = (double)whole;
        return true;
    }
    return parse_real(text, value);
}

/* The value of up to `max` digits of the base from text[*i] on. */
static unsigned escape_digits(const char *text, size_t n, size_t *i, int base, unsigned max)
{
    unsigned value = 0;
    for (unsigned k = 0; k < max && *i < n; k++, (*i)++) {
        int digit = hex_value(text[*i]);
        if (digit < 0 || digit >= base)
            break;
        value = value * (unsigned)base + (unsigned)digit;
    }
    return value;
}

/* Decodes the escape whose letter is text[*i], and steps behind it. -1: none. */
static int escape(const char *text, size_t n, size_t *i)
{
    static const char letters[] = "abfnrtv\\'\"?";
    static const char values[] = "\a\b\f\n\r\t\v\\'\"?";
    const char *letter = memchr(letters, text[*i], sizeof(letters) - 1);
    if (letter) {
        (*i)++;
        return values[letter - letters];
    }
    if (text[*i] >= '0' && text[*i] <= '7') {
        unsigned value = escape_digits(text, n, i, 8, 3);
        return value <= 255 ? (int)value : -1;
    }
    if ((text[*i] == 'x' || text[*i] == 'X') && *i + 1 < n && hex_value(text[*i + 1]) >= 0) {
        (*i)++;
        return (int)escape_digits(text, n, i, 16, 2);
    }
    return -1;
}

bool tf2__lex_string(struct tf2__lex_token *token, char *bytes, size_t *n_bytes)
{
    size_t used = 0;
    size_t n = token->n - 1; /* without the closing quote */
    for (size_t i = 1; i < n;) {
        size_t start = i;
        int c = (unsigned char)token->text[i++];
        if (c == '\\')
            c = escape(token->text, n, &i);
        if (c <= 0) {
            token->problem = c < 0 ? "an escape that is none" : "a zero byte in a string";
            token->column += (uint32_t)start;
            return false;
        }
        bytes[used++] = (char)c;
    }
    *n_bytes = used;
    return true;
}
