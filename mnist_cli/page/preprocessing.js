// Preprocessing of images that are 28×28: digits brought upright, or to one width, as the model was
// trained. This is mnist_cli/images/preprocessing.py, with the resampling that it uses.

const WIDEST = 2; // by how much a digit is widened at most
const PARTS = 256; // into how many parts a pixel is divided

/** Return the image, 784 greys from 0 to 255, as the network was trained on them. */
function preprocess(image, { deskew, digitWidth }) {
  if (deskew) image = sheared(image);
  if (digitWidth) image = ofWidth(image, digitWidth);
  return image;
}

/** Shear the image along x, until its ink has no slant: cov(x, y)/var(y) is 0. */
function sheared(image) {
  const { yMean, covariance, variance } = moments(image);
  const slant = f32(covariance / Math.max(variance, 1e-6));
  return alongX(image, 1, slant, f32(-slant * yMean));
}

/** Widen or narrow the ink to so many pixels, its centre where it was. */
function ofWidth(image, width) {
  const isInked = (x) => image.some((grey, at) => grey && at % SIDE === x);
  const isDark = Array.from({ length: SIDE }, (_, x) => isInked(x));
  const left = Math.max(isDark.indexOf(true), 0); // an image without ink counts as full
  const right = Math.max(isDark.reverse().indexOf(true), 0);
  const factor = Math.max(f32((SIDE - left - right) / width), 1 / WIDEST);
  return alongX(image, factor, 0, f32(f32(1 - factor) * moments(image).xMean));
}

/** Return the mean place of the ink in x and y, from the middle, and cov(x, y) and var(y). */
function moments(image) {
  const mass = Math.max(sum(image), 1);
  const mean = (f) => {
    let total = 0;
    image.forEach((grey, at) => {
      const x = at % SIDE, y = (at - x) / SIDE, middle = (SIDE - 1) / 2;
      total += (grey / mass) * f(x - middle, y - middle);
    });
    return total;
  };
  const xMean = mean((x) => x), yMean = mean((_, y) => y);
  const covariance = mean((x, y) => x * y) - xMean * yMean;
  const variance = mean((_, y) => y * y) - yMean ** 2;
  return { xMean, yMean, covariance, variance };
}

/** Give the pixel at (x, y) the grey at (factor·x + slant·y + shift, y), between two pixels. */
function alongX(image, factor, slant, shift) {
  const moved = new Uint8Array(SIDE * SIDE);
  const start = f32(shift + f32((SIDE + 1) / 2 + 0.5 / PARTS));
  for (let y = 0; y < SIDE; y++) {
    const grey = (x) => (x >= 0 && x < SIDE ? image[y * SIDE + x] : 0);
    for (let x = 0; x < SIDE; x++) {
      const [u, v] = [x, y].map((place) => PARTS * (place - (SIDE - 1) / 2));
      const place = f32(f32(f32(factor * u) + slant * v) + start * PARTS);
      const parts = Math.trunc(clip(place, 0, PARTS * (SIDE + 1)));
      const right = parts % PARTS, from = (parts - right) / PARTS - 1;
      const total = (PARTS - right) * grey(from) + right * grey(from + 1);
      const light = f32(total * PARTS * f32(1 / (255 * PARTS ** 2)));
      moved[y * SIDE + x] = rint(f32(255 * light));
    }
  }
  return moved;
}
