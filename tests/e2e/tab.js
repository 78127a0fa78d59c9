// Remembers which controls have had the focus, and whether anything around them looked different while they had it.
() => {
  const look = (element) => {
    const around = [element, element.nextElementSibling, element.parentElement, element.closest('label, .block, [role=group]')];
    return JSON.stringify(around.filter(Boolean).map((each) => {
      const style = getComputedStyle(each);
      return [style.outline, style.outlineColor, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration];
    }));
  };
  const wanted = [...document.querySelectorAll('button, input, textarea, select, a[href], [tabindex="0"]')].filter((each) =>
    each.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !each.disabled
    && each.getAttribute('tabindex') !== '-1' && each.getBoundingClientRect().width > 1
    && !(each.type === 'radio' && !each.checked) && !each.closest('[inert], [aria-hidden=true]'));
  const seen = new Map();
  document.addEventListener('focusin', ({ target }) => {
    if (!seen.has(target)) seen.set(target, { focused: look(target) });
  });
  document.addEventListener('focusout', ({ target }) => {
    requestAnimationFrame(() => { if (seen.has(target)) seen.get(target).blurred ??= look(target); });
  });
  const name = (each) => each.outerHTML.slice(0, 160);
  window.tabbed = {
    count: wanted.length,
    report: () => [
      wanted.filter((each) => each.isConnected && !seen.has(each)).map(name),
      [...seen].filter(([each, { focused, blurred }]) => each.isConnected && blurred && focused === blurred && each !== document.body)
        .map(([each]) => name(each)),
    ],
  };
  document.activeElement?.blur();
  return wanted.length;
}
