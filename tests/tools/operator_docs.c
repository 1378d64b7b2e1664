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
     "All inputs have the shape of the result. Broadcasting is an operator of its own, which the language inserts."},
    {OP_REDUCES, "Sums and contractions",
     "Each has iteration axes with extents, and one affine map per tensor. A read out of range gives 0 (for max and "
     "min, a value\n"
     "that never wins); a write out of range is dropped."},
    {OP_MOVEMENT, "Movement",
     "The same numbers at other indices. In the C, movement becomes part of index expressions."},
    {OP_ALONE, "Kernels of their own", "Sums and replacements in order. Each has a kernel of its own."},
    {OP_SOURCE, "Sources", "Values that depend on the index alone."},
    {OP_INPUT, "Inputs", "Values that are in memory when an entry is called."},
    {~0u, "Random numbers",
     "A pure function of seed, counter, site and element, so that a rerun gives the same numbers."},
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
    printf(
        "# The operators\n\n"
        "`build/tests/operator_docs` prints this page from the records in `compiler/ops/*.c`, and a test compares it. "
        "Every layer, loss\n"
        "and optimiser consists of these operators. Each example is an expression of the language that makes the "
        "operator, with its\n"
        "inputs and their types. How to add one: [adding-an-operator.md](adding-an-operator.md).\n");
    for (int k = 0; k < HEADINGS; k++) {
        printf("\n## %s\n\n%s\n", headings[k].title, headings[k].text);
        for (const Op *const *at = ops; *at; at++)
            if (heading_of(*at) == k) print_op(*at);
    }
    return ferror(stdout) != 0;
}
