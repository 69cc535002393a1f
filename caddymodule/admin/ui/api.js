// The one place that talks to the API. A pasted token stays in this tab's memory
// and sessionStorage, and is sent as a header. Who signed in through an OpenID
// provider has a cookie that no script can read; what changes something then
// carries session.me.csrf_token, which no other page can know.
const base = '/api/v1';
const slot = 'attache-token';

export const session = {
  get token() { return sessionStorage.getItem(slot) || ''; },
  set token(t) { t ? sessionStorage.setItem(slot, t) : sessionStorage.removeItem(slot); },
  me: null,
};

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail || `The server answered ${status}.`);
    this.code = body.code || '';
    this.status = status;
    this.errors = body.errors || [];
  }
}

const proof = () => (session.token ? { Authorization: `Bearer ${session.token}` }
  : session.me?.csrf_token ? { 'X-CSRF-Token': session.me.csrf_token } : {});
const credentials = () => (session.token ? 'omit' : 'same-origin');

export async function call(method, path, body, headers = {}) {
  const init = { method, headers: { ...proof(), ...headers }, credentials: credentials(), cache: 'no-store' };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let res;
  try {
    res = await fetch(base + path, init);
  } catch {
    throw new Problem({ detail: 'The server cannot be reached.' }, 0);
  }
  const text = await res.text();
  let out = {};
  try { out = text ? JSON.parse(text) : {}; } catch { /* not ours */ }
  if (!res.ok) throw new Problem(out, res.status);
  const said = res.headers.get('Attache-At-Service'); // of what was deleted, which has no body
  if (said) out.at_service = said;
  return out;
}

export const get = (path) => call('GET', path);

// query makes ?a=b of what is not empty.
export function query(values) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(values)) if (v) q.set(k, v);
  const s = q.toString();
  return s ? `?${s}` : '';
}

// follow reads server-sent events until it is stopped. EventSource cannot send a
// header, so this reads the stream itself.
export async function follow(path, signal, heard) {
  const res = await fetch(base + path, { headers: proof(), credentials: credentials(), signal });
  if (!res.ok) throw new Problem({}, res.status);
  const lines = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await lines.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split('\n').find((l) => l.startsWith('data: '));
      if (data) heard(JSON.parse(data.slice(6)));
    }
  }
}
