/* Own loops over blocks: contiguous operands, bodies compiled for each kind of processor.
 *
 * The bodies (simd_*.h) are plain C that GCC makes vector loops of; they are included once for
 * every instruction set, and the best one this processor has is chosen when the module is loaded
 * (AUTODIFF_CPU=baseline, avx2 or avx512 asks for less). Other compilers and processors have the
 * baseline only. Vector bodies and tails run the same IEEE operations in the same order, so the
 * bits of an element depend neither on its place in a block nor on the length of the block. */
#ifndef AUTODIFF_SIMD_H
#define AUTODIFF_SIMD_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* out may be exactly an operand of its item size, else lies apart; operands that a loop has not
 * are NULL; of four operands `c` is the address of a pair of pointers; no alignment beyond the
 * item's. */
typedef void (*BlockLoop)(void *out, const void *a, const void *b, const void *c, int64_t n);
typedef struct { const char *name, *types; BlockLoop loop; } NamedBlock;

/* Folds of one block. Sums have 256 bytes of lanes, element i in lane i modulo their number, then
 * a tree of halves: the same bits on every processor. The largest and smallest are NaN if any is;
 * of no elements they are -inf and inf. */
typedef struct {
    const NamedBlock *loops;
    BlockLoop exp_f, exp_d, log_f, log_d;
    double (*sum_d)(const double *x, int64_t n);
    float (*sum_f)(const float *x, int64_t n);
    double (*dot_d)(const double *x, const double *y, int64_t n);
    float (*dot_f)(const float *x, const float *y, int64_t n);
    double (*max_d)(const double *x, int64_t n);
    float (*max_f)(const float *x, int64_t n);
    double (*min_d)(const double *x, int64_t n);
    float (*min_f)(const float *x, int64_t n);
    void (*fill_4)(uint32_t *y, uint32_t item, int64_t n);
    void (*fill_8)(uint64_t *y, uint64_t item, int64_t n);
} Blocks;

#if defined(__GNUC__)
#define IVDEP _Pragma("GCC ivdep")
#define SCALAR __asm__ volatile("");    /* a loop with this is neither a vector loop nor peeled */
#define ROLLED _Pragma("GCC unroll 1")
#define NOINLINE __attribute__((noinline, noclone))
#define INLINE static inline __attribute__((always_inline, unused))
#else
#define IVDEP
#define SCALAR
#define ROLLED
#define NOINLINE
#define INLINE static inline
#endif

/* memcpy as a call: of a few bytes GCC makes a string instruction, which takes 30 ns to begin. */
NOINLINE static void copy_bytes(void *to, const void *from, int64_t n) { memcpy(to, from, n); }

/* Run a loop over all whole vectors of 64 bytes, then over what is left in a padded one. */
NOINLINE static void padded(void (*loop)(void *out, const void *a, int64_t n), void *out,
                            const void *a, int64_t bytes) {
    int64_t whole = bytes & -64, rest = bytes - whole;
    char pad[64] = {0};
    if (whole) loop(out, a, whole);
    if (rest == 0) return;
    copy_bytes(pad, (const char *)a + whole, rest);
    loop(pad, pad, 64);
    copy_bytes((char *)out + whole, pad, rest);
}

/* Functions by the letter of their type. */
#define ABS_d fabs
#define ABS_f fabsf
#define COPYSIGN_d copysign
#define COPYSIGN_f copysignf

/* Angles of which some are finite and beyond a loop's limit: those go to libm, one by one. */
#define BEYOND(x, limit, X) ((ABS_##X(x) > limit) & (ABS_##X(x) < INFINITY))
#define BEYOND_LIMIT(T, X)                                                                     \
    NOINLINE static void beyond_##X(BlockLoop loop, T (*exact)(T), T limit, T *y, const T *x,  \
                                    int64_t n) {                                               \
        T kept[64];                                                                            \
        for (; n > 0; n -= 64, x += 64, y += 64) {                                             \
            int64_t m = n < 64 ? n : 64;                                                       \
            memcpy(kept, x, m * sizeof(T));                    /* y may be x */                \
            loop(y, kept, NULL, NULL, m);                                                      \
            for (int64_t i = 0; i < m; i++)                                                    \
                if (BEYOND(kept[i], limit, X)) y[i] = exact(kept[i]);                          \
        }                                                                                      \
    }
BEYOND_LIMIT(float, f)
BEYOND_LIMIT(double, d)

/* Selections stay selections: partial redundancy elimination, and the fear of a floating-point
 * exception, which nobody looks at, would make branches of them, and scalar loops. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-tree-pre,no-trapping-math,no-tree-loop-distribute-patterns")
#endif

/* The bits of a number. */
INLINE uint64_t BITS_d(double x) { uint64_t u; memcpy(&u, &x, 8); return u; }
INLINE uint32_t BITS_f(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
INLINE double OF_BITS_d(uint64_t u) { double x; memcpy(&x, &u, 8); return x; }
INLINE float OF_BITS_f(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }

#define ISA(name) name##_baseline
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define HAS_FMA 1
#else
#define HAS_FMA 0
#endif
#include "simd_body.h"
#undef ISA
#undef HAS_FMA

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define SEVERAL_ISAS 1
#define HAS_FMA 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA(name) name##_avx2
#include "simd_body.h"
#undef ISA
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")
#define ISA(name) name##_avx512
#include "simd_body.h"
#undef ISA
#pragma GCC pop_options
#undef HAS_FMA
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

static Blocks blocks;                   /* of this processor; filled when the module is loaded */
static const char *blocks_cpu;

/* Choose the instruction set: the best there is, or the one asked for if there is that. */
static void choose_blocks(void) {
    blocks = blocks_baseline;
    blocks_cpu = "baseline";
#ifdef SEVERAL_ISAS
    const char *asked = getenv("AUTODIFF_CPU");
    if (asked && strcmp(asked, "baseline") == 0) return;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    blocks = blocks_avx2;
    blocks_cpu = "avx2";
    if (asked && strcmp(asked, "avx2") == 0) return;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bw"))
        return;
    blocks = blocks_avx512;
    blocks_cpu = "avx512";
#endif
}

/* The loop of an operation (its row's name) for types such as "dd>d", NumPy's letters, or NULL. */
static BlockLoop find_block_loop(const char *name, const char *types) {
    for (const NamedBlock *row = blocks.loops; row->name; row++)
        if (strcmp(row->name, name) == 0 && strcmp(row->types, types) == 0) return row->loop;
    return NULL;
}

/* Sums and products of a block. Of few elements most lanes are +0, and adding those changes
 * nothing: the same bits without them. */
#define SUM_BLOCK(T, X)                                                                        \
    static T sum_of_few_##X(T *lane, int64_t n) {                                              \
        if (n == 0) return 0;                                                                  \
        for (int64_t half = 8; half; n = n < half ? n : half, half /= 2)                       \
            for (int64_t k = 0; k + half < n; k++) { SCALAR lane[k] += lane[k + half]; }       \
        return lane[0];                                                                        \
    }                                                                                          \
    static T sum_block_##X(const T *x, int64_t n) {                                            \
        T lane[16];                                                                            \
        if (n > 16) return blocks.sum_##X(x, n);                                               \
        for (int64_t k = 0; k < n; k++) { SCALAR lane[k] = 0 + x[k]; }                         \
        return sum_of_few_##X(lane, n);                                                        \
    }                                                                                          \
    static T dot_block_##X(const T *x, const T *y, int64_t n) {                                \
        T lane[16];                                                                            \
        if (n > 16) return blocks.dot_##X(x, y, n);                                            \
        for (int64_t k = 0; k < n; k++) { SCALAR lane[k] = 0 + x[k] * y[k]; }                  \
        return sum_of_few_##X(lane, n);                                                        \
    }
SUM_BLOCK(float, f)
SUM_BLOCK(double, d)

#define max_block_d blocks.max_d
#define max_block_f blocks.max_f
#define min_block_d blocks.min_d
#define min_block_f blocks.min_f

#endif
