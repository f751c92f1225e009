/* Random numbers that are functions of a key and a counter: Philox4x32-10 (Salmon, Moraes, Dror and
 * Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A block is four words, a bijection of a 128-bit counter under a 64-bit key. The counter's words
 * are: the index of the block in two, the caller's counter in 62 bits, and in the highest two bits
 * what the block is for, so that keys derived from a key share no block with its draws. */
#ifndef AUTODIFF_RANDOM_H
#define AUTODIFF_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint32_t word[4]; } RandomBlock;
enum { DRAW = 0 };              /* what a block is for; derived keys use 1 and 2 */

static inline RandomBlock philox(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t c2,
                                 uint32_t c3) {
    for (int i = 0; i < 10; i++) {
        uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return (RandomBlock){{c0, c1, c2, c3}};
}

static inline RandomBlock random_block(const uint32_t *key, uint64_t counter, uint32_t use,
                                       uint64_t index) {
    uint32_t high = ((uint32_t)(counter >> 32) & 0x3FFFFFFF) | use << 30;
    return philox(key[0], key[1], (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)counter,
                  high);
}

/* Two words as a number of 53 bits, and a word as one of 24, from 0. */
static inline int64_t wide(const uint32_t *word) {
    return (int64_t)(((uint64_t)word[1] << 32 | word[0]) >> 11);
}

/* Box and Muller 1958: two uniform numbers, u of them in (0, 1], as two normal ones. */
static inline void box_muller(double u, double v, double *y) {
    double r = sqrt(-2 * log(u)), angle = 6.283185307179586477 * v;
    y[0] = r * cos(angle);
    y[1] = r * sin(angle);
}

/* Fill n elements, WIDTH a block: `block` becomes the elements y[0..WIDTH). */
#define FILL(name, T, WIDTH, ELEMENTS)                                                         \
    static void fill_##name(const uint32_t *key, uint64_t counter, int64_t n, void *out) {     \
        T rest[WIDTH];              /* the last block may stand for fewer elements */         \
        for (int64_t start = 0; start < n; start += WIDTH) {                                   \
            RandomBlock block = random_block(key, counter, DRAW, (uint64_t)(start / WIDTH));   \
            const uint32_t *word = block.word;                                                 \
            T *y = start + WIDTH <= n ? (T *)out + start : rest;                               \
            ELEMENTS                                                                           \
        }                                                                                      \
        if (n % WIDTH) memcpy((T *)out + n - n % WIDTH, rest, n % WIDTH * sizeof(T));          \
    }
FILL(bits, uint32_t, 4, for (int i = 0; i < 4; i++) y[i] = word[i];)
FILL(uniform_f, float, 4, for (int i = 0; i < 4; i++) y[i] = (word[i] >> 8) * 0x1p-24f;)
FILL(uniform_d, double, 2, for (int i = 0; i < 2; i++) y[i] = wide(word + 2 * i) * 0x1p-53;)
FILL(normal_f, float, 4, for (int i = 0; i < 4; i += 2) {
    double pair[2];
    box_muller((word[i] + 1.0) * 0x1p-32, word[i + 1] * 0x1p-32, pair);
    y[i] = (float)pair[0];
    y[i + 1] = (float)pair[1];
})
FILL(normal_d, double, 2, box_muller((wide(word) + 1) * 0x1p-53, wide(word + 2) * 0x1p-53, y);)

/* n keys: the first two words of the blocks from index `from` on. */
static void fill_keys(const uint32_t *key, uint64_t from, uint32_t use, int64_t n, uint32_t *keys) {
    for (int64_t i = 0; i < n; i++) {
        RandomBlock block = random_block(key, 0, use, from + (uint64_t)i);
        keys[2 * i] = block.word[0];
        keys[2 * i + 1] = block.word[1];
    }
}

#endif
