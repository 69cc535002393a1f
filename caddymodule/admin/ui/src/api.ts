// The one place that talks to the API. A pasted token stays in this tab's memory
// and sessionStorage, and is sent as a header. Who signed in through an OpenID
// provider has a cookie that no script can read; what changes something then
// carries me.csrf_token, which no other page can know.
import { signal } from '@preact/signals';
import type { Me } from './types';

const base = '/api/v1';
const slot = 'attache-token';

export const me = signal<Me | null>(null);

// signedOut says why the sign-in page is shown although somebody was signed in.
export const signedOut = signal('');

export const token = {
  get: () => sessionStorage.getItem(slot) || '',
  set: (t: string) => (t ? sessionStorage.setItem(slot, t) : sessionStorage.removeItem(slot)),
};

// skew is how far the server's clock is ahead of this computer's, in milliseconds.
export const skew = signal(0);
export const now = () => Date.now() + skew.value;

export class Problem extends Error {
  code: string;
  status: number;
  errors: { location?: string; message: string }[];

  constructor(body: any, status: number) {
    super(body.detail || (status ? `The server answered ${status}.` : 'The server cannot be reached.'));
    this.code = body.code || '';
    this.status = status;
    this.errors = body.errors || [];
  }

  // away: trying again later may help.
  get away() { return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504 || this.status === 429; }
}

const proof = (): Record<string, string> => (token.get() ? { Authorization: `Bearer ${token.get()}` }
  : me.value?.csrf_token ? { 'X-CSRF-Token': me.value.csrf_token } : {});

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, headers: { ...proof(), ...headers }, credentials: token.get() ? 'omit' : 'same-origin', cache: 'no-store', signal };
  if (body !== undefined) {
    (init.headers as Record<string, string>)['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const asked = Date.now();
  let res: Response;
  try {
    res = await fetch(base + path, init);
  } catch (err) {
    if ((err as Error).name === 'AbortError') throw err;
    throw new Problem({}, 0);
  }
  const date = Date.parse(res.headers.get('Date') || '');
  if (date && Date.now() - asked < 5000) {
    const ahead = date + 500 - (asked + Date.now()) / 2;
    skew.value = Math.abs(ahead) < 3000 ? 0 : ahead;
  }
  if (res.ok) return res;
  const text = await res.text().catch(() => '');
  let out = {};
  try { out = JSON.parse(text); } catch { /* not ours */ }
  if (res.status === 401 && me.value) {
    token.set('');
    me.value = null;
    signedOut.value = 'You were signed out meanwhile. Sign in to go on where you were.';
  }
  throw new Problem(out, res.status);
}

export async function call<T = any>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<T> {
  const res = await send(method, path, body, headers, signal);
  const text = await res.text();
  const out = text ? JSON.parse(text) : {};
  const said = res.headers.get('Attache-At-Service'); // of what was deleted, which has no body
  if (said) out.at_service = said;
  return out;
}

export const get = <T = any>(path: string, signal?: AbortSignal) => call<T>('GET', path, undefined, {}, signal);

// once is a POST that is done once, however often the button is pressed.
export const create = <T = any>(path: string, body: unknown) => call<T>('POST', path, body, { 'Idempotency-Key': crypto.randomUUID() });

// query makes ?a=b of what is not empty; lists repeat the name.
export function query(values: Record<string, string | number | boolean | string[] | undefined | null>) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(values)) {
    if (Array.isArray(v)) { if (v.length) q.set(k, v.join(',')); } else if (v) q.set(k, String(v));
  }
  const s = q.toString();
  return s ? `?${s}` : '';
}

export const enc = encodeURIComponent;

// download saves an answer as a file.
export async function download(path: string, name: string) {
  const res = await send('GET', path);
  const url = URL.createObjectURL(await res.blob());
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// follow reads server-sent events until it is stopped, and goes on after the last
// one when the connection breaks. EventSource cannot send a header, so this reads
// the stream itself.
export async function follow(path: string, signal: AbortSignal, heard: (event: any) => void, told: (connected: boolean) => void) {
  let last = '';
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 15_000)) {
    try {
      const res = await send('GET', path, undefined, last ? { 'Last-Event-ID': last } : {}, signal);
      told(true);
      wait = 500;
      const lines = res.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await lines.read();
        if (done) break;
        const parts = (rest + value).split('\n\n');
        rest = parts.pop()!;
        for (const part of parts) {
          const line = part.split('\n');
          const id = line.find((l) => l.startsWith('id: '));
          const data = line.find((l) => l.startsWith('data: '));
          if (id) last = id.slice(4);
          if (data) heard(JSON.parse(data.slice(6)));
        }
      }
    } catch (err) {
      if (signal.aborted || (err as Problem).status === 401) return;
    }
    told(false);
    await new Promise((r) => setTimeout(r, wait));
  }
}
