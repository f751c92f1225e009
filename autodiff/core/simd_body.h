/* The bodies of the block loops for one instruction set, and the table of them.
 *
 * Included once for each: ISA(name) gives names of its own, HAS_FMA says whether a fused
 * multiply-add is one instruction. */

/* Whole vectors, then one element after another: the tail is short, and so is its code. */
#define ARGUMENTS void *out, const void *pa, const void *pb, const void *pc, int64_t n
#define EACH(ELEMENT, ...)                                                                     \
    int64_t i, whole = n & -(int64_t)(sizeof(ELEMENT) == 1 ? 32 : 64 / sizeof(ELEMENT));       \
    IVDEP for (i = 0; i < whole; i++) __VA_ARGS__                                              \
    for (; i < n; i++) { SCALAR __VA_ARGS__ }
#define MAP1(name, A, R, RESULT)                                                               \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const A *xa = pa;                                                                      \
        R *y = out;                                                                            \
        EACH(R, { A a = xa[i]; y[i] = (R)(RESULT); })                                          \
    }
#define MAP2(name, A, R, RESULT)                                                               \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const A *xa = pa, *xb = pb;                                                            \
        R *y = out;                                                                            \
        EACH(R, { A a = xa[i], b = xb[i]; y[i] = (R)(RESULT); })                               \
    }
#define MAP3(name, A, B, RESULT)                                                               \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const A *xa = pa;                                                                      \
        const B *xb = pb, *xc = pc;                                                            \
        B *y = out;                                                                            \
        EACH(B, { A a = xa[i]; B b = xb[i], c = xc[i]; y[i] = (B)(RESULT); })                  \
    }
/* The same where operands are one number, which needs no register: loops named after those. */
#define MAP2_A(name, A, R, RESULT)                                                             \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const A a = *(const A *)pa, *xb = pb;                                                  \
        R *y = out;                                                                            \
        EACH(R, { A b = xb[i]; y[i] = (R)(RESULT); })                                          \
    }
#define MAP2_B(name, A, R, RESULT)                                                             \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const A *xa = pa, b = *(const A *)pb;                                                  \
        R *y = out;                                                                            \
        EACH(R, { A a = xa[i]; y[i] = (R)(RESULT); })                                          \
    }
#define MAP3_B(name, T, RESULT)                                                                \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, b = *(const T *)pb, *xc = pc;                                        \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i], c = xc[i]; y[i] = RESULT; })                                    \
    }
#define MAP3_C(name, T, RESULT)                                                                \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, *xb = pb, c = *(const T *)pc;                                        \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i], b = xb[i]; y[i] = RESULT; })                                    \
    }
#define MAP3_BC(name, T, RESULT)                                                               \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, b = *(const T *)pb, c = *(const T *)pc;                              \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i]; y[i] = RESULT; })                                               \
    }
/* Four operands: `pc` is a pair of pointers. */
#define CHOOSE(name, T, TEST)                                                                  \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, *xb = pb, *const *pair = pc, *xc = pair[0], *xd = pair[1];           \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i], b = xb[i], c = xc[i], d = xd[i]; y[i] = (TEST) ? c : d; })      \
    }
#define CHOOSE_B(name, T, TEST)                                                                \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, b = *(const T *)pb, *const *pair = pc, *xc = pair[0], *xd = pair[1]; \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i], c = xc[i], d = xd[i]; y[i] = (TEST) ? c : d; })                 \
    }
#define CHOOSE_BD(name, T, TEST)                                                               \
    static void ISA(name)(ARGUMENTS) {                                                         \
        const T *xa = pa, b = *(const T *)pb, *const *pair = pc, *xc = pair[0], d = *pair[1];  \
        T *y = out;                                                                            \
        EACH(T, { T a = xa[i], c = xc[i]; y[i] = (TEST) ? c : d; })                            \
    }
/* The same for functions of many instructions: the tail goes through a padded vector. */
#define WHOLE(name, T, RESULT)                                                                 \
    static void ISA(whole_##name)(void *out, const void *pa, int64_t bytes) {                  \
        const T *x = pa;                                                                       \
        T *y = out;                                                                            \
        int64_t n = (bytes & -64) / sizeof(T);                                                 \
        IVDEP for (int64_t i = 0; i < n; i++) y[i] = RESULT;                                   \
    }
#define HEAVY(name, T, F)                                                                      \
    WHOLE(name, T, F(x[i]))                                                                    \
    static void ISA(name)(ARGUMENTS) { padded(ISA(whole_##name), out, pa, n * sizeof(T)); }

#if HAS_FMA
#define FMA_D(a, b, c) __builtin_fma(a, b, c)
#define FMA_F(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FMA_D(a, b, c) ((a) * (b) + (c))
#define FMA_F(a, b, c) ((a) * (b) + (c))
#endif

#include "simd_light.h"
#include "simd_fold.h"
#include "simd_exp.h"
#include "simd_log.h"
#include "simd_trig.h"

#define F_AND_D(M, name) M(name, f) M(name, d)
#define ONE(name, X) {#name, #X ">" #X, ISA(name##_##X)},
#define TWO(name, X) {#name, #X #X ">" #X, ISA(name##_##X)},
#define THREE(name, X) {#name, #X #X #X ">" #X, ISA(name##_##X)},
#define FOUR(name, X) {#name, #X #X #X #X ">" #X, ISA(name##_##X)},
#define TEST(name, X) {#name, #X #X ">?", ISA(name##_##X)},
/* A capital letter is an operand of one number. */
#define TWO_A(name, X, O) {#name, #O #X ">" #X, ISA(name##_a_##X)},
#define TWO_B(name, X, O) {#name, #X #O ">" #X, ISA(name##_b_##X)},
#define THREE_B(name, X, O) {#name, #X #O #X ">" #X, ISA(name##_b_##X)},
#define THREE_C(name, X, O) {#name, #X #X #O ">" #X, ISA(name##_c_##X)},
#define THREE_BC(name, X, O) {#name, #X #O #O ">" #X, ISA(name##_bc_##X)},
#define FOUR_B(name, X, O) {#name, #X #O #X #X ">" #X, ISA(name##_b_##X)},
#define FOUR_BD(name, X, O) {#name, #X #O #X #O ">" #X, ISA(name##_bd_##X)},
#define OF_NUMBERS(M, name) M(name, f, F) M(name, d, D)

static const NamedBlock ISA(block_loops)[] = {
    F_AND_D(TWO, add) F_AND_D(TWO, subtract) F_AND_D(TWO, multiply) F_AND_D(TWO, divide)
    F_AND_D(TWO, maximum) F_AND_D(TWO, minimum)
    F_AND_D(THREE, multiply_add) F_AND_D(THREE, multiply_subtract)
    F_AND_D(THREE, subtract_multiply) F_AND_D(THREE, share) F_AND_D(THREE, clip)
    F_AND_D(FOUR, where_less) F_AND_D(FOUR, where_less_equal)
    F_AND_D(FOUR, where_greater) F_AND_D(FOUR, where_greater_equal)
    OF_NUMBERS(TWO_B, add) OF_NUMBERS(TWO_B, multiply)
    OF_NUMBERS(TWO_A, subtract) OF_NUMBERS(TWO_B, subtract)
    OF_NUMBERS(TWO_A, divide) OF_NUMBERS(TWO_B, divide)
    OF_NUMBERS(TWO_B, maximum) OF_NUMBERS(TWO_B, minimum)
    OF_NUMBERS(THREE_B, multiply_add) OF_NUMBERS(THREE_C, multiply_add)
    OF_NUMBERS(THREE_BC, multiply_add) OF_NUMBERS(THREE_B, multiply_subtract)
    OF_NUMBERS(THREE_B, subtract_multiply) OF_NUMBERS(THREE_C, subtract_multiply)
    OF_NUMBERS(FOUR_B, where_less) OF_NUMBERS(FOUR_B, where_less_equal)
    OF_NUMBERS(FOUR_B, where_greater) OF_NUMBERS(FOUR_B, where_greater_equal)
    OF_NUMBERS(FOUR_BD, where_less) OF_NUMBERS(FOUR_BD, where_less_equal)
    OF_NUMBERS(FOUR_BD, where_greater) OF_NUMBERS(FOUR_BD, where_greater_equal)
    F_AND_D(ONE, negative) F_AND_D(ONE, abs) F_AND_D(ONE, sign) F_AND_D(ONE, floor)
    F_AND_D(ONE, square) F_AND_D(ONE, sqrt) F_AND_D(ONE, reciprocal) F_AND_D(ONE, relu)
    F_AND_D(ONE, exp) F_AND_D(ONE, expm1) F_AND_D(ONE, tanh) F_AND_D(ONE, sigmoid)
    F_AND_D(ONE, log) F_AND_D(ONE, log1p) F_AND_D(ONE, softplus)
    F_AND_D(ONE, sin) F_AND_D(ONE, cos) F_AND_D(ONE, arctan)
    F_AND_D(TEST, less) F_AND_D(TEST, less_equal) F_AND_D(TEST, greater)
    F_AND_D(TEST, greater_equal) F_AND_D(TEST, equal) F_AND_D(TEST, not_equal)
    {"where", "?ff>f", ISA(where_f)}, {"where", "?dd>d", ISA(where_d)},
    {"logical_and", "\?\?>?", ISA(logical_and)}, {"logical_or", "\?\?>?", ISA(logical_or)},
    {"logical_not", "?>?", ISA(logical_not)},
    {"astype", "f>d", ISA(f_to_d)}, {"astype", "d>f", ISA(d_to_f)},
    {"astype", "?>f", ISA(bool_to_f)}, {"astype", "?>d", ISA(bool_to_d)},
    {NULL, NULL, NULL}};

static const Blocks ISA(blocks) = {
    ISA(block_loops), ISA(exp_f), ISA(exp_d), ISA(log_f), ISA(log_d),
    ISA(sum_d), ISA(sum_f), ISA(dot_d), ISA(dot_f), ISA(max_d), ISA(max_f), ISA(min_d), ISA(min_f),
    ISA(fill_4), ISA(fill_8)};

#undef F_AND_D
#undef ONE
#undef TWO
#undef THREE
#undef FOUR
#undef TEST
#undef TWO_A
#undef TWO_B
#undef THREE_B
#undef THREE_C
#undef THREE_BC
#undef FOUR_B
#undef FOUR_BD
#undef OF_NUMBERS
#undef ARGUMENTS
#undef EACH
#undef MAP1
#undef MAP2
#undef MAP2_A
#undef MAP2_B
#undef MAP3
#undef MAP3_B
#undef MAP3_C
#undef MAP3_BC
#undef CHOOSE
#undef CHOOSE_B
#undef CHOOSE_BD
#undef WHOLE
#undef HEAVY
#undef FMA_D
#undef FMA_F
