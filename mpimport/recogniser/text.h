/* Text, byte by byte: UTF-8, escapes of JSON, hashes. Knows neither JSON nor Python.
 *
 * Text is read up to the NUL that CPython puts behind the bytes of every `bytes` object. It is white space nowhere and
 * may stand in no string, number or word of JSON, so wherever a text ends, reading stops.
 *
 * All of it is called for each byte or name of an event, and therefore is to be had inline.
 */
#ifndef MPIMPORT_TEXT_H
#define MPIMPORT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
#endif

#define MAX_TEXT_DECIMALS 6 /* with more of them, Python may spell a number with an exponent */

typedef const unsigned char *Bytes;

typedef struct {
    const char *text;
    size_t size;
} Piece;

typedef struct {
    Bytes text;
    size_t size;
    int escaped;
} Text;

static inline uint64_t load(Bytes at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline int is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

static inline Bytes skip_space(Bytes at) /* line breaks are not passed over: with one in it, an event is written again */
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static inline uint32_t hash(Bytes text, size_t size)
{
    uint64_t mixed = size;
    for (; size >= 8; size -= 8, text += 8)
        mixed = (mixed ^ load(text)) * UINT64_C(0x9E3779B97F4A7C15), mixed ^= mixed >> 32;
    uint64_t rest = 0;
    while (size)
        rest = rest << 8 | text[--size];
    mixed = (mixed ^ rest) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32);
}

static inline char *put(char *out, const void *from, size_t size)
{
    memcpy(out, from, size);
    return out + size;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(marks) (__builtin_ctzll(marks) / 8)
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
#define FIRST_BYTE(marks) first_byte(marks)
static inline int first_byte(uint64_t marks)
{
    unsigned long bit;
    _BitScanForward64(&bit, marks);
    return (int)bit / 8;
}
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Pass over printable ASCII but for the quote and the backslash. */
static inline Bytes skip_plain(Bytes at, Bytes end)
{
#ifdef FIRST_BYTE
    while (end - at >= 8) {
        uint64_t word = load(at);
        /* marks the high bit of a byte that is below 0x20, a quote, a backslash or no ASCII. A mark may be wrong behind
         * the first one only, where a subtraction has borrowed. */
        uint64_t marks = ((word - EACH(0x20)) | ((word ^ EACH('"')) - EACH(1)) | ((word ^ EACH('\\')) - EACH(1)) | word)
                         & EACH(0x80);
        if (marks)
            return at + FIRST_BYTE(marks);
        at += 8;
    }
#endif
    while (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Pass over one character of UTF-8 beyond ASCII; NULL where there is none (Unicode standard, table 3-7). */
static inline Bytes skip_character(Bytes at)
{
    if (at[0] >= 0xC2 && at[0] <= 0xDF)
        return is_continuation(at[1]) ? at + 2 : NULL;
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        if (!is_continuation(at[1]) || !is_continuation(at[2]))
            return NULL;
        int is_overlong = at[0] == 0xE0 && at[1] < 0xA0;
        int is_surrogate = at[0] == 0xED && at[1] > 0x9F;
        return is_overlong || is_surrogate ? NULL : at + 3;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        if (!is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
            return NULL;
        int is_overlong = at[0] == 0xF0 && at[1] < 0x90;
        int is_beyond = at[0] == 0xF4 && at[1] > 0x8F;
        return is_overlong || is_beyond ? NULL : at + 4;
    }
    return NULL;
}

static inline int hex_unit(Bytes at) /* the four digits behind \u, -1 where they are none */
{
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int lower = at[i] | 0x20;
        if (is_digit(at[i]))
            unit = unit * 16 + at[i] - '0';
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + lower - 'a' + 10;
        else
            return -1;
    }
    return unit;
}

/* Pass over an escape; NULL where it is none, and for half a character. */
static inline Bytes skip_escape(Bytes at)
{
    if (at[1] == 'u') {
        int unit = hex_unit(at + 2);
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            if (at[6] != '\\' || at[7] != 'u')
                return NULL;
            int low = hex_unit(at + 8);
            return low >= 0xDC00 && low <= 0xDFFF ? at + 12 : NULL;
        }
        return unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF) ? NULL : at + 6;
    }
    return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : NULL;
}

static inline size_t count_characters(const Text *text)
{
    size_t count = 0;
    for (Bytes at = text->text, end = at + text->size; at < end; count++) {
        if (*at == '\\')
            at = skip_escape(at);
        else
            at = *at < 0x80 ? at + 1 : skip_character(at);
    }
    return count;
}

#endif
