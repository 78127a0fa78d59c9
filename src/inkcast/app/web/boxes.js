// Draws props.value = {src, alt, boxes: [{name, box, hint, colour}]} and keeps it in step with what a person does.
// A box is moved by dragging it, sized by its corner, by the arrow keys (with Shift: sized), or by number fields.
const SMALLEST = 0.04;
const host = () => element.querySelector('.ink-boxes');
let value = null;
let dragging = false;
let sent = []; // box states the server was told of, until it answers with the last: older answers come late
let told = null; // the last of them; props.value has to hold it until then, for Gradio reads it there when it sends
let news = null; // what the server said while somebody dragged or typed
const LATE = 10_000; // milliseconds after which an answer counts as news

const clamp = (number, low, high) => Math.min(Math.max(number, low), high);
const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
  made.append(...children);
  return made;
};

const stateOf = (given) => JSON.stringify(given.boxes.map((one) => [one.name, one.box]));

function tell() {
  sent.push({ state: stateOf(value), at: performance.now() });
  news = null;
  told = { ...JSON.parse(JSON.stringify(value)), mine: true };
  props.value = told;
  trigger('input');
}

function place(frame, one) {
  const [x0, y0, x1, y1] = one.box;
  frame.style.left = 100 * x0 + '%';
  frame.style.top = 100 * y0 + '%';
  frame.style.width = 100 * (x1 - x0) + '%';
  frame.style.height = 100 * (y1 - y0) + '%';
}

function fitted(box) {
  let [x0, y0, x1, y1] = box.map((part) => clamp(part, 0, 1));
  if (x1 - x0 < SMALLEST) x1 = clamp(x0 + SMALLEST, SMALLEST, 1), x0 = Math.min(x0, x1 - SMALLEST);
  if (y1 - y0 < SMALLEST) y1 = clamp(y0 + SMALLEST, SMALLEST, 1), y0 = Math.min(y0, y1 - SMALLEST);
  return [x0, y0, x1, y1];
}

function moved([x0, y0, x1, y1], dx, dy) {
  dx = clamp(dx, -x0, 1 - x1);
  dy = clamp(dy, -y0, 1 - y1);
  return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
}

function sized([x0, y0, x1, y1], dx, dy) {
  return [x0, y0, clamp(x1 + dx, x0 + SMALLEST, 1), clamp(y1 + dy, y0 + SMALLEST, 1)];
}

function boxFrame(stage, one, fields) {
  const frame = node('div', {
    class: 'ink-box', tabindex: '0', role: 'group', 'data-box': one.name,
    'aria-label': `${one.name}: arrow keys move the box, with Shift they size it`,
  }, node('span', { class: 'ink-box-name' }, one.name), node('i', { class: 'ink-box-corner' }));
  frame.style.setProperty('--box', one.colour);
  const show = () => { place(frame, one); fields(); };
  frame.addEventListener('pointerdown', (start) => {
    start.preventDefault();
    frame.focus();
    frame.setPointerCapture(start.pointerId);
    dragging = true;
    const change = start.target.classList.contains('ink-box-corner') ? sized : moved;
    const [from, area] = [one.box, stage.getBoundingClientRect()];
    const follow = (now) => {
      one.box = change(from, (now.clientX - start.clientX) / area.width, (now.clientY - start.clientY) / area.height);
      show();
    };
    const end = () => {
      dragging = false;
      frame.removeEventListener('pointermove', follow);
      if (one.box !== from) tell();
      else settle();
    };
    frame.addEventListener('pointermove', follow);
    frame.addEventListener('pointerup', end, { once: true });
    frame.addEventListener('pointercancel', end, { once: true });
  });
  frame.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
    if (!step) return;
    event.preventDefault();
    one.box = (event.shiftKey ? sized : moved)(one.box, ...step);
    show();
  });
  frame.addEventListener('keyup', (event) => { if (event.key.startsWith('Arrow')) tell(); });
  place(frame, one);
  return frame;
}

function numberRow(one) {
  const row = node('fieldset', { class: 'ink-box-row' });
  const legend = node('legend', {}, one.name);
  legend.style.setProperty('--box', one.colour);
  row.append(legend);
  if (one.hint) row.append(node('p', {}, one.hint));
  if (!one.box) {
    const add = node('button', { type: 'button' }, `Add box for ${one.name}`);
    add.addEventListener('click', () => {
      one.box = [0.3, 0.15, 0.7, 0.95];
      draw();
      tell();
    });
    row.append(add);
    return [row, () => {}];
  }
  const inputs = ['left', 'top', 'right', 'bottom'].map((side, index) => {
    const input = node('input', {
      type: 'number', min: 0, max: 100, step: 1, inputmode: 'numeric', 'aria-label': `${one.name}: ${side} in percent`,
    });
    input.addEventListener('change', () => {
      const typed = Number.parseFloat(input.value);
      const box = [...one.box];
      if (Number.isFinite(typed)) box[index] = typed / 100;
      one.box = fitted(box);
      place(element.querySelector(`[data-box="${CSS.escape(one.name)}"]`), one);
      fill();
      tell();
    });
    input.addEventListener('blur', settle); // what came while somebody typed
    row.append(node('label', {}, side, input));
    return input;
  });
  const fill = () => inputs.forEach((input, index) => {
    input.value = Math.round(100 * one.box[index]);
    input.dataset.shown = input.value;
  });
  const remove = node('button', { type: 'button', 'aria-label': `Remove the box of ${one.name}` }, 'Remove');
  remove.addEventListener('click', () => {
    one.box = null;
    draw();
    tell();
  });
  row.append(remove);
  fill();
  return [row, fill];
}

function draw() {
  const root = host();
  if (!root) return;
  root.setAttribute('aria-label', title);
  const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
  root.replaceChildren();
  if (!value) return;
  const picture = value.src
    ? node('img', { src: value.src, alt: value.alt, draggable: 'false' })
    : node('p', { class: 'ink-stage-blank' }, value.alt);
  const stage = node('div', { class: 'ink-stage' }, picture);
  const rows = node('div', { class: 'ink-box-rows' });
  for (const one of value.boxes) {
    const [row, fields] = numberRow(one);
    rows.append(row);
    if (one.box) stage.append(boxFrame(stage, one, fields));
  }
  root.append(stage, rows);
  if (focused) root.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

// Whether a field holds a number that is not yet said: drawing anew would lose it.
const typing = () => {
  const field = document.activeElement;
  return host()?.contains(field) && field.matches('input') && field.value !== field.dataset.shown;
};

function take() {
  if (props.value?.mine) return;
  news = { value: props.value };
  settle();
  if (sent.length) props.value = told;
}

function settle() {
  if (!news || dragging || typing()) return;
  const given = news.value;
  news = null;
  if (given && sent.length) {
    sent = sent.filter((one) => performance.now() - one.at < LATE);
    const place = sent.findLastIndex((one) => one.state === stateOf(given));
    if (place >= 0 && place < sent.length - 1) return;
  }
  sent = [];
  if (given && value && JSON.stringify(given) === JSON.stringify(value) && host().childElementCount) return;
  value = given ? JSON.parse(JSON.stringify(given)) : null;
  draw();
}

take();
watch('value', take);
