// The page: paper to draw on, and all that the network makes of it.

const PEN_WIDTH = 22; // pixels of the paper's 280, which are 1.6 of the 20 that a digit gets
const STRIDE = 10; // pixels that a key moves the pen
const TILE = 28, GAP = 4, ZOOM = 2; // of the hidden units' images

const $ = (id) => document.getElementById(id);
const told = JSON.parse($("model").textContent);
const trained = readNetwork(told.hidden, told.parameters);
const samples = bytesOf(told.samples);
const paper = $("paper").getContext("2d", { willReadFrequently: true });

let network = trained; // after the steps that were taken
let steps = []; // {x, meant, rate}
let lines = []; // strokes: lists of [x, y]
let sample = null; // the digit that lies under them
let pass = null; // what the network makes of the drawing: x, z1, a1, z2, p

// ------------------------------------------------------------------------------- from the paper

/** Return the light of each pixel of the paper, 0 to 1. */
function greys() {
  const { width, height } = $("paper");
  const { data } = paper.getImageData(0, 0, width, height);
  return mapped(blank(width, height), (_, at) => data[4 * at] / 255);
}

/** Return what the network is given of a picture: 784 greys, and the steps that led to them. */
function seenOf(picture) {
  const { image, steps } = prepare(picture);
  const { deskew, digitWidth } = told.preprocessing;
  if (deskew) steps.push("brought upright");
  if (digitWidth) steps.push(`brought to a width of ${digitWidth}`);
  return { seen: preprocess(image, told.preprocessing), steps };
}

/** Return the ten probabilities of an image as MNIST has them, 784 greys from 0 to 255. */
function read(image) {
  return Array.from(forward(network, toInput(preprocess(image, told.preprocessing))).p);
}

/** Draw the paper anew: the sample, and the strokes over it. */
function redraw() {
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, paper.canvas.width, paper.canvas.height);
  if (sample !== null) {
    const small = new OffscreenCanvas(SIDE, SIDE);
    const dots = new ImageData(SIDE, SIDE);
    for (let at = 0; at < SIDE * SIDE; at++) {
      const light = 255 - samples[sample * SIDE * SIDE + at];
      dots.data.set([light, light, light, 255], 4 * at);
    }
    small.getContext("2d").putImageData(dots, 0, 0);
    paper.drawImage(small, 0, 0, paper.canvas.width, paper.canvas.height);
  }
  lines.forEach((line) => drawLine(line, 0));
}

/** Draw a stroke from one of its points on. */
function drawLine(line, from) {
  paper.lineWidth = PEN_WIDTH;
  paper.lineCap = paper.lineJoin = "round";
  paper.strokeStyle = "#000";
  paper.beginPath();
  paper.moveTo(...line[from]);
  for (const point of line.slice(from)) paper.lineTo(...point);
  paper.stroke();
}

// ---------------------------------------------------------------------------- what is shown of it

let isWaiting = false, hasMore = false;

/** Show everything anew, soon; drawing must not wait for it, so it has half of the time. */
function changed() {
  hasMore = true;
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    const start = performance.now();
    hasMore = false;
    showAll();
    setTimeout(() => {
      isWaiting = false;
      if (hasMore) changed();
    }, performance.now() - start);
  });
}

function showAll() {
  let message = "", seen = null, taken = [];
  pass = null;
  if (sample !== null || lines.length) {
    try {
      ({ seen, steps: taken } = seenOf(greys()));
      pass = forward(network, toInput(seen));
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      message = `The drawing ${error.message}`;
    }
  }
  showReading(message);
  showSeen(seen, taken);
  showUnits();
  showGradient();
}

const percent = (p) => `${(100 * p).toFixed(2)}%`;
const signed = (x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(3)}`;
const readAs = () => (pass ? pass.p.indexOf(largestOf(pass.p)) : null);

function showReading(message) {
  const digit = readAs();
  $("digit").textContent = digit ?? "–";
  $("message").textContent = pass ? `with ${percent(pass.p[digit])}` : message || "Nothing drawn yet";
  $("bars").childNodes.forEach((row, k) => {
    const p = pass ? pass.p[k] : 0;
    row.classList.toggle("is-read", k === digit);
    row.querySelector(".bar").style.width = percent(p);
    row.lastChild.textContent = pass ? percent(p) : "";
  });
  say(pass ? `Read as ${digit}, ${percent(pass.p[digit])}` : message);
}

let saying = 0;

/** Say a sentence to who listens, once the drawing rests. */
function say(sentence) {
  clearTimeout(saying);
  saying = setTimeout(() => ($("said").textContent = sentence), 700);
}

function showSeen(seen, taken) {
  const dots = new ImageData(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at++) {
    const grey = seen ? seen[at] : 0;
    dots.data.set([grey, grey, grey, 255], 4 * at);
  }
  $("seen").getContext("2d").putImageData(dots, 0, 0);
  $("seen").ariaLabel = seen ? `The drawing in 28×28 pixels, light on black` : "Nothing yet";
  $("steps").replaceChildren(...taken.map((step) => element("li", step)));
}

// ------------------------------------------------------------------------------- the hidden units

let tiles = null; // the weights' images, side by side; made anew when weights or colours change

/** Return the red, green and blue of a colour of the style sheet. */
function colour(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const long = hex.length === 4 ? hex.replace(/[0-9a-f]/g, "$&$&") : hex;
  return [1, 3, 5].map((at) => parseInt(long.slice(at, at + 2), 16));
}

function makeTiles() {
  const { hidden, W1 } = network;
  const [ground, high, low] = ["--panel", "--for", "--against"].map(colour);
  const dots = new ImageData(TILE * hidden, TILE);
  for (let j = 0; j < hidden; j++) {
    let squares = 0;
    for (let i = 0; i < INPUTS; i++) squares += W1[i * hidden + j] ** 2;
    const most = 3 * Math.sqrt(squares / INPUTS) || 1;
    for (let i = 0; i < INPUTS; i++) {
      const share = clip(W1[i * hidden + j] / most, -1, 1), full = share > 0 ? high : low;
      const mix = ground.map((c, part) => c + Math.abs(share) * (full[part] - c));
      const x = i % SIDE, y = (i - x) / SIDE;
      dots.data.set([...mix, 255], 4 * (y * TILE * hidden + j * TILE + x));
    }
  }
  tiles = new OffscreenCanvas(TILE * hidden, TILE);
  tiles.getContext("2d").putImageData(dots, 0, 0);
}

function showUnits() {
  const { hidden, W2, b2 } = network;
  const chosen = choiceOf("chosen");
  const digit = chosen === "read" ? readAs() : Number(chosen);
  const added = pass && digit !== null ? contributions(network, pass, digit) : new Float64Array(hidden);
  const most = Math.max(1e-9, largestOf(added.map(Math.abs)));
  const canvas = $("units"), columns = hidden > 256 ? 32 : Math.min(16, hidden);
  const size = (count) => ZOOM * (count * (TILE + GAP) + GAP);
  [canvas.width, canvas.height] = [size(columns), size(Math.ceil(hidden / columns))];
  const pen = canvas.getContext("2d");
  pen.scale(ZOOM, ZOOM);
  pen.imageSmoothingEnabled = false;
  const styles = getComputedStyle(document.documentElement);
  if (!tiles) makeTiles();
  for (let j = 0; j < hidden; j++) {
    const x = GAP + (j % columns) * (TILE + GAP), y = GAP + Math.floor(j / columns) * (TILE + GAP);
    const share = Math.abs(added[j]) / most;
    pen.globalAlpha = pass ? 0.35 + 0.65 * share : 1;
    pen.drawImage(tiles, j * TILE, 0, TILE, TILE, x, y, TILE, TILE);
    if (share < 0.05) continue;
    pen.globalAlpha = Math.min(1, 0.3 + share);
    pen.lineWidth = 2;
    pen.setLineDash(added[j] > 0 ? [] : [4, 3]);
    pen.strokeStyle = styles.getPropertyValue(added[j] > 0 ? "--for" : "--against");
    pen.strokeRect(x - 1, y - 1, TILE + 2, TILE + 2);
  }
  const order = Array.from(added.keys()).sort((i, j) => Math.abs(added[j]) - Math.abs(added[i]));
  const strongest = pass ? order.slice(0, 8).filter((j) => added[j]) : [];
  $("strongest").hidden = !strongest.length;
  $("strongest").tBodies[0].replaceChildren(...strongest.map((j) => rowOf(
    j, [pass.a1[j].toFixed(3), signed(W2[j * CLASSES + digit]), signed(added[j])])));
  $("units").ariaLabel = pass && digit !== null
    ? `Weights of ${hidden} hidden units; ${strongest.length} move digit ${digit} most, in the table`
    : `Weights of ${hidden} hidden units`;
  $("sum").textContent = pass && digit !== null
    ? `; for k = ${digit}: ${signed(pass.z2[digit])} = ${signed(b2[digit])} + (${signed(sum(added))})`
    : "";
}

// ---------------------------------------------------------------------------------- the gradient

function showGradient() {
  const choice = choiceOf("meant");
  const meant = choice === "none" ? null : Number(choice);
  const delta2 = pass && meant !== null ? outputGradient(pass, meant) : null;
  for (const [k, row] of Array.from($("gradient").tBodies[0].rows).entries()) {
    const [, softmaxCell, label, difference, cell] = row.cells;
    softmaxCell.textContent = pass ? pass.p[k].toFixed(4) : "";
    label.textContent = meant === null ? "" : Number(k === meant);
    difference.textContent = delta2 ? signed(delta2[k]) : "";
    const bar = cell.querySelector(".signed > span"), width = delta2 ? 50 * Math.abs(delta2[k]) : 0;
    bar.classList.toggle("is-negative", Boolean(delta2 && delta2[k] < 0));
    bar.style.width = `${width}%`;
    bar.style.left = `${delta2 && delta2[k] < 0 ? 50 - width : 50}%`;
  }
  const rate = $("rate").valueAsNumber;
  const isRate = $("rate").checkValidity() && Number.isFinite(rate);
  $("step").disabled = !delta2 || !isRate;
  $("undo-step").disabled = !steps.length;
  const count = steps.length === 1 ? "1 step" : `${steps.length} steps`;
  const taken = steps.length ? ` The network has taken ${count} away from what was trained.` : "";
  const loss = delta2 ? `L = ${lossOf(meant).toFixed(4)}.` : "";
  const advice = pass ? "" : "Draw a digit first.";
  $("loss").textContent = (loss || advice || "Say which digit it was meant to be.") + taken;
}

/** Return −log softmax(z2)_meant, which stays finite where the softmax rounds to 0. */
function lossOf(meant) {
  const most = largestOf(pass.z2);
  return most + Math.log(sum(pass.z2.map((z) => Math.exp(z - most)))) - pass.z2[meant];
}

function retrain(newSteps) {
  steps = newSteps;
  network = afterSteps(trained, steps);
  tiles = null;
  changed();
}

// ------------------------------------------------------------------------------ what is on the page

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.assign(made, attributes);
  return made;
}

/** Return a row of a table, headed by its first cell. */
function rowOf(head, texts) {
  const row = element("tr");
  row.append(element("th", head, { scope: "row" }), ...texts.map((text) => element("td", text)));
  return row;
}

/** Make radio buttons of [value, name] pairs, of which the first is chosen. */
function makeChoices(id, pairs) {
  pairs.forEach(([value, name], number) => {
    const label = element("label");
    const button = element("input", "", { type: "radio", name: id, value, checked: !number });
    button.addEventListener("change", changed);
    label.append(button, name);
    $(id).append(label);
  });
}

const choiceOf = (id) => document.querySelector(`input[name="${id}"]:checked`).value;

function makePage() {
  const digits = Array.from({ length: CLASSES }, (_, k) => [String(k), String(k)]);
  makeChoices("chosen", [["read", "as read"], ...digits]);
  makeChoices("meant", [["none", "not said"], ...digits]);
  for (const [value] of digits) {
    const row = rowOf(value, ["", ""]);
    row.cells[1].className = "track";
    row.cells[1].append(element("span", "", { className: "bar" }));
    $("bars").append(row);
    const sums = rowOf(value, ["", "", "", ""]);
    const bar = element("span", "", { className: "signed" });
    bar.append(element("span"));
    sums.cells[4].append(bar);
    $("gradient").tBodies[0].append(sums);
    const button = element("button", value, { type: "button", ariaLabel: `Sample digit ${value}` });
    button.addEventListener("click", () => start(Number(value)));
    $("samples").append(button);
  }
}

/** Begin with a clean sheet, or with a sample digit. */
function start(digit = null) {
  [sample, lines] = [digit, []];
  redraw();
  changed();
}

function undoStroke() {
  if (!lines.pop()) sample = null;
  redraw();
  changed();
}

/** Draw by mouse, finger or pen. */
function followPointer(canvas) {
  let line = null, pointer = null;
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect(), edge = canvas.clientLeft;
    const x = ((event.clientX - box.left - edge) * canvas.width) / canvas.clientWidth;
    const y = ((event.clientY - box.top - edge) * canvas.height) / canvas.clientHeight;
    return [x, y];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (line || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    [line, pointer] = [[placeOf(event)], event.pointerId];
    lines.push(line);
    drawLine(line, 0);
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!line || event.pointerId !== pointer) return;
    const from = line.length - 1;
    const events = event.getCoalescedEvents();
    for (const one of events.length ? events : [event]) line.push(placeOf(one));
    drawLine(line, from);
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) line = pointer = null;
    });
  }
}

/** Draw by keys. */
function followKeys(canvas) {
  let place = [140, 60], line = null;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const lift = (isDown) => {
    line = isDown ? [[...place]] : null;
    if (line) lines.push(line);
    say(isDown ? "Pen down" : "Pen up");
  };
  const showPen = () => {
    $("pen").style.left = `${(100 * place[0]) / canvas.width}%`;
    $("pen").style.top = `${(100 * place[1]) / canvas.height}%`;
    $("pen").classList.toggle("is-down", Boolean(line));
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      place = place.map((at, axis) => clip(at + STRIDE * moves[event.key][axis], 0, canvas.width));
      if (line) line.push([...place]);
      if (line) drawLine(line, line.length - 2);
    } else if (event.key === " ") {
      lift(!line);
      if (line) drawLine(line, 0);
    } else if (event.key === "Backspace" || event.key === "Delete") {
      line = null;
      if (event.key === "Delete") start();
      else undoStroke();
    } else return;
    event.preventDefault();
    showPen();
    if (lines.length) changed();
  });
  canvas.addEventListener("blur", () => (line = null));
  showPen();
}

makePage();
followPointer($("paper"));
followKeys($("paper"));
$("clear").addEventListener("click", () => start());
$("undo-stroke").addEventListener("click", undoStroke);
$("rate").addEventListener("input", changed);
$("step").addEventListener("click", () => {
  const step = { x: pass.x, meant: Number(choiceOf("meant")), rate: $("rate").valueAsNumber };
  retrain([...steps, step]);
});
$("undo-step").addEventListener("click", () => retrain(steps.slice(0, -1)));
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", () => {
    tiles = null;
    showUnits();
  });
}
const wanted = location.hash.slice(1); // draw.html#4 begins with the sample digit 4
start(/^[0-9]$/.test(wanted) ? Number(wanted) : null);
