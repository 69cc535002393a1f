// Elements are made here and nowhere from text: what a service or an agent named
// itself is always text, never markup.
export function el(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k in e && k !== 'list' && k !== 'form') e[k] = v;
    else e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export function notice(text, bad = false) {
  const box = document.getElementById('notice');
  const p = el('p', { className: bad ? 'bad' : '' }, text);
  box.replaceChildren(p);
  setTimeout(() => p.isConnected && p.remove(), bad ? 9000 : 4000);
}

// busy runs work for a button, which is off meanwhile, and shows what goes wrong.
export async function busy(button, work) {
  document.getElementById('notice').replaceChildren(); // what went wrong before is over
  if (button) button.disabled = true;
  try {
    return await work();
  } catch (err) {
    notice(err.message, true);
  } finally {
    if (button) button.disabled = false;
  }
}

export const button = (text, work, className = '') =>
  el('button', { type: 'button', className, onclick: (e) => busy(e.currentTarget, work) }, text);

// sure is a button that asks first.
export const sure = (text, question, work, className = 'danger') =>
  button(text, async () => { if (confirm(question)) await work(); }, className);

export const when = (t) => (t ? new Date(t).toLocaleString() : '–');

export const state = (s) => el('span', { className: `state ${s}` }, s);

export function table(heads, rows, empty) {
  if (!rows.length) return el('p', { className: 'soft' }, empty);
  return el('div', { className: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, heads.map((h) => el('th', { scope: 'col' }, h)))),
    el('tbody', {}, rows.map((r) => named(r, heads)))));
}

// named tells the cells of a row what they are: on a phone there is no head.
export function named(tr, heads) {
  [...tr.cells].forEach((c, i) => { if (heads[i]) c.dataset.head = heads[i]; });
  return tr;
}

export const row = (...cells) => el('tr', {}, cells.map((c) => el('td', {}, c)));

// more reads on a list with a button, until there is no more.
export async function pages(load, show) {
  const box = el('div');
  const step = async (after) => {
    const part = await load(after);
    box.querySelector(':scope > .more')?.remove();
    show(part.items, box);
    if (part.next) box.append(el('p', { className: 'more' }, button('More', () => step(part.next))));
  };
  await step('');
  return box;
}

// once shows a secret that will not be shown again.
export function once(title, secret, close) {
  const field = el('input', { value: secret, readOnly: true, className: 'mono', ariaLabel: title, onfocus: (e) => e.target.select() });
  return el('div', { className: 'panel once' },
    el('strong', {}, title), el('span', {}, 'It is shown this once. Copy it now.'), field,
    el('div', { className: 'actions' },
      button('Copy', async () => { await navigator.clipboard.writeText(secret); notice('Copied.'); }, 'main'),
      button('Done', close)));
}

export const labelled = (text, input) => el('label', {}, text, input);
