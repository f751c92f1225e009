/* The expressions of loops.py as a programmer would write them in C, `calls` times. */

#include "vector_math.h"
#include <omp.h>

/* A loop for one thread, where the compiler sees that no array overlaps another, and the function
   that gives each thread its part of a long array. */
#define LOOP(name, expression)                                                                    \
    static __attribute__((noinline)) void name##_part(                                            \
        long n, const double *restrict x, const double *restrict z, double *restrict y)           \
    {                                                                                             \
        _Pragma("omp simd")                                                                       \
        for (long i = 0; i < n; i++)                                                              \
            y[i] = expression;                                                                    \
    }                                                                                             \
    void name(long calls, long n, const double *x, const double *z, double *y)                    \
    {                                                                                             \
        for (long call = 0; call < calls; call++) {                                               \
            if (n < 100000) {                                                                     \
                name##_part(n, x, z, y);                                                          \
                continue;                                                                         \
            }                                                                                     \
            _Pragma("omp parallel")                                                               \
            {                                                                                     \
                long part = omp_get_thread_num(), parts = omp_get_num_threads();                  \
                long from = n * part / parts, to = n * (part + 1) / parts;                        \
                name##_part(to - from, x + from, z + from, y + from);                             \
            }                                                                                     \
        }                                                                                         \
    }

LOOP(copy, x[i])
LOOP(light, (x[i] * z[i] + 0.5) * x[i] - z[i])
LOOP(choice, x[i] > 0 ? x[i] * z[i] + 0.5 : z[i])
LOOP(transcendental, tanh(x[i]) * exp(-(x[i] * x[i])) + sin(z[i]))
LOOP(axpy, 2.0 * x[i] + z[i])

/* y[0] = sum of (2 x + z)². */
void squares(long calls, long n, const double *x, const double *z, double *y)
{
    for (long call = 0; call < calls; call++) {
        double sum = 0;
        #pragma omp parallel for simd schedule(static) reduction(+ : sum) if (n > 100000)
        for (long i = 0; i < n; i++)
            sum += (2 * x[i] + z[i]) * (2 * x[i] + z[i]);
        y[0] = sum;
    }
}
