// nest_forms.h: for nests.c, what is not one element-wise record: gradients of what selects, selects whose conditions
// lie in memory, and rows that are reduced, moved or windowed. In the text @ is the innermost extent, # is @ + 3, and %
// is the number of windows of 3 in steps of 2.
#ifndef DLC_NEST_FORMS_H
#define DLC_NEST_FORMS_H

typedef struct Form {
    const char *name, *params, *body, *results;
} Form;

#define GRADIENT(NAME, SHAPE, EXPRESSION)                                                                              \
    {                                                                                                                  \
        NAME, "x: f32[" SHAPE "], r: f32[" SHAPE "]", "y = " EXPRESSION "; g = grad(sum(y * r), x); return y, g",      \
            "y: f32[" SHAPE "], g: f32[" SHAPE "]"                                                                     \
    }
#define GRADIENTS(NAME, EXPRESSION)                                                                                    \
    GRADIENT(NAME, "N, @", EXPRESSION), GRADIENT(NAME "_planes", "N, 3, @", EXPRESSION),                               \
        GRADIENT(NAME "_fixed", "7, @", EXPRESSION)
#define SELECTS(TYPE, SHAPE, AT)                                                                                       \
    {"select_" TYPE AT, "c: bool[" SHAPE "], a: " TYPE "[" SHAPE "], b: " TYPE "[" SHAPE "]",                          \
     "return select(c, a, b)", "y: " TYPE "[" SHAPE "]"},                                                              \
        {"keep_" TYPE AT, "c: bool[" SHAPE "], a: " TYPE "[" SHAPE "]", "return select(c, a, 3)",                      \
         "y: " TYPE "[" SHAPE "]"},                                                                                    \
        {"replace_" TYPE AT, "c: bool[" SHAPE "], d: bool[" SHAPE "], a: " TYPE "[" SHAPE "]",                         \
         "return select(c and not d, 2, select(d, 1, a))", "y: " TYPE "[" SHAPE "]"},                                  \
    {                                                                                                                  \
        "above_" TYPE AT, "a: " TYPE "[" SHAPE "], b: " TYPE "[" SHAPE "]",                                            \
            "h = max(a, 2); return h, select(h > 2, b, 0), h > b",                                                     \
            "h: " TYPE "[" SHAPE "], y: " TYPE "[" SHAPE "], m: bool[" SHAPE "]"                                       \
    }
#define ROWS(TYPE)                                                                                                     \
    {"rows_" TYPE, "a: " TYPE "[N, @]", "return max(a, axis=1), min(a, axis=1)", "y: " TYPE "[N], z: " TYPE "[N]"}, {  \
        "columns_" TYPE, "a: " TYPE "[N, 5, @]", "return max(a, axis=1), min(a, axis=0)",                              \
            "y: " TYPE "[N, @], z: " TYPE "[5, @]"                                                                     \
    }

static const Form forms[] = {
    GRADIENTS("relu", "relu(x)"),
    GRADIENTS("relu6", "relu6(x)"),
    GRADIENTS("leaky_relu", "leaky_relu(x, 0.25)"),
    GRADIENTS("hardswish", "hardswish(x)"),
    GRADIENTS("hardtanh", "hardtanh(x)"),
    GRADIENTS("hardsigmoid", "hardsigmoid(x)"),
    GRADIENTS("hardshrink", "hardshrink(x)"),
    GRADIENTS("softshrink", "softshrink(x)"),
    GRADIENTS("threshold", "threshold(x, 0.5, 2)"),
    GRADIENTS("clamp", "clamp(x, -1, 1)"),
    GRADIENTS("elu", "elu(x)"),
    GRADIENTS("abs", "abs(x)"),
    GRADIENTS("larger", "max(x, r)"),
    GRADIENTS("dropout", "dropout(x, 0.25)"),
    GRADIENT("pool_same", "N, 2, @", "max_pool1d(x, 3, stride=1, padding=1)"),
    GRADIENT("pool_planes", "N, 2, 4, @", "max_pool2d(x, 3, stride=1, padding=1)"),
    GRADIENT("softmax", "N, @", "softmax(x, axis=1)"),
    GRADIENT("cumsum", "N, @", "cumsum(x, 1)"),
    GRADIENT("many_relu", "L, @", "relu(x)"),
    GRADIENT("many_hardswish", "L, @", "hardswish(x)"),
    GRADIENT("many_clamp", "L, @", "clamp(x, -1, 1)"),
    {"clamp_between", "x: f32[N, @], lo: f32[N, @], hi: f32[N, @], r: f32[N, @]",
     "y = clamp(x, lo, hi); g = grad(sum(y * r), x); return y, g", "y: f32[N, @], g: f32[N, @]"},
    {"pool", "x: f32[N, 2, @], r: f32[N, 2, %]",
     "y = max_pool1d(x, 3, stride=2, padding=1); g = grad(sum(y * r), x); return y, g",
     "y: f32[N, 2, %], g: f32[N, 2, @]"},
    {"extreme", "x: f32[N, @], r: f32[N]", "y = max(x, axis=1); g = grad(sum(y * r), x); return y, g",
     "y: f32[N], g: f32[N, @]"},
    {"nll_loss", "x: f32[N, @], t: i32[N]", "y = nll_loss(x, t); g = grad(y, x); return y, g",
     "y: f32[], g: f32[N, @]"},
    {"nll_planes", "x: f32[N, 3, @], t: i64[N, @], w: f32[3]",
     "y = nll_loss(x, t, weight=w, reduction=\"none\"); g = grad(sum(y), x); return y, g",
     "y: f32[N, @], g: f32[N, 3, @]"},
    {"cross_entropy", "x: f32[N, @], t: i32[N]", "y = cross_entropy(x, t); g = grad(y, x); return y, g",
     "y: f32[], g: f32[N, @]"},
    {"argmax", "x: f32[N, @]", "return argmax(x, axis=1), argmin(x, axis=1)", "y: i64[N], z: i64[N]"},
    {"padded", "x: f32[N, @]", "return pad(x, [1, 2], value=-7), pad(x, [2, 1], value=1.5)",
     "y: f32[N, #], z: f32[N, #]"},
    {"joined", "x: f32[N, @], r: f32[N, 3]", "return concat([x, r], axis=1), relu(concat([r, x], axis=1))",
     "y: f32[N, #], z: f32[N, #]"},
    {"gathered", "x: f32[7, @], i: i32[N], r: f32[N, @]",
     "y = relu(gather(x, i)); g = grad(sum(y * r), x); return y, g", "y: f32[N, @], g: f32[7, @]"},
    {"product", "x: f32[N, @], r: f32[@, 5]", "y = relu(matmul(x, r)); g = grad(sum(y), x); return y, g",
     "y: f32[N, 5], g: f32[N, @]"},
    {"product_wide", "x: f32[N, 5], r: f32[5, @]", "y = relu6(matmul(x, r)); g = grad(sum(y), r); return y, g",
     "y: f32[N, @], g: f32[5, @]"},
    SELECTS("f32", "N, @", ""),
    SELECTS("f32", "N, 3, @", "_planes"),
    SELECTS("f32", "L, @", "_many"),
    SELECTS("i32", "N, @", ""),
    SELECTS("i64", "N, @", ""),
    SELECTS("u8", "N, @", ""),
    {"select_bool", "c: bool[N, @], a: bool[N, @], b: bool[N, @]", "return select(c, a, b), c == a or not b",
     "y: bool[N, @], z: bool[N, @]"},
    // C compilers warn of integers that are compared with themselves.
    {"itself", "a: i32[N, @], b: u8[N, @]", "return a == a, a < a or b >= b, argmax(a, axis=1), argmin(b, axis=1)",
     "y: bool[N, @], z: bool[N, @], i: i64[N], j: i64[N]"},
    ROWS("f32"),
    ROWS("i32"),
    ROWS("i64"),
    ROWS("u8"),
};
enum { FORMS = sizeof forms / sizeof *forms };

#endif
