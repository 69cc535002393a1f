import { session, get, call } from './api.js';
import { el, notice, busy, labelled } from './dom.js';
import { accounts } from './accounts.js';
import { agents } from './agents.js';
import { connectors } from './connectors.js';
import { audit } from './audit.js';

const views = { accounts, agents, connectors, audit };
const app = document.getElementById('app');
let leave = () => {};

async function signIn() {
  const { sign_in_url: url } = await get('/session').catch(() => ({}));
  const token = el('input', { type: 'password', autocomplete: 'off', required: true, placeholder: 'atm_…', spellcheck: false });
  const form = el('form', { className: 'panel', onsubmit: (e) => {
    e.preventDefault();
    busy(e.submitter, async () => {
      session.token = token.value.trim();
      await start();
    });
  } }, el('h2', {}, 'Sign in'),
  labelled('Admin token', token),
  el('span', { className: 'soft' }, 'Make one with: ', el('span', { className: 'mono' }, 'attache admin token create --name me --role admin')),
  el('div', { className: 'actions' }, el('button', { className: 'main' }, 'Sign in')));
  app.replaceChildren(el('main', {}, url && el('div', { className: 'panel' }, el('a', { href: url, className: 'button' }, 'Sign in with your organisation')), form));
  if (!url) token.focus();
}

async function start() {
  try {
    session.me = await get('/me');
  } catch (err) {
    const wrong = session.token && err.status === 401;
    session.token = '';
    await signIn();
    if (err.status !== 401) throw err;
    if (wrong) notice('That token does not open this.', true);
    return;
  }
  show();
}

async function signOut() {
  try {
    if (!session.token) await call('DELETE', '/session');
  } catch (err) {
    notice(err.message, true);
    return;
  }
  session.token = '';
  session.me = null;
  leave();
  await signIn();
}

async function show() {
  if (!session.me) return;
  leave();
  leave = () => {};
  const [name, ...rest] = (location.hash.slice(2) || 'accounts').split('/').map(decodeURIComponent);
  const view = views[name] || accounts;
  const main = el('main', { tabIndex: -1 }, el('p', { className: 'soft' }, 'Loading…'));
  app.replaceChildren(el('header', {},
    el('h1', {}, 'Attaché'),
    el('nav', { ariaLabel: 'Sections' }, Object.keys(views).map((v) =>
      el('a', { href: `#/${v}`, 'aria-current': views[v] === view ? 'page' : null }, v[0].toUpperCase() + v.slice(1)))),
    el('span', { className: 'soft' }, `${session.me.name} · ${session.me.role}${session.me.organisation === '*' ? '' : ` · ${session.me.organisation}`}`),
    el('button', { type: 'button', onclick: signOut }, 'Sign out')), main);
  try {
    leave = (await view(main, ...rest)) || leave;
  } catch (err) {
    if (err.status === 401) { session.token = ''; session.me = null; signIn(); return; }
    main.replaceChildren(el('p', {}, err.message));
  }
}

addEventListener('hashchange', show);
// Whoever comes back from the provider has a session; the page cannot see its cookie.
async function first() {
  if (session.token || (await get('/session')).sign_in_url) await start();
  else await signIn();
}

first().catch((err) => notice(err.message, true));
