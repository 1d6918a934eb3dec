/** Elements and texts of the sidebar. Data only ever becomes text: no function here takes HTML. */
const { RED } = globalThis;
const CATALOGUE = '@mesh-flows/node-red-nhs-mesh/mesh-sidebar:mesh-sidebar.';

/**
 * Returns a text of locales/<lang>/mesh-sidebar.json. Values are filled in here, because i18next would escape them a
 * second time.
 * @param fallback returned if there is no such text
 */
export function text(key, values = {}, fallback) {
  const found = RED._(CATALOGUE + key, fallback === undefined ? undefined : { defaultValue: fallback });
  return found.replaceAll(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Makes an element. `props`: class, text, on<event> and attributes; null, undefined and false are left out. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'text') element.textContent = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Makes a small button in Node-RED's style. `icon` is a Font Awesome name; with `iconOnly` the label is for screen
 * readers.
 */
export function button(label, { icon, iconOnly = false, ...props } = {}) {
  const mark = icon ? el('i', { class: `fa fa-${icon}`, 'aria-hidden': 'true' }) : null;
  return el(
    'button',
    {
      type: 'button',
      class: 'red-ui-button red-ui-button-small',
      ...(iconOnly ? { 'aria-label': label, title: label } : {}),
      ...props,
    },
    mark,
    iconOnly ? null : el('span', { text: mark ? ` ${label}` : label }),
  );
}

/**
 * Replaces the children, and keeps the focus on the element with the same data-key; if that is gone, on the one in its
 * place. A child may be a function, called after the focus was noted: moving an element of the page into a new parent
 * takes the focus from it.
 */
export function replace(parent, ...children) {
  const keyed = () => [...parent.querySelectorAll('[data-key]')];
  const place = keyed().indexOf(document.activeElement);
  const key = document.activeElement?.dataset.key;
  const made = children.map((child) => (typeof child === 'function' ? child() : child));
  parent.replaceChildren(...made.flat().filter(Boolean));
  if (place < 0) return;
  const now = keyed();
  const next = now.find((each) => each.dataset.key === key) ?? now[Math.min(place, now.length - 1)];
  next?.focus({ preventScroll: true });
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
export function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** 40 s, 12 min, 3.5 h, 12 d. */
export function span(ms) {
  const seconds = Math.abs(ms) / 1000;
  const [value, unit] =
    seconds < 90
      ? [Math.round(seconds), 's']
      : seconds < 5400
        ? [Math.round(seconds / 60), 'min']
        : seconds < 172_800
          ? [Math.round(seconds / 360) / 10, 'h']
          : [Math.round(seconds / 86_400), 'd'];
  return `${value} ${unit}`;
}

/** 4 min ago, in 12 s; the tooltip shows the full time. */
export function ago(iso, now = Date.now()) {
  if (!iso) return el('span', { class: 'mesh-none', text: text('unknown') });
  const ms = now - Date.parse(iso);
  const words = ms >= 0 ? text('ago', { span: span(ms) }) : text('in', { span: span(ms) });
  return el('time', { datetime: iso, title: new Date(iso).toLocaleString(), text: words });
}

/** The time if it is today, otherwise the day. */
export function moment(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  const words = today ? time.toLocaleTimeString() : time.toLocaleDateString([], { day: 'numeric', month: 'short' });
  return el('time', { datetime: iso, title: time.toLocaleString(), text: words });
}
