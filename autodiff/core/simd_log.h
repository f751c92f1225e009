/* log, log1p, softplus: x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
 *
 * log(1 + f) = 2 artanh(s), s = f / (2 + f), written f - (f^2/2 - s (f^2/2 + z G(z))), z = s^2
 * (fdlibm, e_log.c). G(z) = (2 artanh(s) - 2 s) / s^3 is interpolated at Chebyshev's points. */
INLINE double ISA(artanh_d)(double z) {
    double w = z * z;
    double even = FMA_D(FMA_D(FMA_D(
        0x1.2b5b5fb2eac92p-3, w, 0x1.7462b69705382p-3), w, 0x1.2492492df6947p-2), w,
        0x1.5555555555558p-1);
    double odd = FMA_D(FMA_D(
        0x1.39fe208c33457p-3, w, 0x1.c71c62debf86bp-3), w, 0x1.99999999952b2p-2);
    return z * FMA_D(odd, z, even);
}
INLINE float ISA(artanh_f)(float z) {
    return z * FMA_F(FMA_F(0x1.2ee73ep-2f, z, 0x1.997c2ap-2f), z, 0x1.55555cp-1f);
}

#define LOG_FAMILY(T, X, U, FMA, SHIFT, BIAS, ROOT_HALF, POWER, LN2_HIGH, LN2_LOW, LEAST, UP)  \
    /* log x + more + k log 2, for normal x > 0; POWER is 2^SHIFT */                           \
    INLINE T ISA(log_sum_##X)(T x, T more, T k) {                                              \
        U up = BITS_##X(x) - (U)ROOT_HALF;         /* in its exponent the power of two */      \
        U biased = (up + ((U)BIAS << SHIFT)) >> SHIFT;                                         \
        T m = OF_BITS_##X((up & (((U)1 << SHIFT) - 1)) + (U)ROOT_HALF);                        \
        k += OF_BITS_##X(biased | BITS_##X(POWER)) - (POWER + BIAS);                           \
        T f = m - 1, s = f / (2 + f), half = f * f * (T)0.5;                                   \
        T rest = FMA(s, half + ISA(artanh_##X)(s * s), FMA(k, (T)LN2_LOW, more));              \
        return FMA(k, (T)LN2_HIGH, f - (half - rest));                                         \
    }                                                                                          \
    INLINE T ISA(log_of_##X)(T x) {                                                            \
        T y = ISA(log_sum_##X)(x < LEAST ? x * UP : x, 0, x < LEAST ? -(SHIFT + 2) : 0);       \
        y = x < (T)INFINITY ? y : x;               /* inf, NaN */                              \
        y = x == 0 ? -(T)INFINITY : y;                                                         \
        return x < 0 ? (T)NAN : y;                                                             \
    }                                                                                          \
    /* u = 1 + x, rounded, and what that left out; for u > 0 */                                \
    INLINE T ISA(log1p_sum_##X)(T x) {                                                         \
        T u = 1 + x, left = x < 1 ? x - (u - 1) : 1 - (u - x);                                 \
        return ISA(log_sum_##X)(u, left / u, 0);                                               \
    }                                                                                          \
    INLINE T ISA(log1p_of_##X)(T x) {                                                          \
        T y = ISA(log1p_sum_##X)(x);                                                           \
        y = x < (T)INFINITY ? y : x;                                                           \
        y = x == -1 ? -(T)INFINITY : y;                                                        \
        y = x < -1 ? (T)NAN : y;                                                               \
        return ABS_##X(x) < 1 / (4 * POWER) ? x : y;                                           \
    }                                                                                          \
    /* log(1 + e^x) = max(x, 0) + log1p(e^-|x|), one after the other: together their constants  \
     * are more than there are registers */                                                    \
    WHOLE(exp_below_##X, T, ISA(exp_of_##X)(-ABS_##X(x[i])))                                   \
    static void ISA(whole_softplus_##X)(void *out, const void *pa, int64_t n) {                \
        const T *x = pa;                                                                       \
        T *y = out, e[256];                                                                    \
        for (n /= sizeof(T); n > 0; n -= 256, x += 256, y += 256) {                            \
            int64_t m = (n < 256 ? n : 256) & -(int64_t)(64 / sizeof(T));                      \
            ISA(whole_exp_below_##X)(e, x, m * sizeof(T));                                     \
            IVDEP for (int64_t i = 0; i < m; i++)                                              \
                y[i] = ISA(log1p_sum_##X)(e[i]) + (x[i] <= 0 ? 0 : x[i]);                      \
        }                                                                                      \
    }                                                                                          \
    static void ISA(softplus_##X)(ARGUMENTS) {                                                 \
        padded(ISA(whole_softplus_##X), out, pa, n * sizeof(T));                               \
    }                                                                                          \
    HEAVY(log_##X, T, ISA(log_of_##X))                                                         \
    HEAVY(log1p_##X, T, ISA(log1p_of_##X))

LOG_FAMILY(double, d, uint64_t, FMA_D, 52, 1023, 0x3fe6a09e667f3bcd, 0x1p52,
           0x1.62e42fefp-1, 0x1.473de6af278edp-34, 0x1p-1022, 0x1p54)
LOG_FAMILY(float, f, uint32_t, FMA_F, 23, 127, 0x3f3504f3, 0x1p23f,
           0x1.62e4p-1f, 0x1.7f7d1cp-20f, 0x1p-126f, 0x1p25f)
#undef LOG_FAMILY
