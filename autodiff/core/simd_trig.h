/* sin, cos, arctan: the nearest multiple of pi/2 is taken away, x = n pi/2 + r + c.
 *
 * Pi/2 is cut in three. With a fused multiply-add x - n p0 is exact, and r + c right to 10^14;
 * without, n p0 and n p1 are exact to n = 2^20. Larger arguments go to
 * libm one by one. The polynomials are interpolated at Chebyshev's points in r^2 or t^2:
 * (sin r - r)/r^3, (cos r - 1 + r^2/2)/r^4, (arctan t - t)/t^3. */
#if HAS_FMA
#define PI_HALVES {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110}
#define LIMIT 0x1p47
#else
#define PI_HALVES {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69}
#define LIMIT 0x1p20
#endif
#define ODD(COS, SIN) (odd ? (COS) : (SIN))

/* sin(x + quadrants pi/2): sin r or cos r where n is even or odd, negative in two quadrants */
INLINE double ISA(sin_of_d)(double x, uint64_t quadrants) {
    const double p[3] = PI_HALVES;
    double t = FMA_D(x, 0x1.45f306dc9c883p-1, 0x1.8p52), n = t - 0x1.8p52;
    double high = FMA_D(-n, p[0], x), low = n * p[1], r = high - low, c = (high - r) - low;
#if HAS_FMA
    c -= FMA_D(n, p[1], -low);
#endif
    c = FMA_D(-n, p[2], c);
    double z = r * r, w = z * z;
    uint64_t turns = BITS_d(t) + quadrants, odd = turns & 1;
    double even = FMA_D(FMA_D(
        ODD(0x1.1eeb6849e83dap-29, -0x1.ae6009c45c641p-26), w,
        ODD(0x1.a01a019f4e3a1p-16, -0x1.a01a019e82bf3p-13)), w,
        ODD(0x1.5555555555555p-5, -0x1.5555555555555p-3));
    double rest = FMA_D(FMA_D(
        ODD(-0x1.907d30a6379b0p-37, 0x1.5e0aa7530b498p-33), w,
        ODD(-0x1.27e4fa17411afp-22, 0x1.71de3795587afp-19)), w,
        ODD(-0x1.6c16c16c16965p-10, 0x1.1111111110baep-7));
    double half = z * 0.5, one = 1 - half;
    double less = ODD(((1 - one) - half) - r * c, c * one);
    double y = ODD(one, r) + FMA_D(ODD(w, z * r), FMA_D(rest, z, even), less);
    return OF_BITS_d(BITS_d(y) ^ (turns & 2) << 62);
}
INLINE double ISA(sine_d)(double x) {
    double y = ISA(sin_of_d)(x, 0);
    return x == 0 ? x : y;             /* -0 */
}
INLINE double ISA(cosine_d)(double x) { return ISA(sin_of_d)(x, 1); }

/* The same; r is found in double precision. */
INLINE float ISA(sin_of_f)(float x, uint32_t quadrants) {
    const double p[3] = PI_HALVES;
    double t = FMA_D(x, 0x1.45f306dc9c883p-1, 0x1.8p52), n = t - 0x1.8p52;
    float r = (float)FMA_D(-n, p[1], FMA_D(-n, p[0], x)), z = r * r;
    uint32_t turns = (uint32_t)BITS_d(t) + quadrants, odd = turns & 1;
    float poly = FMA_F(FMA_F(
        ODD(0x1.9bd7fep-16f, -0x1.9ac8ecp-13f), z, ODD(-0x1.6c12d2p-10f, 0x1.110c28p-7f)), z,
        ODD(0x1.555554p-5f, -0x1.555552p-3f));
    float half = z * 0.5f, one = 1 - half;
    float y = ODD(one, r) + FMA_F(ODD(z * z, z * r), poly, ODD((1 - one) - half, 0));
    return OF_BITS_f(BITS_f(y) ^ (turns & 2) << 30);
}
INLINE float ISA(sine_f)(float x) {
    float y = ISA(sin_of_f)(x, 0);
    return x == 0 ? x : y;
}
INLINE float ISA(cosine_f)(float x) { return ISA(sin_of_f)(x, 1); }
#undef ODD

HEAVY(small_sin_d, double, ISA(sine_d))
HEAVY(small_cos_d, double, ISA(cosine_d))
HEAVY(small_sin_f, float, ISA(sine_f))
HEAVY(small_cos_f, float, ISA(cosine_f))

#define ANGLES(T, X, SIN, COS)                                                                 \
    NOINLINE static int ISA(any_beyond_##X)(const T *x, int64_t n) {                           \
        T found = 0;                                                                           \
        for (int64_t i = 0; i < n; i++) found = BEYOND(x[i], LIMIT, X) ? 1 : found;            \
        return found != 0;                                                                     \
    }                                                                                          \
    static void ISA(sin_##X)(ARGUMENTS) {                                                      \
        if (ISA(any_beyond_##X)(pa, n)) beyond_##X(ISA(small_sin_##X), SIN, LIMIT, out, pa, n); \
        else ISA(small_sin_##X)(out, pa, pb, pc, n);                                           \
    }                                                                                          \
    static void ISA(cos_##X)(ARGUMENTS) {                                                      \
        if (ISA(any_beyond_##X)(pa, n)) beyond_##X(ISA(small_cos_##X), COS, LIMIT, out, pa, n); \
        else ISA(small_cos_##X)(out, pa, pb, pc, n);                                           \
    }
ANGLES(float, f, sinf, cosf)
ANGLES(double, d, sin, cos)

/* arctan a = arctan t + a multiple of pi/4, |t| <= tan(pi/8) */
INLINE double ISA(arctan_poly_d)(double z) {
    double w = z * z;
    double even = FMA_D(FMA_D(FMA_D(FMA_D(FMA_D(
        -0x1.3a2f1cc1ba3c5p-6, w, -0x1.a0993ef875d4ap-5), w, -0x1.10fa76aa9b02cp-4), w,
        -0x1.745d0b27da190p-4), w, -0x1.2492492436180p-3), w, -0x1.5555555555555p-2);
    double odd = FMA_D(FMA_D(FMA_D(FMA_D(
        0x1.4161b24be475bp-5, w, 0x1.dfe637a48099bp-5), w, 0x1.3b1262f3a2b5bp-4), w,
        0x1.c71c7185386f1p-4), w, 0x1.999999999934bp-3);
    return FMA_D(odd, z, even);
}
INLINE float ISA(arctan_poly_f)(float z) {
    return FMA_F(FMA_F(FMA_F(FMA_F(
        -0x1.084476p-4f, z, 0x1.b80feap-4f), z, -0x1.242032p-3f), z, 0x1.999730p-3f), z,
        -0x1.555554p-2f);
}
#define ARCTAN(T, X, FMA, HIGH, LOW)                                                           \
    INLINE T ISA(arctan_of_##X)(T x) {                                                         \
        T a = ABS_##X(x), up = a > (T)2.414213562373095, mid = a > (T)0.41421356237309503;     \
        T over = up != 0 ? -1 : mid != 0 ? a - 1 : a, under = up != 0 ? a : mid != 0 ? a + 1 : 1; \
        T t = over / under, z = t * t, eighths = up + mid;                                     \
        T y = FMA(t * z, ISA(arctan_poly_##X)(z), eighths * (T)LOW) + t;                       \
        return COPYSIGN_##X(eighths * (T)HIGH + y, x);                                         \
    }                                                                                          \
    HEAVY(arctan_##X, T, ISA(arctan_of_##X))
ARCTAN(float, f, FMA_F, 0x1.921fb6p-1f, -0x1.777a5cp-26f)
ARCTAN(double, d, FMA_D, 0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55)

#undef PI_HALVES
#undef LIMIT
#undef ANGLES
#undef ARCTAN
