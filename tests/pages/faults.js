// What a reader of the page that is open would stumble over, as texts; folds are opened before. `phone`: nothing but
// tables may scroll sideways.
const [phone] = arguments, found = new Map();
const fault = (kind, element, words = "") => {
  const name = element.tagName.toLowerCase() + [...element.classList].map((each) => `.${each}`).join("");
  const text = (element.textContent || element.getAttribute("alt") || "").trim().replace(/\s+/g, " ").slice(0, 40);
  const key = `${kind}: ${name}`;
  if (!found.has(key)) found.set(key, `${key} ${words} “${text}”`);
};
const style = (element) => getComputedStyle(element);
const scrolls = (element) => ["auto", "scroll"].includes(style(element).overflowX);
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const clipped = (element) => (element.offsetWidth ?? 2) <= 1 || style(element).clipPath !== "none" || style(element).clip !== "auto";
const within = (element, test) => {
  for (let each = element; each; each = each.parentElement) if (test(each)) return each;
  return null;
};
for (const fold of document.querySelectorAll("details")) fold.open = true;
document.head.append(Object.assign(document.createElement("style"), { textContent: "* { transition: none !important; }" }));

// --- Widths ---------------------------------------------------------------------------------------------------------
if (document.documentElement.scrollWidth > innerWidth) fault("the page scrolls sideways", document.body);
for (const element of document.body.querySelectorAll("*")) {
  if (!shown(element) || element.closest("svg, span.math, dialog, select") || within(element, clipped)) continue;
  if (element.clientWidth === 0 || element.scrollWidth <= element.clientWidth + 3) continue;
  const inside = within(element.parentElement, scrolls), { overflowX, borderTopWidth, borderBottomWidth } = style(element);
  if (overflowX === "visible") {
    if (!inside) fault("wider than its box", element, `${element.scrollWidth} > ${element.clientWidth}`);
    continue;
  }
  if (!scrolls(element)) { fault("cut off", element); continue; }
  const bar = element.offsetHeight - element.clientHeight - parseFloat(borderTopWidth) - parseFloat(borderBottomWidth);
  if (bar < 4 && !style(element).backgroundAttachment.includes("local")) fault("scrolls without a sign", element);
  const table = element.querySelector("table");
  if (phone && !table) fault("scrolls sideways on a phone", element);
  const first = element.matches(".cgn-table") && [...table.rows[1]?.cells ?? []].find((cell) => /^[+−]?\d/.test(cell.textContent));
  if (first && first.getBoundingClientRect().right > element.getBoundingClientRect().right + 1)
    fault("its first number is out of sight", element);
}

// --- Contrast; what is drawn has grounds of its own -------------------------------------------------------------------------------------------------------
const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }), known = new Map();
const rgba = (colour) => {
  if (!known.has(colour)) {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
  }
  return known.get(colour);
};
const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
const surface = (element) => {
  if (!element) return [255, 255, 255];
  const own = rgba(style(element).backgroundColor);
  return own[3] === 1 ? own.slice(0, 3) : over(own, surface(element.parentElement));
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || element.closest("script, style, noscript, svg, mjx-container, option, dialog:not([open])")) continue;
  if (!shown(element) || within(element, clipped)) continue;
  let opacity = 1;
  within(element, (each) => { opacity *= parseFloat(style(each).opacity); });
  const [r, g, b, a] = rgba(style(element).color), below = surface(element);
  const [dark, bright] = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => x - y);
  const contrast = (bright + 0.05) / (dark + 0.05);
  if (contrast < 4.5) fault("hard to read", element, contrast.toFixed(2));
}
return [...found.values()];
