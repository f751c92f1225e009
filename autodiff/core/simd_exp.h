/* exp, expm1, tanh, sigmoid: x = n log 2 + r with |r| <= log(2)/2, and a polynomial in r.
 *
 * q(r) = (e^r - 1 - r) / r^2 is interpolated at Chebyshev's points (60 digits, then rounded).
 * n comes out of the last bits of x/log 2 + 1.5 * 2^52: no conversion, on any processor. Log 2 is
 * cut where its product with n is exact. */
INLINE double ISA(q_d)(double r, double z) {
    double even = FMA_D(FMA_D(FMA_D(FMA_D(
        0x1.28917e2c43a66p-22, z, 0x1.a019b9133a48ap-16), z, 0x1.6c16c1788a49bp-10), z,
        0x1.5555555553d67p-5), z, 0.5);
    double odd = FMA_D(FMA_D(FMA_D(FMA_D(
        0x1.af38a0d2d9620p-26, z, 0x1.71de0db21e27fp-19), z, 0x1.a01a01a7c327ap-13), z,
        0x1.11111111109b4p-7), z, 0x1.5555555555556p-3);
    return FMA_D(odd, r, even);
}
INLINE float ISA(q_f)(float r, float z) {
    float even = FMA_F(FMA_F(0x1.6d10fep-10f, z, 0x1.55551ap-5f), z, 0.5f);
    return FMA_F(FMA_F(0x1.120b64p-7f, z, 0x1.5554dep-3f), r, even);
}

#define EXP_FAMILY(T, X, U, FMA, LOG2E, MAGIC, BIAS, SHIFT, LN2_HIGH, LN2_LOW, LOW, HIGH, TINY) \
    /* x = n log 2 + r + c; `bits` ends in the bits of n + bias */                             \
    typedef struct { T n, r, c; U bits; } ISA(Reduced_##X);                                    \
    INLINE ISA(Reduced_##X) ISA(reduce_##X)(T x, T bias) {                                     \
        T t = FMA(x, (T)LOG2E, (T)MAGIC + bias), n = t - ((T)MAGIC + bias);                    \
        T high = FMA(n, -(T)LN2_HIGH, x), r = FMA(n, -(T)LN2_LOW, high);                       \
        ISA(Reduced_##X) parts = {n, r, FMA(n, -(T)LN2_LOW, high - r), BITS_##X(t)};      \
        return parts;                                                                          \
    }                                                                                          \
    INLINE T ISA(exp_of_##X)(T x) {                                                            \
        ISA(Reduced_##X) p = ISA(reduce_##X)(x, 2 * BIAS);                                     \
        T y = 1 + FMA(p.r * p.r, ISA(q_##X)(p.r, p.r * p.r), p.r);                             \
        U half = p.bits >> 1;                      /* two factors: 2^n may be no number */     \
        y = y * OF_BITS_##X(half << SHIFT) * OF_BITS_##X((p.bits - half) << SHIFT);            \
        y = x > HIGH ? (T)INFINITY : y;            /* NaN stays */                             \
        return x < LOW ? 0 : y;                                                                \
    }                                                                                          \
    /* (e^x - 1) / 2, for x within +-BIAS log 2 */                                             \
    INLINE T ISA(half_expm1_##X)(T x) {                                                        \
        ISA(Reduced_##X) p = ISA(reduce_##X)(x, BIAS - 1);                                     \
        T s = OF_BITS_##X(p.bits << SHIFT);   /* 2^(n - 1) */                             \
        T low = FMA(p.r * p.r, ISA(q_##X)(p.r, p.r * p.r), p.c);                               \
        return FMA(s, p.r, s - (T)0.5) + s * low;                                              \
    }                                                                                          \
    INLINE T ISA(expm1_of_##X)(T x) {                                                          \
        T y = ISA(half_expm1_##X)(x);                                                          \
        y += y;                                                                                \
        y = x > HIGH ? (T)INFINITY : y;                                                        \
        y = x < -40 ? -1 : y;                                                                  \
        return ABS_##X(x) < (T)TINY ? x : y;                                             \
    }                                                                                          \
    /* t / (t + 2) with t = e^(2|x|) - 1 */                                                    \
    INLINE T ISA(tanh_of_##X)(T x) {                                                           \
        T a = ABS_##X(x), t = ISA(half_expm1_##X)(a + a);                                      \
        t = t / (t + 1);                                                                       \
        t = a > 22 ? 1 : t;                                                                    \
        return a < (T)TINY ? x : COPYSIGN_##X(t, x);                                      \
    }                                                                                          \
    /* of -|x|: never overflows */                                                             \
    INLINE T ISA(sigmoid_of_##X)(T x) {                                                        \
        T e = ISA(exp_of_##X)(-ABS_##X(x));                                              \
        return (x >= 0 ? 1 : e) / (1 + e);                                                     \
    }                                                                                          \
    HEAVY(exp_##X, T, ISA(exp_of_##X))                                                         \
    HEAVY(expm1_##X, T, ISA(expm1_of_##X))                                                     \
    HEAVY(tanh_##X, T, ISA(tanh_of_##X))                                                       \
    HEAVY(sigmoid_##X, T, ISA(sigmoid_of_##X))

EXP_FAMILY(double, d, uint64_t, FMA_D, 0x1.71547652b82fep0, 0x1.8p52, 1023, 52,
           0x1.62e42fefp-1, 0x1.473de6af278edp-34, -746, 710, 0x1p-55)
EXP_FAMILY(float, f, uint32_t, FMA_F, 0x1.715476p0f, 0x1.8p23f, 127, 23,
           0x1.62e4p-1f, 0x1.7f7d1cp-20f, -104, 89, 0x1p-26f)
#undef EXP_FAMILY
