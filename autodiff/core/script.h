/* Scripts: operations on single numbers, many to one instruction of a program.
 *
 * A program of scalars would spend its time between its kernels. So neighbouring regions of one
 * element are written as a script: 16 bytes a step, operands by base and offset. The numbers are
 * those of the block loops: + - * / are exact everywhere, all else calls the loop. */
#ifndef AUTODIFF_SCRIPT_H
#define AUTODIFF_SCRIPT_H

#include "call.h"
#include "region.h"

#define SCRIPT_BASES 250        /* bases of a program a script can name; then the registers */
#define SCRIPT_REGISTERS 255
#define SCRIPT_REACH (1 << 26)  /* bytes from a base on: an offset is 24 bits, in units of 4 */
#define SCRIPT_LOOPS 64         /* different block loops of one script */

typedef struct ScriptStep {
    uint32_t op;                /* SCRIPT_…, from SCRIPT_CALL on a loop */
    uint32_t out, a, b;         /* base << 24 | offset / 4 */
} ScriptStep;

enum {
    SCRIPT_ADD, SCRIPT_SUBTRACT, SCRIPT_MULTIPLY, SCRIPT_DIVIDE, SCRIPT_SQUARE,
    SCRIPT_FLOAT,               /* added to the above for float32 */
    SCRIPT_COPY = 2 * SCRIPT_FLOAT,  /* 8 bytes */
    SCRIPT_COPY_FLOAT,
    SCRIPT_THIRD,               /* `a` is the third operand of the loop that follows */
    SCRIPT_CALL
};

typedef struct Script {
    int64_t size;
    BlockLoop loops[SCRIPT_LOOPS];
    ScriptStep steps[];
} Script;

static inline uint32_t script_operand(int32_t base, int64_t offset) {
    return (uint32_t)base << 24 | (uint32_t)(offset >> 2);
}

#endif
