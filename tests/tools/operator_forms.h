// operator_forms.h: for operators.c, the operators that are not element-wise, in the forms that the language and
// gradients make of them.
#ifndef DLC_OPERATOR_FORMS_H
#define DLC_OPERATOR_FORMS_H

typedef struct Form {
    const char *op, *params, *body, *result;
} Form;

static const Form forms[] = {
    {"contract", "a: f32[R, 45], b: f32[45, 19]", "a @ b", "f32[R, 19]"},
    {"contract", "a: f32[45, R], b: f32[45, 19]", "transpose(a, 0, 1) @ b", "f32[R, 19]"},
    {"contract", "a: f32[23, 45], b: f32[19, 45]", "a @ transpose(b, 0, 1)", "f32[23, 19]"},
    {"contract", "a: f32[45, 23], b: f32[R, 45]", "transpose(a, 0, 1) @ transpose(b, 0, 1)", "f32[23, R]"},
    {"contract", "a: f32[7, R], b: f32[R, 35]", "a @ b", "f32[7, 35]"},
    {"contract", "a: f32[3, 2500], b: f32[2500, 33]", "a @ b", "f32[3, 33]"},
    {"contract", "a: f32[M, 5, 45], b: f32[45, 7]", "a @ b", "f32[M, 5, 7]"},
    {"contract", "a: f32[M, 5, 9], b: f32[M, 9, 17]", "a @ b", "f32[M, 5, 17]"},
    {"contract", "a: f32[1, 45], b: f32[45, 1]", "a @ b", "f32[1, 1]"},
    {"contract", "a: f32[R, 45], b: f32[45, 1]", "a @ b", "f32[R, 1]"},
    {"contract", "a: i32[R, 45], b: i32[45, 19]", "a @ b", "i32[R, 19]"},
    {"contract", "a: i64[7, 9], b: i64[9, 5]", "a @ b", "i64[7, 5]"},
    {"contract", "a: u8[7, 9], b: u8[9, 5]", "a @ b", "u8[7, 5]"},
    {"reduce", "x: f32[M, 45]", "sum(x, axis=1)", "f32[M]"},
    {"reduce", "x: f32[M, 45]", "sum(x, axis=0)", "f32[45]"},
    {"reduce", "x: f32[M, R]", "sum(x, axis=1)", "f32[M]"},
    {"reduce", "x: f32[R, 45]", "sum(x)", "f32[]"},
    {"reduce", "x: f32[5, 7, 45]", "sum(x, axis=[0, 2])", "f32[7]"},
    {"reduce", "x: f32[4, 5000]", "sum(x, axis=1)", "f32[4]"},
    {"reduce", "x: f32[M, 45]", "max(x, axis=1)", "f32[M]"},
    {"reduce", "x: f32[R, 45]", "max(x, axis=0)", "f32[45]"},
    {"reduce", "x: f32[M, R]", "min(x, axis=1)", "f32[M]"},
    {"reduce", "x: f32[R, 45]", "min(x, axis=0)", "f32[45]"},
    {"reduce", "x: i32[R, 45]", "sum(x, axis=1)", "i64[R]"},
    {"reduce", "x: i64[R, 45]", "sum(x, axis=0)", "i64[45]"},
    {"reduce", "x: u8[R, 45]", "sum(x)", "i64[]"},
    {"reduce", "x: i32[R, 45]", "max(x, axis=1)", "i32[R]"},
    {"reduce", "x: u8[R, 45]", "min(x, axis=1)", "u8[R]"},
    {"reduce", "x: i64[R, 45]", "min(x, axis=0)", "i64[45]"},
    {"reshape", "x: f32[M, 45]", "reshape(x, [M, 9, 5])", "f32[M, 9, 5]"},
    {"reshape", "x: f32[6, 35]", "reshape(x, [14, 15])", "f32[14, 15]"},
    {"reshape", "x: i64[4, R, 6]", "reshape(x, [2, 2, R, 2, 3])", "i64[2, 2, R, 2, 3]"},
    {"transpose", "x: f32[R, 45]", "transpose(x, 0, 1)", "f32[45, R]"},
    {"transpose", "x: f32[3, R, 45]", "permute(x, [2, 0, 1])", "f32[45, 3, R]"},
    {"transpose", "x: u8[7, 45]", "transpose(x, 0, 1)", "u8[45, 7]"},
    {"transpose", "x: bool[R, 7]", "transpose(x, 0, 1)", "bool[7, R]"},
    {"broadcast", "x: f32[45]", "broadcast(x, [R, 45])", "f32[R, 45]"},
    {"broadcast", "x: f32[R, 1]", "broadcast(x, [R, 45])", "f32[R, 45]"},
    {"broadcast", "x: i32[1, 45]", "broadcast(x, [M, R, 45])", "i32[M, R, 45]"},
    {"broadcast", "x: f32[]", "broadcast(x, [R, 45])", "f32[R, 45]"},
    {"detach", "x: f32[R, 45]", "detach(x)", "f32[R, 45]"},
    {"slice", "x: f32[R, 45]", "x[:, 3:40]", "f32[R, 37]"},
    {"slice", "x: f32[M, 9, 45]", "x[:, ::-2, 40:3:-3]", "f32[M, 5, 13]"},
    {"slice", "x: f32[9, R]", "x[7, :]", "f32[R]"},
    {"slice", "x: i64[R, 7]", "x[0, 1:]", "i64[6]"},
    {"slice", "x: bool[R, 7]", "flip(x, 1)", "bool[R, 7]"},
    {"slice", "x: f32[R, 44]", "split(x, 2, axis=1)[1] * split(x, 2, axis=1)[0]", "f32[R, 22]"},
    {"pad", "x: f32[R, 45]", "pad(x, [3, 2], value=1.5)", "f32[R, 50]"},
    {"pad", "x: f32[M, 5, 45]", "pad(x, [0, 0, 2, 1])", "f32[M, 8, 45]"},
    {"pad", "x: i32[R, 7]", "pad(x, [-2, 3], value=-7)", "i32[R, 8]"},
    {"pad", "x: bool[R, 7]", "pad(x, [1, 1], value=true)", "bool[R, 9]"},
    {"pad", "x: f32[R, 3]", "pad(x, [1, 1])[:, 0::-2]", "f32[R, 1]"},
    {"reduce", "x: f32[M, 3, 6]", "max_pool1d(interpolate(x, scale_factor=2), 3, stride=1, padding=1)",
     "f32[M, 3, 12]"},
    {"reduce", "x: f32[M, 3, 9, 45]", "max_pool2d(x, 3, stride=2, padding=1)", "f32[M, 3, 5, 23]"},
    {"reduce", "x: f32[M, 3, 8, 32]", "max_pool2d(x, 2)", "f32[M, 3, 4, 16]"},
    {"reduce", "x: f32[M, 3, 8, 45]", "max_pool2d(relu(x), [1, 2], stride=1, ceil_mode=true)", "f32[M, 3, 8, 44]"},
    {"reduce", "x: f32[M, 3, 45]", "pool(x, \"sum\", [3], 2, 1, 1, false)", "f32[M, 3, 23]"},
    {"reduce", "x: f32[M, 13, 7, 5]", "global_max_pool(x)", "f32[M, 13]"},
    {"concat", "a: f32[R, 9], b: f32[R, 35]", "concat([a, b, a], axis=1)", "f32[R, 53]"},
    {"concat", "a: f32[3, R, 45], b: f32[2, R, 45]", "relu(concat([a, b])) * 2", "f32[5, R, 45]"},
    {"concat", "a: u8[7, 2], b: u8[7, 3]", "concat([a, b], axis=-1)", "u8[7, 5]"},
    {"concat", "x: f32[R, 45]", "pad(x, [3, 4], mode=\"reflect\")", "f32[R, 52]"},
    {"concat", "x: f32[M, 5, 9]", "pad(x, [1, 2, 3, 4], mode=\"replicate\")", "f32[M, 12, 12]"},
    {"concat", "x: f32[M, 5, 9]", "pad(x, [1, 2, 3, 4], mode=\"circular\")", "f32[M, 12, 12]"},
    {"gather", "x: f32[99, 45], i: i32[R]", "gather(x, i)", "f32[R, 45]"},
    {"gather", "x: f32[R, 45], i: i64[M, 7]", "gather(x, i)", "f32[M, 7, 45]"},
    {"gather", "x: f32[R, 45], i: i64[M]", "gather(x, i, axis=1)", "f32[R, M]"},
    {"gather", "x: f32[R, 45], i: i32[]", "gather(x * 2, i, axis=1)", "f32[R]"},
    {"gather", "x: u8[5, 3], i: i64[R]", "gather(transpose(x, 0, 1), i)", "u8[R, 5]"},
    {"gather", "x: f32[4, 45], i: i32[R]", "gather(reshape(x, [12, 15]), i)", "f32[R, 15]"},
    {"scatter_add", "x: f32[99, 45], i: i32[R], v: f32[R, 45]", "scatter_add(x, i, v)", "f32[99, 45]"},
    {"scatter_add", "x: f32[R, 9], i: i64[M, 7], v: f32[M, 7, 9]", "scatter_add(x, i, v)", "f32[R, 9]"},
    {"scatter_add", "x: f32[R, 45], i: i64[M], v: f32[R, M]", "scatter_add(x, i, v, axis=1)", "f32[R, 45]"},
    {"scatter_add", "x: i32[45], i: i32[R], v: i32[R]", "scatter_add(x, i, v)", "i32[45]"},
    {"update", "x: f32[99, 45], i: i32[R], v: f32[R, 45]", "update(x, i, v)", "f32[99, 45]"},
    {"update", "x: f32[R, 9], i: i64[M, 7], v: f32[M, 7, 9]", "update(x * 2, i, v * 3)", "f32[R, 9]"},
    {"update", "x: f32[R, 45], i: i64[M], v: f32[R, M]", "update(x, i, v, axis=1)", "f32[R, 45]"},
    {"update", "x: f32[R, 9, 5], i: i32[R], v: f32[R, 5]", "update(x, i, v, batch_axes=1)", "f32[R, 9, 5]"},
    {"update", "x: f32[R, 4, 9, 5], i: i32[R, 3], v: f32[R, 4, 3, 5]", "update(x, i, v, 2, 1)", "f32[R, 4, 9, 5]"},
    {"update", "x: bool[45], i: i32[], v: bool[]", "update(x, i, v)", "bool[45]"},
    {"update", "x: f32[R, 9], i: i32[M]", "update(cumsum(x, 0), i % 2, gather(cumsum(x, 0), i % 2) * 2)", "f32[R, 9]"},
    {"cumsum", "x: f32[R, 45]", "cumsum(x, 1)", "f32[R, 45]"},
    {"cumsum", "x: f32[R, 45]", "cumsum(x, axis=0)", "f32[R, 45]"},
    {"cumsum", "x: f32[M, R, 5]", "cumsum(x * 2, 1)", "f32[M, R, 5]"},
    {"cumsum", "x: u8[R]", "cumsum(x, 0)", "i64[R]"},
    {"iota", "", "iota([R, 45], axis=0, dtype=i32)", "i32[R, 45]"},
    {"iota", "", "iota([R, 45], axis=1, dtype=f32)", "f32[R, 45]"},
    {"iota", "", "iota([7, 300], axis=1, dtype=u8)", "u8[7, 300]"},
    {"iota", "", "iota([R, M], axis=0, dtype=i64)", "i64[R, M]"},
    {"iota", "x: f32[R, 45]", "x + iota([R, 45], axis=1, dtype=f32)", "f32[R, 45]"},
    {"constant", "", "full([R, 45], 0.1)", "f32[R, 45]"},
    {"constant", "", "full([R], -7, i32)", "i32[R]"},
    {"constant", "", "full([R], 9007199254740993, i64)", "i64[R]"},
    {"constant", "", "full([45], 200, u8)", "u8[45]"},
    {"size", "x: f32[R, 45]", "x * cast(shape(x, 0), f32)", "f32[R, 45]"},
    {"random", "", "w_uniform", "f32[7, 45]"},
    {"random", "", "w_normal", "f32[7, 45]"},
};

// What only gradients and later layers make: strided and padded windows, as graphs.
static const char windows[] =
    "model contract_convolution(a: f32[M, 3, 9, 17], b: f32[5, 3, 3, 3]) {\n"
    "  %0 = argument {name=\"a\"} : f32[M, 3, 9, 17]\n"
    "  %1 = argument {name=\"b\"} : f32[5, 3, 3, 3]\n"
    "  %2 = contract %0, %1 {shape=[M, 5, 5, 9], iter=[i:M, j:5, k:5, l:9 | m:3, n:3, o:3] out[i, j, k, l] += "
    "a[i, m, 2*k+n-1, 2*l+o-1] * b[j, m, n, o]} : f32[M, 5, 5, 9]\n"
    "  return \"y\" = %2\n"
    "}\n"
    "model contract_input_gradient(a: f32[M, 5, 5, 9], b: f32[5, 3, 3, 3]) {\n"
    "  %0 = argument {name=\"a\"} : f32[M, 5, 5, 9]\n"
    "  %1 = argument {name=\"b\"} : f32[5, 3, 3, 3]\n"
    "  %2 = contract %0, %1 {shape=[M, 3, 9, 17], iter=[i:M, j:3, k:5, l:3, m:9, n:3 | o:5] out[i, j, 2*k+l-1, "
    "2*m+n-1] += a[i, o, k, m] * b[o, j, l, n]} : f32[M, 3, 9, 17]\n"
    "  return \"y\" = %2\n"
    "}\n"
    "model reduce_max_windows(a: f32[M, 9, 45]) {\n"
    "  %0 = argument {name=\"a\"} : f32[M, 9, 45]\n"
    "  %1 = reduce %0 {kind=\"max\", ties=\"first\", shape=[M, 5, 23], iter=[i:M, j:5, k:23 | l:3, m:3] out[i, j, k] "
    "+= a[i, 2*j+l-1, 2*k+m-1]} : f32[M, 5, 23]\n"
    "  return \"y\" = %1\n"
    "}\n"
    "model reduce_sum_windows(a: f32[M, 9, 45]) {\n"
    "  %0 = argument {name=\"a\"} : f32[M, 9, 45]\n"
    "  %1 = reduce %0 {kind=\"sum\", ties=\"even\", shape=[M, 9, 45], iter=[i:M, j:9, k:45 | l:3, m:3] out[i, j, k] += "
    "a[i, j+l-1, k+m-1]} : f32[M, 9, 45]\n"
    "  return \"y\" = %1\n"
    "}\n";

#endif
