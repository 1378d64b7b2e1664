#!/bin/sh
# Writes nets whose training steps take a compiler long: deep ones, a recurrent one written out, large images.
#     nets.sh FOLDER
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
cd "$1"

# step INPUT OPTIMISER: the training step after a model `forward` that classifies.
step() {
    cat <<END
train step(image: $1, label: i32[N], lr: f32[]) -> (loss: f32[]) {
    loss = cross_entropy(forward(image), label)
    minimize loss with $2(lr=lr)
    return loss
}
END
}

sed 's/minimize loss with .*/minimize loss with adam(lr=lr)/' "$top/examples/resnet/mobilenet_v2.dl" >mobilenet.dl

for blocks in 50 100 200; do
    {
        cat <<END
dim N <= 32
layer block(x: T[B, D]) -> T[B, D] {
    return x + (x |> layer_norm(name="ln") |> linear(D, name="fc") |> relu)
}
model forward(image: f32[N, 64]) -> (logits: f32[N, 10]) {
    for i in 0..$blocks { image = image |> block(name="b{i}") }
    return linear(image, 10, name="out")
}
END
        step "f32[N, 64]" adamw
    } >"residual$blocks.dl"
done

{
    cat <<'END'
dim N <= 1
layer block(x: T[B, C, H, W]) -> T[B, C, H, W] {
    return relu(x + conv2d(x, C, 3, padding=1, name="conv"))
}
model forward(image: f32[N, 16, 16, 16]) -> (logits: f32[N, 10]) {
    for i in 0..300 { image = image |> block(name="b{i}") }
    return image |> global_avg_pool |> linear(10, name="out")
}
END
    step "f32[N, 16, 16, 16]" sgd
} >convolutions300.dl

{
    cat <<'END'
dim N <= 32
layer cell(x: T[B, D], h: T[B, H], c: T[B, H]) {
    z = linear(x, 4 * H, name="ih") + linear(h, 4 * H, name="hh")
    c2 = sigmoid(z[:, H:2 * H]) * c + sigmoid(z[:, 0:H]) * tanh(z[:, 2 * H:3 * H])
    return sigmoid(z[:, 3 * H:4 * H]) * tanh(c2), c2
}
model forward(image: f32[N, 16, 32]) -> (logits: f32[N, 10]) {
    h = full([N, 64], 0.0, f32)
    c = full([N, 64], 0.0, f32)
    for t in 0..16 { h, c = cell(image[:, t, :], h, c, name="lstm") }
    return linear(h, 10, name="out")
}
END
    step "f32[N, 16, 32]" adam
} >lstm16.dl

{
    cat <<'END'
dim N <= 8
layer dense(x: T[B, C, H, W]) {
    y = x |> batch_norm2d(name="norm1") |> relu |> conv2d(128, 1, bias=false, name="conv1")
          |> batch_norm2d(name="norm2") |> relu |> conv2d(32, 3, padding=1, bias=false, name="conv2")
    return concat([x, y], axis=1)
}
layer transition(x: T[B, C, H, W]) {
    return x |> batch_norm2d(name="norm") |> relu |> conv2d(C // 2, 1, bias=false, name="conv") |> avg_pool2d(2)
}
model forward(image: f32[N, 3, 224, 224]) -> (logits: f32[N, 1000]) {
    x = image |> conv2d(64, 7, stride=2, padding=3, bias=false, name="conv0") |> batch_norm2d(name="norm0") |> relu
              |> max_pool2d(3, stride=2, padding=1)
    stage = 1
    for count in [6, 12, 24, 16] {
        for i in 0..count { x = dense(x, name="denseblock{stage}.denselayer{i}") }
        if stage < 4 { x = transition(x, name="transition{stage}") }
        stage = stage + 1
    }
    return x |> batch_norm2d(name="norm5") |> relu |> global_avg_pool |> linear(1000, name="classifier")
}
END
    step "f32[N, 3, 224, 224]" adam
} >densenet.dl

{
    cat <<'END'
dim N <= 8
layer cba(x: T[B, C, H, W], out: int, kernel: int = 1, stride: int = 1, groups: int = 1) {
    return x |> conv2d(out, kernel, stride, padding=kernel // 2, groups=groups, bias=false, name="0")
             |> batch_norm2d(name="1") |> silu
}
layer squeeze_excite(x: T[B, C, H, W], hidden: int) {
    s = mean(x, axis=[2, 3], keepdim=true) |> conv2d(hidden, 1, name="fc1") |> silu
    return x * (s |> conv2d(C, 1, name="fc2") |> sigmoid)
}
layer mbconv(x: T[B, C, H, W], out: int, expand: int, kernel: int, stride: int) {
    h = x
    if expand != 1 { h = cba(h, C * expand, name="expand") }
    h = h |> cba(C * expand, kernel, stride, C * expand, name="dw") |> squeeze_excite(C // 4, name="se")
          |> conv2d(out, 1, bias=false, name="project") |> batch_norm2d(name="norm")
    if stride == 1 and C == out { h = h + x }
    return h
}
model forward(image: f32[N, 3, 224, 224]) -> (logits: f32[N, 1000]) {
    x = cba(image, 32, 3, 2, name="stem")
    number = 0
    for stage in [[1, 16, 1, 3, 1], [6, 24, 2, 3, 2], [6, 40, 2, 5, 2], [6, 80, 3, 3, 2], [6, 112, 3, 5, 1], [6, 192, 4, 5, 2], [6, 320, 1, 3, 1]] {
        stride = stage[4]
        for i in 0..stage[2] {
            x = mbconv(x, stage[1], stage[0], stage[3], stride, name="blocks.{number}")
            number = number + 1
            stride = 1
        }
    }
    return x |> cba(1280, name="head") |> global_avg_pool |> dropout(0.2) |> linear(1000, name="classifier")
}
END
    step "f32[N, 3, 224, 224]" adam
} >efficientnet.dl

{
    cat <<'END'
dim N <= 4
dim S = 128
layer double_conv(x: T[B, C, H, W], out: int) -> T[B, out, H, W] {
    return x |> conv2d(out, 3, padding=1, bias=false, name="0") |> batch_norm2d(name="1") |> relu
             |> conv2d(out, 3, padding=1, bias=false, name="3") |> batch_norm2d(name="4") |> relu
}
layer up(x: T[B, C, H, W], skip: T[B, D, Y, X], out: int) {
    y = conv_transpose2d(x, out, 2, stride=2, name="up")
    return concat([skip, y], axis=1) |> double_conv(out, name="conv")
}
model forward(image: f32[N, 3, S, S]) -> (logits: f32[N, 2, S, S]) {
    a = double_conv(image, 32, name="d1")
    b = a |> max_pool2d(2) |> double_conv(64, name="d2")
    c = b |> max_pool2d(2) |> double_conv(128, name="d3")
    d = c |> max_pool2d(2) |> double_conv(256, name="d4")
    e = d |> max_pool2d(2) |> double_conv(512, name="d5")
    y = up(up(up(up(e, d, 256, name="u4"), c, 128, name="u3"), b, 64, name="u2"), a, 32, name="u1")
    return conv2d(y, 2, 1, name="out")
}
train step(image: f32[N, 3, S, S], target: f32[N, 2, S, S], lr: f32[]) -> (loss: f32[]) {
    logits = forward(image)
    loss = mean(softplus(logits) - target * logits)
    minimize loss with adam(lr=lr)
    return loss
}
END
} >unet.dl
