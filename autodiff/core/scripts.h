/* The kernel `script`: runs the steps of a script, one after the other. */
#ifndef AUTODIFF_SCRIPTS_H
#define AUTODIFF_SCRIPTS_H

#include "script.h"

#define AT(x) (base[(x) >> 24] + ((x) & 0xFFFFFF) * 4)
#define ON(T, EXPR)                                                                            \
    { T a = *(T *)AT(s->a), b = *(T *)AT(s->b); (void)b; *(T *)AT(s->out) = (EXPR); break; }
#define BOTH_TYPES(NAME, EXPR)                                                                 \
    case SCRIPT_##NAME: ON(double, EXPR)                                                       \
    case SCRIPT_##NAME + SCRIPT_FLOAT: ON(float, EXPR)

static int run_script(const Call *c, char **p, Run *run) {
    const Script *script = (const Script *)c->walk;
    double registers[64];
    char *base[256], *third = NULL;
    for (int32_t k = 0; k < run->n_bases && k < SCRIPT_BASES; k++) base[k] = run->bases[k];
    base[SCRIPT_REGISTERS] = (char *)registers;
    for (const ScriptStep *s = script->steps, *end = s + script->size; s < end; s++) {
        switch (s->op) {
            BOTH_TYPES(ADD, a + b)
            BOTH_TYPES(SUBTRACT, a - b)
            BOTH_TYPES(MULTIPLY, a * b)
            BOTH_TYPES(DIVIDE, a / b)
            BOTH_TYPES(SQUARE, a * a)
            case SCRIPT_COPY: *(uint64_t *)AT(s->out) = *(uint64_t *)AT(s->a); break;
            case SCRIPT_COPY_FLOAT: *(uint32_t *)AT(s->out) = *(uint32_t *)AT(s->a); break;
            case SCRIPT_THIRD: third = AT(s->a); break;
            default: script->loops[s->op - SCRIPT_CALL](AT(s->out), AT(s->a), AT(s->b), third, 1);
        }
    }
    return OK;
}
#undef AT
#undef ON
#undef BOTH_TYPES

#endif
