/* The expressions of loops.py as a programmer would write them in C, `calls` times. */

#include "vector_math.h"

#define LOOP(name, expression)                                                                    \
    void name(long calls, long n, const double *restrict x, const double *restrict z,             \
              double *restrict y)                                                                 \
    {                                                                                             \
        for (long call = 0; call < calls; call++) {                                               \
            _Pragma("omp parallel for simd schedule(static) if (n > 100000)")                     \
            for (long i = 0; i < n; i++)                                                          \
                y[i] = expression;                                                                \
            __asm__ volatile("" ::: "memory"); /* each call is done again */                      \
        }                                                                                         \
    }

LOOP(copy, x[i])
LOOP(light, (x[i] * z[i] + 0.5) * x[i] - z[i])
LOOP(choice, x[i] > 0 ? x[i] * z[i] + 0.5 : z[i])
LOOP(transcendental, tanh(x[i]) * exp(-(x[i] * x[i])) + sin(z[i]))
LOOP(axpy, 2.0 * x[i] + z[i])

/* y[0] = sum of (2 x + z)². */
void squares(long calls, long n, const double *restrict x, const double *restrict z,
             double *restrict y)
{
    for (long call = 0; call < calls; call++) {
        double sum = 0;
        #pragma omp parallel for simd schedule(static) reduction(+ : sum) if (n > 100000)
        for (long i = 0; i < n; i++)
            sum += (2 * x[i] + z[i]) * (2 * x[i] + z[i]);
        y[0] = sum;
        __asm__ volatile("" ::: "memory");
    }
}
