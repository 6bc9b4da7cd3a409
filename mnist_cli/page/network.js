// The network of the textbook, 784-hidden-10, for one example: forwards, backwards, and a step.
//
//   z1 = x·W1 + b1      a1 = relu(z1)      z2 = a1·W2 + b2      p = softmax(z2)
//
// as mnist_cli/nn/mlp.py has it for a whole batch. Matrices are stored row by row.

const INPUTS = 784;
const CLASSES = 10;

/** Return the network whose parameters, float32 and little-endian, are given in base64. */
function readNetwork(hidden, base64) {
  const { buffer, length } = bytesOf(base64);
  const view = new DataView(buffer);
  const parameters = new Float32Array(length / 4).map((_, at) => view.getFloat32(4 * at, true));
  return networkOf(hidden, parameters);
}

/** Return the bytes that a text in base64 stands for. */
function bytesOf(base64) {
  const letters = atob(base64);
  return new Uint8Array(letters.length).map((_, at) => letters.charCodeAt(at));
}

/** Return a network whose W1, b1, W2 and b2 are parts of one vector. */
function networkOf(hidden, parameters) {
  let end = 0;
  const part = (length) => parameters.subarray(end, (end += length));
  const W1 = part(INPUTS * hidden), b1 = part(hidden);
  const W2 = part(hidden * CLASSES), b2 = part(CLASSES);
  return { hidden, parameters, W1, b1, W2, b2 };
}

/** Return an image's greys, 0 to 255, as the network's input, 0 to 1. */
function toInput(image) {
  return Float32Array.from(image, (grey) => grey * f32(1 / 255));
}

/** Return z1, a1, z2 and p for an input x. */
function forward({ hidden, W1, b1, W2, b2 }, x) {
  const z1 = Float64Array.from(b1);
  for (let i = 0; i < INPUTS; i++) {
    if (x[i] === 0) continue;
    for (let j = 0; j < hidden; j++) z1[j] += x[i] * W1[i * hidden + j];
  }
  const a1 = z1.map((z) => Math.max(z, 0));
  const z2 = Float64Array.from(b2);
  for (let j = 0; j < hidden; j++) {
    for (let k = 0; k < CLASSES; k++) z2[k] += a1[j] * W2[j * CLASSES + k];
  }
  return { x, z1, a1, z2, p: softmax(z2) };
}

/** Return exp(z)/Σ exp(z); the largest z is subtracted, so that nothing overflows. */
function softmax(z) {
  const most = largestOf(z);
  const exponentials = z.map((value) => Math.exp(value - most));
  const total = sum(exponentials);
  return exponentials.map((value) => value / total);
}

/** Return what each hidden unit adds to the logit of a digit: a1_j·W2_jk. */
function contributions({ W2 }, { a1 }, digit) {
  return a1.map((a, j) => a * W2[j * CLASSES + digit]);
}

/** Return delta2 = ∂L/∂z2 = softmax − labels, where L = −log p of the digit that was meant. */
function outputGradient({ p }, meant) {
  return p.map((value, k) => value - (k === meant ? 1 : 0));
}

/** Take one step of gradient descent on one example: each parameter −= rate·∂L/∂parameter. */
function takeStep(network, { x, meant, rate }) {
  const { hidden, W1, b1, W2, b2 } = network;
  const pass = forward(network, x);
  const { z1, a1 } = pass;
  const delta2 = outputGradient(pass, meant);
  // delta1 = (W2·delta2) ⊙ [z1 > 0], with the W2 from before the step.
  const delta1 = z1.map((z, j) => {
    const row = Array.from(W2.subarray(j * CLASSES, (j + 1) * CLASSES));
    return z > 0 ? sum(row.map((w, k) => w * delta2[k])) : 0;
  });
  for (let j = 0; j < hidden; j++) {
    for (let k = 0; k < CLASSES; k++) W2[j * CLASSES + k] -= rate * a1[j] * delta2[k];
    for (let i = 0; i < INPUTS; i++) W1[i * hidden + j] -= rate * x[i] * delta1[j];
    b1[j] -= rate * delta1[j];
  }
  for (let k = 0; k < CLASSES; k++) b2[k] -= rate * delta2[k];
}

/** Return the network after some steps, from the parameters that it was trained to. */
function afterSteps(trained, steps) {
  const network = networkOf(trained.hidden, trained.parameters.slice());
  for (const step of steps) takeStep(network, step);
  return network;
}
