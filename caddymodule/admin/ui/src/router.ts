// Addresses are in the part after #, so that the server serves one page.
import { signal } from '@preact/signals';

let visits = 0;

const parse = () => {
  const [path, search] = (location.hash.replace(/^#\/?/, '') || 'home').split('?');
  let parts: string[];
  try { parts = path.split('/').map(decodeURIComponent); } catch { parts = ['home']; }
  // Each visit is a page of its own: a link to the page where one is begins it anew.
  return { parts, search: new URLSearchParams(search || ''), visit: ++visits };
};

export const route = signal(parse());
addEventListener('hashchange', () => { route.value = parse(); });

export const href = (...parts: string[]) => `#/${parts.map(encodeURIComponent).join('/')}`;
export const go = (...parts: string[]) => { location.hash = href(...parts); };

// remember writes the filters of a page into its address without a step in the
// history, so that back, a reload and a copied link lead to the same list.
export function remember(values: Record<string, string>) {
  const q = new URLSearchParams(Object.entries(values).filter(([, v]) => v)).toString();
  const hash = location.hash.split('?')[0] || '#/home';
  history.replaceState(null, '', q ? `${hash}?${q}` : hash);
}
