// layer_forms.h: for gradients.c, calls of the prelude's layers: every layer that takes a tensor and whose comment has
// no example stands here. Inputs are drawn between low and high (-2 and 2), each number of a tensor apart from the
// others and from all multiples of 1/2, where the prelude's functions have their kinks; integers are from -1 to 5.
#ifndef DLC_LAYER_FORMS_H
#define DLC_LAYER_FORMS_H

typedef struct LayerForm {
    const char *params, *call;
    double low, high;    // both 0: -2 and 2
    const char *refused; // why there is no gradient, as the user is told
} LayerForm;

#define IMAGE "x: f32[2, 4, 5, 6]"
#define ROW   "x: f32[2, 4, 7]"

static const LayerForm layer_forms[] = {
    // activations.dl: those with parameters beside their examples
    {.params = ROW, .call = "prelu(x, 4)"},
    {.params = ROW, .call = "glu(x, axis=1)"},
    {.params = ROW, .call = "gelu(softplus(x, beta=2, threshold=3))"},
    // convolutions.dl
    {.params = ROW, .call = "channel_bias(x, 9)"},
    {.params = IMAGE, .call = "pad_around(x, [2, 1], \"reflect\")"},
    {.params = IMAGE, .call = "pad_same(x, [3, 4], [1, 1], \"circular\")"},
    {.params = ROW ", w: f32[4, 2, 3]", .call = "convolve_padded(x, w, 2, 1, 1, 2, \"replicate\")"},
    {.params = ROW, .call = "conv1d(x, 6, 3)"},
    {.params = ROW, .call = "conv1d(x, 6, 3, stride=2, padding=2, dilation=2, groups=2)"},
    {.params = ROW, .call = "conv1d(x, 2, 3, padding=\"same\", padding_mode=\"circular\")"},
    {.params = "x: f32[N, 2, 7]", .call = "conv1d(x, 3, 7, bias=false)"},
    {.params = IMAGE, .call = "conv2d(x, 3, 3)"},
    {.params = IMAGE, .call = "conv2d(x, 4, [3, 2], stride=[2, 1], padding=[1, 0], groups=2, bias=false)"},
    {.params = IMAGE, .call = "conv2d(x, 4, 3, stride=3, padding=2, dilation=2, groups=4)"},
    {.params = IMAGE, .call = "conv2d(x, 8, 1, stride=2)"},
    {.params = IMAGE, .call = "conv2d(x, 2, 3, padding=1, padding_mode=\"reflect\")"},
    {.params = "x: f32[N, 2, 4, 4]", .call = "conv2d(x, 2, 3, padding=\"same\")"},
    {.params = ROW, .call = "conv_transpose1d(x, 3, 3)"},
    {.params = ROW, .call = "conv_transpose1d(x, 6, 4, stride=3, padding=1, output_padding=2, groups=2, dilation=2)"},
    {.params = IMAGE, .call = "conv_transpose2d(x, 3, 2, stride=2)"},
    {.params = IMAGE, .call = "conv_transpose2d(x, 2, 3, stride=2, padding=1, output_padding=1, bias=false)"},
    {.params = "x: f32[N, 4, 3, 3]", .call = "conv_transpose2d(x, 4, [3, 2], groups=2, dilation=[1, 2])"},
    // interpolation.dl
    {.params = IMAGE, .call = "repeat_axis(x, 2, 3)"},
    {.params = IMAGE, .call = "interpolate(x, scale_factor=2)"},
    {.params = IMAGE, .call = "interpolate(x, size=[3, 8], mode=\"nearest-exact\")"},
    {.params = IMAGE, .call = "interpolate(x, size=[3, 4], mode=\"area\")"},
    {.params = IMAGE, .call = "interpolate(x, size=[9, 4], mode=\"bilinear\")"},
    {.params = ROW, .call = "interpolate(x, scale_factor=1.7, mode=\"linear\", align_corners=true)"},
    {.params = ROW, .call = "upsample(x, 13, mode=\"linear\")"},
    // layers.dl
    {.params = "x: f32[N, 3, 5]", .call = "linear(x, 4)"},
    {.params = "x: f32[2, 5]", .call = "linear(x, 4, bias=false)"},
    {.params = "x: f32[N, 3, 5]", .call = "flatten(x)"},
    {.params = "x: f32[N, 3, 5]", .call = "softmax(x)"},
    {.params = "x: f32[N, 3, 5]", .call = "softmax(x, axis=1)"},
    {.params = "x: f32[N, 3, 5]", .call = "softmin(x, axis=0)"},
    {.params = "x: f32[N, 3, 5]", .call = "log_softmax(x)"},
    {.params = "x: f32[N, 3, 5]", .call = "log_softmax(x, axis=0)"},
    {.params = "x: i32[N, 3]", .call = "cast(one_hot(x, 4), f32) * embedding(x, 5, 4)"},
    {.params = "x: i64[2, 7]", .call = "embedding(x, 5, 3)"},
    {.params = "x: i32[N]", .call = "embedding(x, 5, 3) @ transpose(embedding(x, 5, 3, name=\"embedding\"), 0, 1)"},
    // losses.dl
    {.params = "x: f32[N, 5], label: i32[N]", .call = "cross_entropy(x, label)"},
    {.params = "x: f32[N, 5], label: i64[N]", .call = "cross_entropy(x, label, 0.2, reduction=\"sum\")"},
    {.params = "x: f32[N, 5], label: i64[N]", .call = "cross_entropy(x, label, reduction=\"none\")"},
    {.params = "input: f32[N, 5], target: f32[N, 5]", .call = "mse_loss(input, target)"},
    {.params = "input: f32[N, 5], target: f32[N, 5]", .call = "mse(input, target, reduction=\"sum\")"},
    {.params = "x: f32[N, 5]", .call = "reduce_loss(x, \"mean\")"},
    // norms.dl: one value a channel would have no variance
    {.params = "x: f32[N, 3]", .call = "batch_norm(x)"},
    {.params = "x: f32[N, 3, 4]", .call = "batch_norm(x, momentum=none, affine=false)"},
    {.params = "x: f32[N, 3, 4]", .call = "batch_norm1d(x, eps=0.1)"},
    {.params = "x: f32[N, 3, 2, 2]", .call = "batch_norm2d(x, track_running_stats=false)"},
    {.params = "x: f32[2, 3, 4]", .call = "standardise(x, [0, 2], 0.01)"},
    {.params = "x: f32[N, 3, 4]", .call = "layer_norm(x)"},
    {.params = "x: f32[N, 3, 4]", .call = "layer_norm(x, 2, bias=false)"},
    {.params = "x: f32[N, 6, 2, 2]", .call = "group_norm(x, 3)"},
    {.params = "x: f32[N, 3, 4]", .call = "instance_norm(x)"},
    {.params = "x: f32[N, 3, 4]", .call = "instance_norm(x, affine=true, track_running_stats=true)"},
    {.params = "x: f32[N, 30]", .call = "dropout(x)"},
    {.params = "x: f32[N, 30]", .call = "dropout(x, 0)"},
    {.params = "x: f32[N, 9, 3]", .call = "dropout2d(x, 0.3)"},
    // pooling.dl
    {.params = ROW, .call = "max_pool1d(x, 3, stride=2, padding=1)"},
    {.params = ROW, .call = "max_pool1d(x, 2, dilation=2, ceil_mode=true)"},
    {.params = IMAGE, .call = "max_pool2d(x, 2)"},
    {.params = IMAGE, .call = "max_pool2d(x, [2, 3], stride=1, padding=1)"},
    {.params = ROW, .call = "avg_pool1d(x, 2)"},
    {.params = ROW, .call = "avg_pool1d(x, 3, stride=2, padding=1, ceil_mode=true, count_include_pad=false)"},
    {.params = IMAGE, .call = "avg_pool2d(x, 3, stride=2, padding=1)"},
    {.params = IMAGE, .call = "avg_pool2d(x, 2, ceil_mode=true, divisor_override=3)"},
    {.params = ROW, .call = "adaptive_avg_pool1d(x, 3)"},
    {.params = IMAGE, .call = "adaptive_avg_pool2d(x, [2, 4])"},
    {.params = IMAGE, .call = "adaptive_avg_pool2d(x, 1)"},
    {.params = ROW, .call = "adaptive_max_pool1d(x, 3)"},
    {.params = IMAGE, .call = "adaptive_max_pool2d(x, [2, 4])"},
    {.params = IMAGE, .call = "global_avg_pool(x)"},
    {.params = IMAGE, .call = "global_max_pool(x)"},
    // reductions.dl
    {.params = "x: f32[N, 3, 4]", .call = "x * axes_count(x, 0)"},
    {.params = "x: f32[N, 3, 4]", .call = "mean(x)"},
    {.params = "x: f32[N, 3, 4]", .call = "mean(x, axis=[0, 2])"},
    {.params = "x: f32[N, 3, 4]", .call = "var(x, axis=0)"},
    {.params = "x: f32[N, 3, 4]", .call = "var(x, correction=0)"},
    {.params = "x: f32[N, 3, 4]", .call = "std(x, axis=-1, keepdim=true)"},
    {.params = "x: f32[N, 3, 4]", .call = "logsumexp(x, axis=1)"},
    {.params = "x: f32[N, 3, 4]", .call = "logsumexp(x)"},
    {.params = "x: f32[N, 3, 5]", .call = "prod(x, axis=2)"},
    {.params = "x: f32[2, 3]", .call = "prod(x)"},
    {.params = "x: f32[1, 3, 1]", .call = "drop_axes(x, [0, -1])"},
    {.params = "x: f32[N, 3]", .call = "cast(argmax(x, axis=1), f32)", .refused = "i64 numbers have no gradient"},
    {.params = "x: f32[2, 3]", .call = "cast(argmin(x), f32)", .refused = "i64 numbers have no gradient"},
    {.params = "x: f32[N, 3]", .call = "x * cast(argmax(x, axis=1, keepdim=true), f32)", .refused = "i64 numbers"},
    // operators whose results layers are made of, with run-time sizes and in parts
    {.params = "x: f32[N, 3, 4], i: i32[5]", .call = "gather(x[:, :, ::-1], i, axis=1)"},
    {.params = "x: f32[5, 3], i: i32[N], v: f32[N, 3]", .call = "scatter_add(x, i, v) * 0.5"},
    {.params = "x: f32[N, 4], z: f32[1, 4]", .call = "concat([x * z, x], axis=1)[:, 1:7]"},
    {.params = "x: f32[N, 4], z: f32[N, 4]", .call = "max(x, z) * min(x, 0.25) / (1 + abs(z))"},
    {.params = "x: f32[N, 4], z: f32[4]", .call = "x ** z + clip(x, 0.75, 1.25) * sqrt(z)", .low = 0.3, .high = 2},
    // gradients as values: those of first order here are second derivatives, those of second order third ones
    {.params = "x: f32[N, 4]", .call = "grad(sum(linear(softplus(linear(x, 6)), 1, name=\"out\")), x) ** 2"},
    {.params = "x: f32[N, 4]", .call = "grad(mean(batch_norm(x) ** 3), x)"},
    {.params = IMAGE, .call = "grad(sum(tanh(conv2d(x, 3, 3, stride=2, padding=1))), x)"},
    {.params = "x: f32[N, 5]", .call = "grad(logsumexp(x ** 2), x) * grad(sum(gelu(x) * layer_norm(x)), x)"},
};

#endif
