// Draws props.value = {items: [{id, title, src, alt, sub, badge}], chosen, empty: [title, advice]} as buttons.
const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
  made.append(...children);
  return made;
};

function card(item, value) {
  const picture = item.src
    ? node('img', { src: item.src, alt: item.alt || item.title, loading: 'lazy' })
    : node('span', { class: 'ink-card-blank', 'aria-hidden': 'true' }, item.blank);
  const words = node('span', { class: 'ink-card-words' }, node('b', {}, item.title));
  if (item.sub) words.append(node('small', {}, item.sub));
  const button = node('button', {
    type: 'button', class: 'ink-card', 'data-id': item.id, 'aria-pressed': String(item.id === value.chosen),
  }, picture, words);
  if (item.badge) button.append(node('em', { class: 'ink-card-badge' }, item.badge));
  button.addEventListener('click', () => {
    element.querySelectorAll('.ink-card').forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
    value.chosen = item.id;
    props.value = { ...value };
    trigger('select', { value: item.id });
  });
  return button;
}

function draw() {
  const [root, value] = [element.querySelector('.ink-cards'), props.value];
  if (!root) return;
  root.setAttribute('aria-label', title);
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  root.replaceChildren();
  if (!value) return;
  if (!value.items.length) {
    const [head, advice] = value.empty;
    if (head) root.append(node('div', { class: 'ink-empty' }, node('strong', {}, head), node('p', {}, advice)));
    return;
  }
  root.append(...value.items.map((item) => card(item, { ...value })));
  if (focused) root.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

draw();
watch('value', draw);
