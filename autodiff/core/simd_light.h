/* Block loops of a few instructions an element: arithmetic, comparisons, selection, conversions.
 *
 * Each is one expression in the operands a, b, c. NaN, infinities and signed zeros are NumPy's.
 * The superinstructions round twice, as the operations that they stand for. */
INLINE double ISA(floor_of_d)(double x) {
    double t = copysign(0x1p52, x), r = (x + t) - t;
    r = copysign(r > x ? r - 1 : r, x);
    return fabs(x) < 0x1p52 ? r : x;
}
INLINE float ISA(floor_of_f)(float x) {
    float t = copysignf(0x1p23f, x), r = (x + t) - t;
    r = copysignf(r > x ? r - 1 : r, x);
    return fabsf(x) < 0x1p23f ? r : x;
}

#define LIGHT(T, X, SUFFIX)                                                                    \
    /* As NumPy's clip: a NaN stays, and of equal zeros the bound is taken. */                 \
    INLINE T ISA(clip_of_##X)(T x, T low, T high) {                                            \
        T y = (x > low) | (x != x) ? x : low;                                                  \
        return (y < high) | (y != y) ? y : high;                                               \
    }                                                                                          \
    MAP2(add_##X, T, T, a + b)                                                                 \
    MAP2_B(add_b_##X, T, T, a + b)                                                             \
    MAP2(subtract_##X, T, T, a - b)                                                            \
    MAP2_A(subtract_a_##X, T, T, a - b)                                                        \
    MAP2_B(subtract_b_##X, T, T, a - b)                                                        \
    MAP2(multiply_##X, T, T, a * b)                                                            \
    MAP2_B(multiply_b_##X, T, T, a * b)                                                        \
    MAP2(divide_##X, T, T, a / b)                                                              \
    MAP2_A(divide_a_##X, T, T, a / b)                                                          \
    MAP2_B(divide_b_##X, T, T, a / b)                                                          \
    MAP1(negative_##X, T, T, -a)                                                               \
    MAP1(abs_##X, T, T, fabs##SUFFIX(a))                                                       \
    MAP1(square_##X, T, T, a * a)                                                              \
    MAP1(sqrt_##X, T, T, sqrt##SUFFIX(a))                                                      \
    MAP1(reciprocal_##X, T, T, 1 / a)                                                          \
    MAP1(floor_##X, T, T, ISA(floor_of_##X)(a))                                                \
    MAP1(sign_##X, T, T, a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a)                              \
    MAP1(relu_##X, T, T, a <= 0 ? 0 : a)                                                       \
    MAP2(maximum_##X, T, T, (a > b) | (a != a) ? a : b)                                        \
    MAP2_B(maximum_b_##X, T, T, (a > b) | (a != a) ? a : b)                                    \
    MAP2(minimum_##X, T, T, (a < b) | (a != a) ? a : b)                                        \
    MAP2_B(minimum_b_##X, T, T, (a < b) | (a != a) ? a : b)                                    \
    MAP2(less_##X, T, uint8_t, a < b)                                                          \
    MAP2(less_equal_##X, T, uint8_t, a <= b)                                                   \
    MAP2(greater_##X, T, uint8_t, a > b)                                                       \
    MAP2(greater_equal_##X, T, uint8_t, a >= b)                                                \
    MAP2(equal_##X, T, uint8_t, a == b)                                                        \
    MAP2(not_equal_##X, T, uint8_t, a != b)                                                    \
    MAP3(multiply_add_##X, T, T, a * b + c)                                                    \
    MAP3_B(multiply_add_b_##X, T, a * b + c)                                                   \
    MAP3_C(multiply_add_c_##X, T, a * b + c)                                                   \
    MAP3_BC(multiply_add_bc_##X, T, a * b + c)                                                 \
    MAP3(multiply_subtract_##X, T, T, a * b - c)                                               \
    MAP3_B(multiply_subtract_b_##X, T, a * b - c)                                              \
    MAP3(subtract_multiply_##X, T, T, c - a * b)                                               \
    MAP3_B(subtract_multiply_b_##X, T, c - a * b)                                              \
    MAP3_C(subtract_multiply_c_##X, T, c - a * b)                                              \
    /* where(a < b, c, d) and so on: no mask in memory */                                      \
    CHOOSE(where_less_##X, T, a < b)                                                           \
    CHOOSE_B(where_less_b_##X, T, a < b)                                                       \
    CHOOSE_BD(where_less_bd_##X, T, a < b)                                                     \
    CHOOSE(where_less_equal_##X, T, a <= b)                                                    \
    CHOOSE_B(where_less_equal_b_##X, T, a <= b)                                                \
    CHOOSE_BD(where_less_equal_bd_##X, T, a <= b)                                              \
    CHOOSE(where_greater_##X, T, a > b)                                                        \
    CHOOSE_B(where_greater_b_##X, T, a > b)                                                    \
    CHOOSE_BD(where_greater_bd_##X, T, a > b)                                                  \
    CHOOSE(where_greater_equal_##X, T, a >= b)                                                 \
    CHOOSE_B(where_greater_equal_b_##X, T, a >= b)                                             \
    CHOOSE_BD(where_greater_equal_bd_##X, T, a >= b)                                           \
    /* the actions of maximum and minimum: a where b > c, a/2 where b == c, else 0 */          \
    MAP3(share_##X, T, T, b >= c ? a * (b == c ? (T)0.5 : 1) : 0)                              \
    MAP3(clip_##X, T, T, ISA(clip_of_##X)(a, b, c))                                            \
    MAP3(where_##X, uint8_t, T, a ? b : c)                                                     \
    MAP1(bool_to_##X, uint8_t, T, a != 0)

LIGHT(float, f, f)
LIGHT(double, d, )
MAP1(f_to_d, float, double, a)
MAP1(d_to_f, double, float, a)
MAP2(logical_and, uint8_t, uint8_t, (a != 0) & (b != 0))
MAP2(logical_or, uint8_t, uint8_t, (a | b) != 0)
MAP1(logical_not, uint8_t, uint8_t, a == 0)

/* n times the same item */
static void ISA(fill_4)(uint32_t *y, uint32_t item, int64_t n) {
    EACH(uint32_t, { y[i] = item; })
}
static void ISA(fill_8)(uint64_t *y, uint64_t item, int64_t n) {
    EACH(uint64_t, { y[i] = item; })
}

#undef LIGHT
