/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/http/md5.h"

#include <string.h>

#include "common/base/parse.h"

#define BLOCK_SIZE 64U

typedef struct Md5 {
        uint32_t state[4];
        uint64_t length;
        uint8_t block[BLOCK_SIZE];
} Md5;

/* RFC 1321 section 3.4: the integer part of 2^32 * |sin(i + 1)|. */
static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const uint8_t rotations[4][4] = {
        { 7, 12, 17, 22 },
        { 5, 9, 14, 20 },
        { 4, 11, 16, 23 },
        { 6, 10, 15, 21 },
};

static uint32_t load32(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static void transform(Md5 *m) {
        uint32_t a = m->state[0], b = m->state[1], c = m->state[2], d = m->state[3];

        for (unsigned i = 0; i < 64; i++) {
                uint32_t f;
                unsigned word;

                switch (i / 16) {
                case 0:
                        f = (b & c) | (~b & d);
                        word = i;
                        break;
                case 1:
                        f = (d & b) | (~d & c);
                        word = (5 * i + 1) % 16;
                        break;
                case 2:
                        f = b ^ c ^ d;
                        word = (3 * i + 5) % 16;
                        break;
                default:
                        f = c ^ (b | ~d);
                        word = (7 * i) % 16;
                }

                uint32_t sum = a + f + sines[i] + load32(m->block + 4 * word);
                unsigned n = rotations[i / 16][i % 4];
                a = d;
                d = c;
                c = b;
                b += sum << n | sum >> (32 - n);
        }

        m->state[0] += a;
        m->state[1] += b;
        m->state[2] += c;
        m->state[3] += d;
}

static void add_byte(Md5 *m, uint8_t byte) {
        m->block[m->length++ % BLOCK_SIZE] = byte;
        if (m->length % BLOCK_SIZE == 0)
                transform(m);
}

void md5_hex_joined(const char *const *parts, char ret[static MD5_HEX_SIZE]) {
        Md5 m = { .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } };
        uint8_t digest[MD5_SIZE];

        for (const char *const *p = parts; *p; p++) {
                if (p != parts)
                        add_byte(&m, ':');
                for (const char *c = *p; *c; c++)
                        add_byte(&m, (uint8_t) *c);
        }

        uint64_t bits = m.length * 8;
        add_byte(&m, 0x80);
        while (m.length % BLOCK_SIZE != BLOCK_SIZE - sizeof(bits))
                add_byte(&m, 0);
        for (unsigned i = 0; i < sizeof(bits); i++)
                add_byte(&m, (uint8_t) (bits >> 8 * i));

        for (unsigned i = 0; i < MD5_SIZE; i++)
                digest[i] = (uint8_t) (m.state[i / 4] >> 8 * (i % 4));
        format_hex(digest, sizeof(digest), ret);
        explicit_bzero(&m, sizeof(m));
}
