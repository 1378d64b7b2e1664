// operator_docs.c: prints docs/operators.md from the table of operators.
//     operator_docs > docs/operators.md        tests/docs/run.sh fails when the two differ
#include <stdio.h>

#include "ops/op.h"

// In the order of the page; an operator stands in the first group that it has a trait of, the last takes the rest.
typedef struct Heading {
    unsigned traits;
    const char *title, *text;
} Heading;

static const Heading headings[] = {
    {OP_ELEMENTWISE, "Element-wise",
     "All inputs have one shape, which is the result's: broadcasting is an operator of its own, which the language "
     "puts in."},
    {OP_REDUCES, "Sums and contractions",
     "Iteration axes with extents, and one affine map for each tensor. Reads out of range are 0 (or what never wins), "
     "writes out of\n"
     "range are dropped."},
    {OP_MOVEMENT, "Movement", "The same numbers at other indices. In the C they vanish into index expressions."},
    {OP_ALONE, "Kernels of their own", "Serial sums, one after another, in loops that nothing else shares."},
    {OP_SOURCE, "Sources", "Values that come from nothing but the index."},
    {OP_INPUT, "Inputs", "What is in memory when an entry is called."},
    {~0u, "Random numbers", "A pure function of seed, counter, site and element: a rerun draws the same."},
};
enum { HEADINGS = sizeof headings / sizeof *headings };

static int heading_of(const Op *op) {
    int k = 0;
    while (k < HEADINGS - 1 && !(op->traits & headings[k].traits)) k++;
    return k;
}

// What a reader of the graph wants to know beyond the heading.
static void print_traits(const Op *op) {
    if (op->traits & OP_COMMUTES) printf("- commutes\n");
    if (op->traits & OP_EXPENSIVE) printf("- is stored rather than computed again\n");
    if (op->traits & OP_IDENTITY) printf("- costs nothing: it becomes its input\n");
    if (op->traits & OP_STOPS) printf("- what stands before it counts as constant\n");
}

static void print_error(const Op *op) {
    if (op->traits & OP_ELEMENTWISE && op->ulp > 0)
        printf("- error of the C: at most %g units in the last place\n", op->ulp);
    else if (op->traits & OP_ELEMENTWISE)
        printf("- error of the C: none beyond rounding\n");
    else if (op->traits & OP_REDUCES)
        printf("- error of the C: at most 8 eps sqrt(K) times the same on absolute values, for sums of K terms\n");
}

static void print_op(const Op *op) {
    printf("\n### `%s`\n\n%s.\n\n    %s\n\n", op->name, op->doc, op->example);
    for (const AttrSpec *attr = op->attrs; attr->name; attr++) printf("- attribute `%s`: %s\n", attr->name, attr->doc);
    printf(op->grad ? "- gradient: yes\n" : "- gradient: none, %s\n", op->no_grad);
    print_error(op);
    print_traits(op);
}

int main(void) {
    printf("# The operators\n\n"
           "Printed by `build/tests/operator_docs` from the records in `compiler/ops/*.c`; a test compares. Every "
           "layer, loss and optimiser\n"
           "is made of these. Each example is the language's text that makes the operator; its inputs stand with their "
           "types. How to\n"
           "add one: [adding-an-operator.md](adding-an-operator.md).\n");
    for (int k = 0; k < HEADINGS; k++) {
        printf("\n## %s\n\n%s\n", headings[k].title, headings[k].text);
        for (const Op *const *at = ops; *at; at++)
            if (heading_of(*at) == k) print_op(*at);
    }
    return ferror(stdout) != 0;
}
