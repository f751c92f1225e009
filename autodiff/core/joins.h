/* A concatenation that is a list of passes, each of which writes to its part of the result. */
#ifndef AUTODIFF_JOINS_H
#define AUTODIFF_JOINS_H

#include "call.h"

typedef struct Piece {
    const Call *call;           /* a pass; its operands lie in a row, from `first` on */
    int64_t first;
    int64_t offset;             /* of the first byte of its result */
} Piece;

typedef struct Join {
    int64_t n;
    int64_t widest;             /* most operands of one piece */
    Piece *pieces;
} Join;

static int run_join(const Call *c, char **p, Run *run) {
    const Join *join = (const Join *)c->walk;
    char *operands[join->widest + 1];
    for (int64_t k = 0; k < join->n; k++) {
        const Piece *piece = &join->pieces[k];
        int32_t n = piece->call->n_inputs;
        memcpy(operands, p + piece->first, n * sizeof(char *));
        operands[n] = p[c->n_inputs] + piece->offset;
        int status = piece->call->kernel(piece->call, operands, run);
        if (status != OK) return status;
    }
    return OK;
}

#endif
