// The texts of a page with too little contrast (WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for large letters), each with the
// ratio and the colours. Controls that cannot be used are left out, as it says.
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = (top, under) => under.map((value, index) => top[index] * top[3] + value * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.backgroundImage.includes('url(')) return null;
      const colour = rgba(style.backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    const page = matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
    return layers.reduceRight((under, layer) => over(layer, under), page);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const faint = new Set();
  const check = (element, style, words) => {
    const under = ground(element);
    if (!under) return;
    let opacity = 1;
    for (let each = element; each; each = each.parentElement) opacity *= Number(getComputedStyle(each).opacity);
    const [r, g, b, alpha] = rgba(style.color);
    const shown = over([r, g, b, alpha * opacity], under);
    const [dark, bright] = [light(shown), light(under)].sort((one, other) => one - other);
    const ratio = (bright + .05) / (dark + .05);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      faint.add(`${ratio.toFixed(2)} ${words.trim().slice(0, 40)} (${style.color} on ${under.map(Math.round)})`);
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const [words, element] = [walker.currentNode.data, walker.currentNode.parentElement];
    if (!words.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest('script, style, :disabled, [aria-disabled=true], [inert]')) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 1 && box.height > 1) check(element, getComputedStyle(element), words);
  }
  for (const field of document.querySelectorAll('input, textarea')) {
    if (!field.checkVisibility() || field.disabled) continue;
    if (field.value && field.type !== 'checkbox' && field.type !== 'radio') check(field, getComputedStyle(field), field.value);
    else if (field.placeholder) check(field, getComputedStyle(field, '::placeholder'), field.placeholder);
  }
  return [...faint];
}
