/* What the hardware and the libraries inside allow: the least that each workload must compute,
   written by hand. Every function does its work `calls` times, so that no call from Python is in
   the time. */

#include "vector_math.h"
#include <string.h>

/* x <- 1.1 tanh(x) + 0.1, `steps` times; value = sum of squares, g its gradient; n <= 64. */
void chain(long calls, long steps, long n, const double *x, double *g, double *value)
{
    static double kept[1024][64];
    for (long call = 0; call < calls; call++) {
        double sum = 0, y[64];
        memcpy(y, x, n * sizeof *x);
        for (long k = 0; k < steps; k++)
            #pragma omp simd
            for (long i = 0; i < n; i++) {
                double t = tanh(y[i]);
                kept[k][i] = t;
                y[i] = 1.1 * t + 0.1;
            }
        for (long i = 0; i < n; i++) {
            sum += y[i] * y[i];
            g[i] = 2 * y[i];
        }
        for (long k = steps - 1; k >= 0; k--)
            #pragma omp simd
            for (long i = 0; i < n; i++)
                g[i] *= 1.1 * (1 - kept[k][i] * kept[k][i]);
        *value = sum;
    }
}

/* value = sum of 100 (b - a²)² + (1 - a)² over neighbours a, b of x; g its gradient. */
void rosenbrock(long calls, long n, const double *x, double *g, double *value)
{
    for (long call = 0; call < calls; call++) {
        double sum = 0;
        #pragma omp simd reduction(+ : sum)
        for (long i = 0; i < n - 1; i++) {
            double u = x[i + 1] - x[i] * x[i], v = 1 - x[i];
            sum += 100 * u * u + v * v;
            g[i] = -400 * u * x[i] - 2 * v;
        }
        g[n - 1] = 0;
        #pragma omp simd
        for (long i = 1; i < n; i++)
            g[i] += 200 * (x[i] - x[i - 1] * x[i - 1]);
        *value = sum;
    }
}

/* A block of the next function: its part of the sum. Sine and cosine are loops of their own, or gcc
   makes one call of them that has no vector form. */
static __attribute__((noinline)) double block(long n, const double *restrict x, double *restrict g)
{
    double sum = 0;
    #pragma omp simd reduction(+ : sum)
    for (long i = 0; i < n; i++) {
        double t = tanh(x[i]), e = exp(-x[i] * x[i]);
        sum += t * e;
        g[i] = (1 - t * t) * e - 2 * x[i] * t * e;
    }
    #pragma omp simd reduction(+ : sum)
    for (long i = 0; i < n; i++)
        sum += sin(x[i]);
    #pragma omp simd
    for (long i = 0; i < n; i++)
        g[i] += cos(x[i]);
    return sum;
}

/* value = sum of tanh(x) exp(-x²) + sin(x), g its gradient, block by block on all threads. */
void elementwise(long calls, long n, const double *x, double *g, double *value)
{
    enum { BLOCK = 1000 };
    for (long call = 0; call < calls; call++) {
        double sum = 0;
        #pragma omp parallel for reduction(+ : sum) schedule(static)
        for (long i = 0; i < n; i += BLOCK)
            sum += block(i + BLOCK < n ? BLOCK : n - i, x + i, g + i);
        *value = sum;
    }
}

typedef void (*gemm)(const char *, const char *, const int *, const int *, const int *,
                     const float *, const float *, const int *, const float *, const int *,
                     const float *, float *, const int *);

/* c = op(a) op(b), row by row: op(a) is m × k, op(b) is k × n, 'T' transposes. */
typedef struct {
    int m, n, k;
    char ta, tb;
    const float *a, *b;
    float *c;
} product;

/* The products of a list one after the other; BLAS reads columns, so it is given bᵀ and aᵀ. */
void products(long calls, gemm sgemm, const product *list, long length)
{
    const float one = 1, zero = 0;
    for (long call = 0; call < calls; call++)
        for (const product *p = list; p < list + length; p++)
            sgemm(&p->tb, &p->ta, &p->n, &p->m, &p->k, &one, p->b, p->tb == 'T' ? &p->k : &p->n,
                  p->a, p->ta == 'T' ? &p->m : &p->k, &zero, p->c, &p->n);
}
