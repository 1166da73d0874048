// The explorer: composes sprites by Eq. 1 and runs the classifiers of `cgnlib.mnist.classifier`, in the page alone.
// Data: a JSON script in the element, made by cgnreport/pages/explorer.py. Pixels are uint8, planes of 32 x 32.
(() => {
  const SIZE = 32, PLANE = SIZE * SIZE, FACTORS = ["shape", "foreground", "background"];
  const NAMES = { shape: "Shape", foreground: "Texture", background: "Background" };
  const PARTS = { mask: "mask m", foreground: "foreground f", background: "background b", image: "m · f + (1 − m) · b" };
  const below = (n) => Math.floor(Math.random() * n);
  const percent = (p) => `${Math.round(100 * p)} %`;
  const make = (tag, { words, ...of } = {}, ...children) => {  // words: for those who cannot see it
    const element = Object.assign(document.createElement(tag), of);
    if (words) element.setAttribute("aria-label", words);
    element.append(...children);
    return element;
  };

  // --- Data ---------------------------------------------------------------------------------------------------------

  async function inflated(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Undo the differences between neighbours: sums down, then along each plane; bytes wrap around.
  function summed(bytes) {
    for (let plane = 0; plane < bytes.length; plane += PLANE) {
      for (let i = plane + SIZE; i < plane + PLANE; i++) bytes[i] += bytes[i - SIZE];
      for (let i = plane; i < plane + PLANE; i++) if (i % SIZE) bytes[i] += bytes[i - 1];
    }
    return bytes;
  }

  // bfloat16 is the upper half of a float: all first bytes, then all second ones.
  function floats(bytes) {
    const n = bytes.length / 2, words = new Uint32Array(n);
    for (let i = 0; i < n; i++) words[i] = ((bytes[i] << 24) | (bytes[n + i] << 16)) >>> 0;
    return new Float32Array(words.buffer);
  }

  // --- Composition --------------------------------------------------------------------------------------------------

  function sprite(sheet, planes, noises, { label, noise }) {
    const length = planes * PLANE, first = (label * noises + noise) * length;
    return sheet.subarray(first, first + length);
  }

  // The published shuffler: a cyclic shift.
  function shuffled(texture, [down, right]) {
    return texture.map((_, i) => {
      const plane = i - (i % PLANE), row = Math.floor((i % PLANE) / SIZE), column = i % SIZE;
      return texture[plane + ((row + down) % SIZE) * SIZE + ((column + right) % SIZE)];
    });
  }

  // Eq. 1.
  function compose(mask, f, b) {
    return f.map((_, i) => {
      const m = mask[i % PLANE] / 255;
      return Math.round(m * f[i] + (1 - m) * b[i]);
    });
  }

  // --- Classifiers --------------------------------------------------------------------------------------------------

  // Length of the difference from the median colour of the frame of 3 pixels, divided by its own 98th percentile.
  function stretched(image) {
    const length = new Float32Array(PLANE);
    const inFrame = (i) => [i % SIZE, Math.floor(i / SIZE)].some((at) => at < 3 || at > SIZE - 4);
    for (let channel = 0; channel < 3; channel++) {
      const plane = image.subarray(channel * PLANE, (channel + 1) * PLANE);
      const frame = plane.filter((_, i) => inFrame(i)).sort(), median = frame[(frame.length - 1) >> 1];
      for (let i = 0; i < PLANE; i++) length[i] += (plane[i] - median) ** 2;
    }
    length.forEach((square, i) => { length[i] = Math.sqrt(square); });
    const sorted = length.slice().sort(), at = 0.98 * (PLANE - 1), k = Math.floor(at);
    const full = Math.max(1e-6, Math.fround(sorted[k] + (at - k) * (sorted[k + 1] - sorted[k])));
    return Uint8Array.from({ length: 3 * PLANE }, (_, i) => Math.round(255 * Math.min(1, length[i % PLANE] / full)));
  }

  const relu = (x) => x.map((value) => Math.max(0, value));

  // x: (inputs, size, size) -> (bias.length, size / stride, size / stride), zeros around.
  function convolution(x, size, weight, bias, kernel, stride) {
    const inputs = x.length / size / size, pad = kernel >> 1, wide = size + 2 * pad, out = size / stride;
    const padded = new Float32Array(inputs * wide * wide), y = new Float32Array(bias.length * out * out);
    for (let c = 0; c < inputs; c++)
      for (let row = 0; row < size; row++) {
        const first = (c * size + row) * size;
        padded.set(x.subarray(first, first + size), (c * wide + row + pad) * wide + pad);
      }
    for (let o = 0; o < bias.length; o++) {
      y.fill(bias[o], o * out * out, (o + 1) * out * out);
      for (let c = 0; c < inputs; c++)
        for (let tap = 0; tap < kernel * kernel; tap++) {
          const w = weight[(o * inputs + c) * kernel * kernel + tap];
          const first = c * wide * wide + Math.floor(tap / kernel) * wide + (tap % kernel);
          for (let row = 0; row < out; row++) {
            const to = (o * out + row) * out, from = first + row * stride * wide;
            for (let column = 0; column < out; column++) y[to + column] += w * padded[from + column * stride];
          }
        }
    }
    return y;
  }

  // Maxima of 3 x 3 pixels in steps of 2, nothing around.
  function pooled(x, size) {
    const out = size / 2, y = new Float32Array(x.length / 4).fill(-Infinity);
    for (let i = 0; i < y.length; i++) {
      const c = Math.floor(i / out / out), row = 2 * (Math.floor(i / out) % out), column = 2 * (i % out);
      for (let r = Math.max(0, row - 1); r <= row + 1; r++)
        for (let k = Math.max(0, column - 1); k <= column + 1; k++) y[i] = Math.max(y[i], x[(c * size + r) * size + k]);
    }
    return y;
  }

  // Parameters in the order of the network; image: (3, 32, 32) uint8. Returns ten log-probabilities.
  function classified(parameters, image) {
    let at = 0;
    const next = (n) => parameters.subarray(at, (at += n));
    const [gain, shift, mean, variance] = [next(3), next(3), next(3), next(3)];
    let x = Float32Array.from(image, (value, i) => {
      const c = Math.floor(i / PLANE);
      return ((value / 127.5 - 1 - mean[c]) / Math.sqrt(variance[c] + 1e-5)) * gain[c] + shift[c];
    });
    x = relu(pooled(convolution(x, 32, next(2400), next(32), 5, 1), 32));
    x = relu(convolution(x, 16, next(9216), next(32), 3, 1));
    x = relu(convolution(x, 16, next(18432), next(64), 3, 2));
    x = relu(convolution(x, 8, next(36864), next(64), 3, 1));
    const means = Array.from({ length: 64 }, (_, c) => {  // of the first 7 x 7 of 8 x 8 pixels, as published
      let sum = 0;
      for (let i = 0; i < 49; i++) sum += x[c * 64 + Math.floor(i / 7) * 8 + (i % 7)];
      return sum / 49;
    });
    const weight = next(640), bias = next(10);
    const scores = Array.from(bias, (b, k) => means.reduce((sum, value, c) => sum + weight[64 * k + c] * value, b));
    const most = Math.max(...scores), total = Math.log(scores.reduce((s, v) => s + Math.exp(v - most), 0)) + most;
    return scores.map((score) => score - total);
  }

  // --- Page ---------------------------------------------------------------------------------------------------------

  function paint(canvas, planes) {
    const grey = planes.length === PLANE, pixels = new ImageData(SIZE, SIZE);
    for (let i = 0; i < 4 * PLANE; i++)
      pixels.data[i] = i % 4 === 3 ? 255 : planes[(grey ? 0 : (i % 4) * PLANE) + (i >> 2)];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  async function start(root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent), noises = data.noises;
    const place = (name) => root.querySelector(`[data-place=${name}]`);
    const select = (name) => root.querySelector(`[data-choose=${name}]`);
    const option = (name) => make("option", { textContent: name });
    const canvas = () => make("canvas", { width: SIZE, height: SIZE });
    const texture = (label) => ({ label, noise: 0, shift: [0, 0] });
    const state = { shape: { label: 3, noise: 0 }, foreground: texture(4), background: texture(0) };
    let cgn, classifiers, made;

    const chips = {}, group = `cgn-x-${below(1e9)}`;
    for (const factor of FACTORS) {
      chips[factor] = Array.from({ length: 10 }, (_, label) => {
        const words = `${NAMES[factor]} ${label}`;
        const input = make("input", { type: "radio", name: `${group}-${factor}`, value: label, words });
        input.addEventListener("change", () => set({ [factor]: { label } }));
        return make("label", {}, input, canvas(), make("b", { textContent: label }));
      });
      const words = `New noise for ${NAMES[factor]}`;
      const redraw = make("button", { type: "button", textContent: "new noise", words });
      redraw.addEventListener("click", () => set({ [factor]: drawn(factor) }));
      const labels = make("div", { className: "x-labels" }, ...chips[factor]);
      place("labels").append(make("fieldset", {}, make("legend", { textContent: NAMES[factor] }), labels, redraw));
    }
    const parts = Object.fromEntries(Object.keys(PARTS).map((name) => [name, canvas()]));
    for (const [name, words] of Object.entries(PARTS))
      place("parts").append(make("div", {}, parts[name], words));

    const drawn = (factor) => {
      const kind = factor === "shape" ? "mask" : factor, { noise } = state[factor];
      const other = (noise + 1 + below(noises[kind] - 1)) % noises[kind];
      return factor === "shape" ? { noise: other } : { noise: other, shift: [below(SIZE), below(SIZE)] };
    };

    // Take over what is given of the state, compose, classify and show.
    function set(given) {
      for (const factor of FACTORS) Object.assign(state[factor], given[factor]);
      const mask = sprite(cgn.mask, 1, noises.mask, state.shape);
      const [foreground, background] = ["foreground", "background"].map((factor) =>
        shuffled(sprite(cgn[factor], 3, noises[factor], state[factor]), state[factor].shift));
      made = { mask, foreground, background, image: compose(mask, foreground, background) };
      for (const name of Object.keys(PARTS)) paint(parts[name], made[name]);
      for (const factor of FACTORS)
        chips[factor].forEach((chip, label) => {
          const [sheet, planes, n] = factor === "shape" ? [cgn.mask, 1, noises.mask] : [cgn[factor], 3, noises[factor]];
          paint(chip.querySelector("canvas"), sprite(sheet, planes, n, { label, noise: state[factor].noise }));
          chip.querySelector("input").checked = label === state[factor].label;
        });
      const { label } = state.shape;
      const { image } = made, contrast = stretched(image);
      made.answers = classifiers.map((each) => classified(each.parameters, each.stretched ? contrast : image));
      const heard = classifiers.map((each, k) => {
        const shares = made.answers[k].map(Math.exp), best = shares.indexOf(Math.max(...shares));
        each.answer.textContent = `${best === label ? "✓" : "✗"} ${best}, ${percent(shares[best])}`;
        const words = shares.map((share, digit) => `${digit}: ${percent(share)}`).join(", ");
        each.bars.setAttribute("aria-label", `Probabilities: ${words}`);
        [...each.bars.children].forEach((bar, digit) => {
          bar.className = digit === label ? "x-shape" : "";
          bar.firstChild.style.setProperty("--p", shares[digit]);
        });
        return `${each.title}: ${best}`;
      });
      const [t, b] = [state.foreground.label, state.background.label];
      place("said").textContent = `Shape ${label}, texture ${t}, background ${b}. ${heard.join("; ")}.`;
    }

    async function load() {
      const [variant, whose] = [select("variant").value, select("whose").value];
      const of = data.cgns.filter((each) => each.variant === variant);
      const chosen = of.find((each) => each.whose === whose) || of[0];
      select("whose").replaceChildren(...of.map((each) => option(each.whose)));
      select("whose").value = chosen.whose;
      const sheets = await Promise.all(["mask", "foreground", "background"].map((name) => inflated(chosen[name])));
      cgn = { mask: sheets[0], foreground: summed(sheets[1]), background: summed(sheets[2]) };
      classifiers = await Promise.all(data.classifiers.filter((each) => each.variant === variant).map(async (each) => ({
        ...each, parameters: floats(await inflated(each.weights)),
        answer: make("strong"), bars: make("div", { className: "x-bars" }),
      })));
      place("answers").replaceChildren(...classifiers.map((each) => {
        each.bars.setAttribute("role", "img");
        each.bars.append(...Array.from({ length: 10 }, (_, digit) => make("span", {}, make("i"), String(digit))));
        const name = make("span", {}, each.title, make("small", { textContent: each.about }));
        return make("li", {}, name, each.answer, each.bars);
      }));
      set({});
    }

    select("variant").append(...[...new Set(data.cgns.map((each) => each.variant))].map(option));
    for (const name of ["variant", "whose"]) select(name).addEventListener("change", load);
    root.querySelector("[data-draw=free]").addEventListener("click", () =>
      set(Object.fromEntries(FACTORS.map((factor) => [factor, { ...drawn(factor), label: below(10) }]))));
    root.querySelector("[data-draw=tied]").addEventListener("click", () =>
      set(Object.fromEntries(FACTORS.map((factor) => [factor, { label: state.shape.label }]))));
    await load();
    root.explorer = { set, load, select, made: () => made };  // for tests and the curious
    root.dataset.ready = "yes";
  }

  for (const root of document.querySelectorAll(".cgn-explorer:not([data-ready])")) {
    root.dataset.ready = "loading";
    start(root).catch((error) => {
      root.querySelector("[data-place=said]").textContent = `The explorer stopped: ${error.message}`;
    });
  }
})();
