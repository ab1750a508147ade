// The cross-entropy of labels, one loss for each row, and its gradient, for softproof's process adapter (docs/guides/adapters.md).
//
//     softproof verify --adapter process "node examples/programs/cross_entropy.js"

const fs = require("fs");

let waiting = Buffer.alloc(0); // read, and not yet used

function more() {
  const chunk = Buffer.alloc(1 << 16);
  const length = fs.readSync(0, chunk, 0, chunk.length, null);
  if (length === 0) process.exit(0);
  waiting = Buffer.concat([waiting, chunk.subarray(0, length)]);
}

function bytes(length) {
  while (waiting.length < length) more();
  const found = waiting.subarray(0, length);
  waiting = waiting.subarray(length);
  return found;
}

function line() {
  while (waiting.indexOf(10) < 0) more();
  return bytes(waiting.indexOf(10) + 1).toString().trim();
}

// "array NAME DTYPE NDIM SIZE…", and the bytes that follow that line
function readArray(words) {
  const shape = words.slice(4).map(Number);
  const size = shape.reduce((a, b) => a * b, 1);
  const raw = new Uint8Array(bytes(size * 8)).buffer; // both dtypes here have 8 bytes
  return { shape, data: words[2] === "int64" ? Array.from(new BigInt64Array(raw), Number) : new Float64Array(raw) };
}

function writeAll(message) {
  for (let sent = 0; sent < message.length; ) sent += fs.writeSync(1, message, sent);
}

function write(nonce, arrays) {
  const parts = [Buffer.from(`answer ${nonce}\n`)];
  for (const [name, { shape, data }] of Object.entries(arrays)) {
    parts.push(Buffer.from(["array", name, "float64", shape.length, ...shape].join(" ") + "\n"), Buffer.from(data.buffer));
  }
  writeAll(Buffer.concat([...parts, Buffer.from("end\n")]));
}

// log sum_j exp(z_j - z_t), and g (p - one-hot)
function crossEntropy(z, labels, g) {
  const [rows, classes] = z.shape;
  const loss = new Float64Array(rows);
  const grad = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const x = z.data.subarray(row * classes, (row + 1) * classes);
    const largest = x.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = x.reduce((total, each) => total + Math.exp(each - largest), 0);
    loss[row] = Math.log(sum) - (x[labels.data[row]] - largest);
    for (let j = 0; g && j < classes; j++) {
      grad[row * classes + j] = g.data[row] * (Math.exp(x[j] - largest) / sum - (j === labels.data[row] ? 1 : 0));
    }
  }
  const found = { value: { shape: [rows], data: loss } };
  return g ? { ...found, grad_logits: { shape: z.shape, data: grad } } : found;
}

line(); // softproof 2
const myself = [
  "softproof 2",
  "operation cross_entropy",
  "dtype float64",
  "fixed reduction none",
  "ndim 2",
  "without probabilities unnormalised unbatched invalid_labels",
  "gradients",
  "end",
];
writeAll(Buffer.from(myself.join("\n") + "\n"));
for (;;) {
  const [, nonce] = line().split(" "); // question NONCE
  const given = {};
  for (let words = line().split(" "); words[0] !== "end"; words = line().split(" ")) {
    if (words[0] === "array") given[words[1]] = readArray(words);
  }
  write(nonce, crossEntropy(given.logits, given.target, given.grad_output));
}
