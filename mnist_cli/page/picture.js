// A picture of a digit, framed as MNIST's digits were: 28×28, ink on black.
//
// This is mnist_cli/images/picture.py, function for function, under the same names; the reasons and
// the sources of each step are there. An image is {width, height, data}, row by row. Greys are
// float32, as in NumPy: Math.fround rounds each result as float32 arithmetic does.

const SIDE = 28; // of what the network is given, in pixels
const BOX = 20; // the side of the box that MNIST's digits fill
const LONGEST = 1000; // pixels of the longer side that the steps work on
const SMALLEST = 8; // pixels that the longer side has at least
const PEN = 1 / 3; // of the longer side, how wide a stroke can be
const FAINTEST = 0.08; // of the paper's light, what ink swallows at least
const NOISE = 4; // standard deviations of the noise that ink differs by
const INK = 0.35; // of the ink's darkness, what a stroke has at least
const EDGE = 0.2; // the same, at the edge of the digit's box
const SPECK = 0.02; // of the largest part's area, what is a speck
const APART = 0.2; // of the digit's height, how far away another thing is
const ANOTHER = 0.6; // of the tallest digit's height, how tall another one is
const LINE = 0.85; // of the width, how much a ruled line is seen on
const LINE_INK = 0.15; // of the ink's darkness, what a ruled line has at least
const STEEPEST = 0.06; // tangent of the largest angle of a ruled line
const THIN = 1.9; // pixels of the 20 that a stroke is wide at least
const WIDTH_BOX = 60; // the side of the box in which that is measured

const f32 = Math.fround;

/** A picture that does not show one digit; its message goes on from "The picture". */
class PictureError extends Error {}

/** Return the 28×28 greys, 0 (paper) to 255 (ink), and the steps, of a picture with greys 0 to 1. */
function prepare(picture) {
  let [grey, factor] = shrink(picture, LONGEST);
  const steps = ["grey"];
  if (factor > 1) steps.push(`shrunk to 1/${factor}`);
  let isInverted, hasLines, hasSpecks, radius;
  [grey, isInverted] = inkDark(grey);
  if (isInverted) steps.push("inverted");
  let ink = evenPaper(grey);
  steps.push("paper evened out");
  [ink, hasLines] = dropLines(ink);
  if (hasLines) steps.push("lines dropped");
  [ink, hasSpecks] = keepDigit(ink);
  if (hasSpecks) steps.push("specks dropped");
  ink = cropped(ink, findBox(ink));
  steps.push(`cropped to ${ink.width}×${ink.height}`);
  [ink, radius] = thicken(ink);
  if (radius) steps.push(`pen thickened by ${(2 * radius).toFixed(1)}`);
  const small = scaleToBox(ink, BOX);
  steps.push(`scaled to ${small.width}×${small.height}`);
  const image = centre(small);
  steps.push("centred by its mass");
  return { image, steps };
}

// ---------------------------------------------------------------------------- images and numbers

function blank(width, height, value = 0) {
  const image = { width, height, data: new Float32Array(width * height) };
  if (value) image.data.fill(value);
  return image;
}

/** Return a new image of f(grey, its index), of the same size. */
function mapped(image, f) {
  return { ...image, data: image.data.map(f) };
}

/** Return an image with so many pixels of a value around it. */
function padded(image, margin, value = 0) {
  const wide = blank(image.width + 2 * margin, image.height + 2 * margin, value);
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width, (y + 1) * image.width);
    wide.data.set(row, (y + margin) * wide.width + margin);
  }
  return wide;
}

function cropped(image, [left, top, right, bottom]) {
  const part = blank(right - left, bottom - top);
  for (let y = top; y < bottom; y++) {
    const row = image.data.subarray(y * image.width + left, y * image.width + right);
    part.data.set(row, (y - top) * part.width);
  }
  return part;
}

function transposed(image) {
  const turned = blank(image.height, image.width);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      turned.data[x * image.height + y] = image.data[y * image.width + x];
    }
  }
  return turned;
}

/** Round to the nearest whole number, and halves to the even one, as Python and NumPy do. */
function rint(x) {
  const low = Math.floor(x);
  if (x - low === 0.5) return low % 2 === 0 ? low : low + 1;
  return Math.round(x);
}

const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const largestOf = (values) => values.reduce((one, other) => Math.max(one, other), -Infinity);
const smallestOf = (values) => values.reduce((one, other) => Math.min(one, other), Infinity);

/** Return the median of a Float32Array: the mean of the middle two, if there are two. */
function median(values) {
  const copy = values.slice();
  const middle = copy.length >> 1;
  const upper = select(copy, middle);
  if (copy.length % 2) return upper;
  return f32((largestOf(copy.subarray(0, middle)) + upper) / 2);
}

/** Return the value that would be at index k if all were sorted (Hoare 1961: quickselect). */
function select(values, k) {
  let low = 0, high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let left = low, right = high;
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left <= right) {
        [values[left], values[right]] = [values[right], values[left]];
        left++;
        right--;
      }
    }
    if (k <= right) high = right;
    else if (k >= left) low = left;
    else break;
  }
  return values[k];
}

// ------------------------------------------------------------------------------ ink and its paper

/** Return a picture no longer than so many pixels, and by what whole number it was divided. */
function shrink(grey, longest) {
  const factor = Math.ceil(Math.max(grey.width, grey.height) / longest);
  if (factor === 1) return [grey, 1];
  const halved = transposed(meansOfRows(transposed(grey), factor));
  return [meansOfRows(halved, factor), factor];
}

/** Return the means of so many pixels beside each other, in each row. */
function meansOfRows(image, factor) {
  const means = blank(Math.ceil(image.width / factor), image.height);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < means.width; x++) {
      const start = y * image.width + x * factor;
      const end = Math.min(start + factor, (y + 1) * image.width);
      let total = 0;
      for (let at = start; at < end; at++) total = f32(total + image.data[at]);
      means.data[y * means.width + x] = total / (end - start);
    }
  }
  return means;
}

/** Return the picture with dark ink on light paper, and whether it had to be inverted. */
function inkDark(grey) {
  const { width, height, data } = grey;
  const edge = Math.max(1, rint(0.03 * Math.min(width, height)));
  const frame = data.filter((_, at) => {
    const x = at % width, y = (at - x) / width;
    return x < edge || y < edge || x >= width - edge || y >= height - edge;
  });
  const smooth = blur(grey, 3).data;
  const low = smallestOf(smooth), high = largestOf(smooth);
  const paper = (Math.max(median(frame), median(data)) - low) / Math.max(high - low, 1e-9);
  const isInverted = paper < 0.25 || (paper < 0.5 && lightIsRare(grey));
  return [isInverted ? mapped(grey, (light) => 1 - light) : grey, isInverted];
}

/** Return whether what is narrow is light, rather than dark. */
function lightIsRare(grey) {
  const [small] = shrink(grey, 48);
  const filled = closing(small, 9), emptied = closing(mapped(small, (light) => -light), 9);
  let dark = 0, light = 0;
  small.data.forEach((value, at) => {
    dark += (filled.data[at] - value) ** 2;
    light += (value + emptied.data[at]) ** 2;
  });
  return light > dark;
}

/** Return how much of the paper's light each pixel lacks: paper is 0 ± its noise, ink near 1. */
function evenPaper(grey) {
  const square = 2 * Math.trunc((Math.max(grey.width, grey.height) * PEN) / 2) + 1;
  const isLarge = Math.min(grey.width, grey.height) >= 2 * SIDE;
  const paper = closing(isLarge ? blur(grey, 3) : grey, square);
  const lack = mapped(grey, (light, at) => 1 - f32(light / clip(paper.data[at], f32(0.05), 1)));
  const most = f32(Math.max(largestOf(lack.data) / 2, smallestOf(lack.data)));
  const usual = median(lack.data.filter((value) => value <= most));
  return mapped(lack, (value) => value - usual);
}

/** Return the mean of the square of `side` pixels, an odd number, around each pixel. */
function blur(image, side) {
  const down = transposed(blurRows(transposed(image), side));
  return blurRows(down, side);
}

function blurRows(image, side) {
  const { width, height, data } = image;
  const reach = (side - 1) / 2;
  const means = blank(width, height);
  const sums = new Float64Array(width + side);
  for (let y = 0; y < height; y++) {
    let total = 0;
    for (let at = 0; at < sums.length; at++) {
      total += data[y * width + clip(at - reach - 1, 0, width - 1)];
      sums[at] = total;
    }
    for (let x = 0; x < width; x++) {
      means.data[y * width + x] = (sums[x + side] - sums[x]) / side;
    }
  }
  return means;
}

/** Return the largest value in the square of `side` pixels around each pixel: a dilation. */
function maximum(image, side) {
  return largest(padded(image, (side - 1) / 2, -Infinity), side);
}

/** Return a dilation by a square of `side` pixels, an odd number, and an erosion by the same. */
function closing(image, side) {
  const dilated = largest(padded(image, side - 1, -Infinity), side);
  return mapped(largest(mapped(dilated, (value) => -value), side), (value) => -value);
}

/** Return the largest value in each square of `side` pixels that lies in the image. */
function largest(image, side) {
  const down = transposed(largestOfRows(transposed(image), side));
  return largestOfRows(down, side);
}

/** A window is two overlapping ones of the largest power of two in it. */
function largestOfRows(image, side) {
  const { width, height } = image;
  const data = image.data.slice();
  const widen = (by) => {
    for (let at = 0; at < data.length - by; at++) {
      if (data[at + by] > data[at]) data[at] = data[at + by];
    }
  };
  let power = 1;
  for (; 2 * power <= side; power *= 2) widen(power);
  if (side > power) widen(side - power);
  // What a window took from the next row is to the right of what is kept.
  return cropped({ width, height, data }, [0, 0, width - side + 1, height]);
}

/** Return the standard deviation of the paper's noise, by the median of what is below 0. */
function noiseOf(ink) {
  const below = ink.data.filter((value) => value < 0);
  return below.length < 0.1 * ink.data.length ? 0 : -median(below) / 0.6745;
}

/** Return how dark the ink is, or 0 if there is none: the median of what is darkest. */
function darknessOf(ink) {
  const darkest = largestOf(blur(ink, 3).data);
  if (darkest < Math.max(FAINTEST, 2.5 * noiseOf(ink))) return 0;
  const least = f32(0.6 * darkest);
  return median(ink.data.filter((value) => value >= least));
}

/** Return the pixels, 1 or 0 each, that are at least so dark. */
function atLeast(ink, darkness) {
  const least = f32(darkness);
  return mapped(ink, (value) => (value >= least ? 1 : 0));
}

/** Return the pixels that belong to strokes: dark enough as ink, and for the paper's noise. */
function strokes(ink, darkness) {
  return atLeast(ink, Math.max(INK * darkness, Math.min(NOISE * noiseOf(ink), 0.7 * darkness)));
}

// ------------------------------------------------------------------------------------ ruled lines

/** Return the ink without ruled lines, and whether there were any. */
function dropLines(ink) {
  const darkness = darknessOf(ink);
  if (!darkness) return [ink, false];
  const least = Math.min((NOISE / 2) * noiseOf(ink), INK * darkness);
  const mask = atLeast(ink, Math.max(LINE_INK * darkness, least));
  const across = horizontalLines(mask);
  const down = horizontalLines(transposed(mask));
  const count = across.count + down.count;
  if (!count) return [ink, false];
  const lines = transposed(down.mask);
  const rest = mapped(ink, (value, at) => (across.mask.data[at] || lines.data[at] ? 0 : value));
  const parts = components(strokes(rest, darkness));
  if (!parts.length) return [ink, false];
  const main = parts.reduce((one, other) => (other.area > one.area ? other : one));
  if (count === 1 && isAtEdge(main, ink)) return [ink, false];
  return [rest, true];
}

/** Return the pixels of lines from left to right, but where strokes meet them, and how many. */
function horizontalLines(mask) {
  const { width, height } = mask;
  const none = { mask: blank(width, height), count: 0 };
  const edge = Math.max(2, Math.floor(width / 20));
  const isInked = (left, right) =>
    mask.data.some((value, at) => value && at % width >= left && at % width < right);
  const isSmall = Math.min(width, height) < 2 * SMALLEST;
  if (isSmall || !isInked(0, edge) || !isInked(width - edge, width)) return none;
  const reach = Math.ceil((STEEPEST * width) / 2);
  const rows = height + 2 * (reach + 1);
  const wrap = (y) => ((y % rows) + rows) % rows;
  const isInk = (y, x) =>
    y > reach && y <= reach + height && mask.data[(y - reach - 1) * width + x] > 0;
  // A line that is tilted and noisy is seen on three rows together.
  const seen = new Uint8Array(rows * width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      seen[y * width + x] = isInk(y, x) || isInk(wrap(y - 1), x) || isInk(wrap(y + 1), x);
    }
  }
  const offset = (tilt, x) => rint(tilt * ((x - width / 2) / (width / 2)));
  const every = Math.max(1, Math.floor(width / 200)); // columns that are looked at
  const columns = Math.ceil(width / every);
  let best = 0, isLine = null, tilt = 0;
  for (let angle = -reach; angle <= reach; angle++) {
    const counts = new Float64Array(rows);
    for (let x = 0; x < width; x += every) {
      const down = offset(angle, x);
      for (let y = 0; y < rows; y++) counts[y] += seen[wrap(y + down) * width + x];
    }
    const shares = counts.map((value) => value / columns);
    const weight = sum(shares.filter((share) => share >= LINE).map((share) => share ** 4));
    if (weight > best) [best, isLine, tilt] = [weight, shares.map((s) => Number(s >= LINE)), angle];
  }
  if (!isLine) return none;
  let count = 0;
  for (let top = 0, bottom; top < rows; top = bottom + 1) {
    for (bottom = top; bottom < rows && isLine[bottom]; bottom++);
    if (bottom === top) continue;
    count++;
    for (let x = 0; x < width; x++) {
      const down = offset(tilt, x);
      const above = wrap(Math.max(top - 1, 0) + down);
      const below = wrap(Math.min(bottom, rows - 1) + down);
      if (isInk(above, x) || isInk(below, x)) continue; // a stroke
      for (let y = top; y < bottom; y++) {
        const at = wrap(y + down);
        if (isInk(at, x)) none.mask.data[(at - reach - 1) * width + x] = 1;
      }
    }
  }
  return { mask: none.mask, count };
}

// ----------------------------------------------------------------------------------- the digit

/** Return the parts of a mask, whose pixels touch at a side or a corner: area, box and pixels. */
function components(mask) {
  const { width, height } = mask;
  const isNew = mask.data.slice();
  const parts = [];
  for (let start = 0; start < isNew.length; start++) {
    if (!isNew[start]) continue;
    const pixels = [start];
    const box = [width, height, 0, 0];
    isNew[start] = 0;
    for (let next = 0; next < pixels.length; next++) {
      const x = pixels[next] % width, y = (pixels[next] - x) / width;
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x + 1);
      box[3] = Math.max(box[3], y + 1);
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const at = v * width + u;
          if (isNew[at]) {
            isNew[at] = 0;
            pixels.push(at);
          }
        }
      }
    }
    parts.push({ area: pixels.length, box, pixels });
  }
  return parts;
}

function isAtEdge({ box: [left, top, right, bottom] }, { width, height }) {
  return left === 0 || top === 0 || right === width || bottom === height;
}

/** Return the pixels of parts, as an image of 1 and 0. */
function maskOf(parts, { width, height }) {
  const mask = blank(width, height);
  for (const { pixels } of parts) for (const at of pixels) mask.data[at] = 1;
  return mask;
}

/** Return the pixels that are within `reach` of the mask, along both axes. */
function grown(mask, reach) {
  return maximum(mask, 2 * reach + 1);
}

/** Return the ink of the digit alone, its darkness 1, and whether anything was dropped. */
function keepDigit(ink) {
  let darkness = darknessOf(ink);
  let parts = darkness ? components(strokes(ink, darkness)) : [];
  if (!parts.length) throw new PictureError("shows no ink: draw one digit.");
  const atEdge = parts.filter((part) => isAtEdge(part, ink));
  const most = (some) => largestOf([0, ...some.map((part) => part.area)]);
  const inside = most(parts.filter((part) => !isAtEdge(part, ink)));
  let isDropped = false;
  if (atEdge.length && inside >= 0.1 * most(atEdge)) {
    const frame = grown(maskOf(atEdge, ink), 2);
    ink = mapped(ink, (value, at) => (frame.data[at] ? 0 : value));
    darkness = darknessOf(ink);
    isDropped = true;
    if (darkness) parts = components(strokes(ink, darkness));
  }
  const large = parts.filter((part) => part.area >= Math.max(SPECK * most(parts), 2));
  if (!large.length) throw new PictureError("shows no ink but specks: draw one digit.");
  const kept = mainGroup(groups(large));
  const rest = maskOf(parts.filter((part) => !kept.includes(part)), ink);
  const [left, top, right, bottom] = around(kept);
  // The soft edge of a stroke is below the threshold of ink: as wide as a pixel of MNIST's.
  const reach = Math.max(1, rint(Math.max(right - left, bottom - top) / BOX));
  const near = grown(maskOf(kept, ink), reach);
  ink = mapped(ink, (value, at) => (near.data[at] && !rest.data[at] ? value : 0));
  const paper = Math.min(2 * noiseOf(ink), 0.25 * darkness);
  const range = f32(darkness - paper);
  ink = mapped(ink, (value) => clip(f32(f32(value - f32(paper)) / range), 0, 1));
  return [ink, isDropped || kept.length < parts.length];
}

/** Return the box around parts. */
function around(parts) {
  const side = (which) => parts.map((part) => part.box[which]);
  const [left, top] = [0, 1].map((which) => smallestOf(side(which)));
  const [right, bottom] = [2, 3].map((which) => largestOf(side(which)));
  return [left, top, right, bottom];
}

/** Return the parts in groups: those that are near each other are in one. */
function groups(parts) {
  const tallest = largestOf(parts.map(({ box }) => box[3] - box[1]));
  const gap = ({ box: a }, { box: b }) =>
    Math.max(0, a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3]);
  const found = [];
  const waiting = new Set(parts);
  for (const first of parts) {
    if (!waiting.delete(first)) continue;
    const group = [first];
    for (let next = 0; next < group.length; next++) {
      for (const other of waiting) {
        if (gap(group[next], other) > APART * tallest) continue;
        waiting.delete(other);
        group.push(other);
      }
    }
    found.push(group);
  }
  return found;
}

/** Return the group that is the digit, if no other one is about as tall. */
function mainGroup(found) {
  const heights = found.map((group) => {
    const [, top, , bottom] = around(group);
    return bottom - top;
  });
  const weights = found.map((group) => sum(group.map((part) => part.area)));
  const heaviest = largestOf(weights);
  const isDigit = (_, at) =>
    heights[at] >= ANOTHER * largestOf(heights) && weights[at] >= 0.2 * heaviest;
  const count = found.filter(isDigit).length;
  if (count > 1) throw new PictureError(`seems to show ${count} digits: draw one alone.`);
  return found[weights.indexOf(heaviest)];
}

/** Return left, top, right and bottom of the ink, the last two just outside. */
function findBox(ink) {
  const box = [ink.width, ink.height, 0, 0];
  ink.data.forEach((value, at) => {
    if (value < f32(EDGE)) return;
    const x = at % ink.width, y = (at - x) / ink.width;
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x + 1);
    box[3] = Math.max(box[3], y + 1);
  });
  return box;
}

// ------------------------------------------------------------------------------- MNIST's framing

/** Return how wide the strokes are, in pixels: twice the area over the length of the outline. */
function strokeWidth(ink) {
  const { width, height, data } = padded(ink, 1);
  let outline = 0;
  for (let y = 0; y < height - 1; y++) {
    for (let x = 0; x < width - 1; x++) {
      const at = y * width + x;
      const down = f32(data[at + width] - data[at]), along = f32(data[at + 1] - data[at]);
      outline += f32(Math.sqrt(down * down + along * along));
    }
  }
  return (2 * sum(ink.data)) / Math.max(outline, 1e-9);
}

/** Return the ink with thin strokes as wide as THIN once it is scaled, and by what radius. */
function thicken(ink) {
  const share = THIN / BOX, longer = Math.max(ink.width, ink.height);
  const shrunk = scaleToBox(ink, Math.min(longer, WIDTH_BOX));
  const width = (strokeWidth(shrunk) * longer) / Math.max(shrunk.width, shrunk.height);
  const radius = (share * longer - width) / (2 * (1 - share));
  if (radius < 0.05) return [ink, 0];
  const whole = Math.trunc(radius);
  const wide = padded(ink, whole + 1);
  const less = maximum(wide, 2 * whole + 1), more = maximum(wide, 2 * whole + 3);
  const part = f32(radius - whole);
  const thick = mapped(less, (value, at) => value + f32(part * f32(more.data[at] - value)));
  return [cropped(thick, findBox(thick)), radius];
}

/** Return the ink with its longer side as long as the box; each pixel is the mean of its area. */
function scaleToBox(ink, side) {
  const longer = Math.max(ink.width, ink.height);
  const size = (old) => Math.max(1, rint((side * old) / longer));
  const down = transposed(scaleRows(transposed(ink), size(ink.height)));
  return mapped(scaleRows(down, size(ink.width)), (value) => clip(value, 0, 1));
}

/** Return an image scaled to a new width: of each old pixel, a new one has what it covers. */
function scaleRows(image, width) {
  const scaled = blank(width, image.height);
  const step = image.width / width;
  const covered = (edge, x) => clip(edge - x, 0, 1);
  for (let x = 0; x < width; x++) {
    const start = x * step, end = (x + 1) * step;
    for (let y = 0; y < image.height; y++) {
      let total = 0;
      for (let u = Math.floor(start); u < Math.min(Math.ceil(end) + 1, image.width); u++) {
        const weight = f32((covered(end, u) - covered(start, u)) / step);
        total += weight * image.data[y * image.width + u];
      }
      scaled.data[y * width + x] = total;
    }
  }
  return scaled;
}

const TIE = 1e-4; // pixels: two places that are as near as that to the middle are equally near

/** Return the digit in 28×28, moved until the centre of its mass is in the middle. */
function centre(small) {
  const { width, height, data } = small;
  const mass = sum(data);
  const place = (size, along) => {
    const middle = data.reduce((total, value, at) => total + value * along(at), 0) / mass;
    return clip(Math.ceil(SIDE / 2 - middle - 0.5 - TIE), 0, SIDE - size);
  };
  const left = place(width, (at) => at % width);
  const top = place(height, (at) => Math.floor(at / width));
  const image = new Uint8Array(SIDE * SIDE);
  data.forEach((value, at) => {
    const x = at % width, y = (at - x) / width;
    image[(top + y) * SIDE + left + x] = rint(f32(255 * value));
  });
  return image;
}
