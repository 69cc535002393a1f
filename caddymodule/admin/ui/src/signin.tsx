// Signing in and out. Who was signed out meanwhile comes back to where they were.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { call, get, me, Problem, signedOut, token } from './api';
import { alarm, Field, Form, Link } from './ui';

export const ready = signal(false);
const how = signal<{ sign_in_url?: string }>({});
const away = signal('');

// linked takes the code of a link that a terminal printed out of the address, where
// it stays in no history, and signs in with it.
async function linked() {
  const code = /^#\/sign-in\/([^/?]+)$/.exec(location.hash)?.[1];
  if (!code) return;
  history.replaceState(null, '', '#/home');
  try {
    token.set((await call<{ token: string }>('POST', '/session/link', { code: decodeURIComponent(code) })).token);
    me.value = null;
    signedOut.value = '';
  } catch (err) {
    if (!token.get()) signedOut.value = (err as Problem).message;
  }
}
addEventListener('hashchange', () => { if (location.hash.startsWith('#/sign-in/')) start(); });

export async function start() {
  await linked();
  try {
    how.value = await get('/session');
    away.value = '';
    // Whoever comes back from the provider has a session; the page cannot see its cookie.
    if (token.get() || how.value.sign_in_url) me.value = await get('/me');
  } catch (err) {
    const p = err as Problem;
    if (p.status === 401) token.set('');
    else {
      away.value = p.message;
      if (p.away) setTimeout(start, 3000);
    }
  }
  ready.value = true;
}

export async function signOut() {
  try {
    if (!token.get()) await call('DELETE', '/session');
  } catch (err) {
    if ((err as Problem).status !== 401) return alarm(err as Problem);
  }
  token.set('');
  me.value = null;
  signedOut.value = '';
}

export function SignIn() {
  const [value, set] = useState('');
  const send = async () => {
    token.set(value.trim());
    try {
      me.value = await get('/me');
      signedOut.value = '';
    } catch (err) {
      token.set('');
      throw err;
    }
  };
  document.title = 'Sign in · Attaché';
  const url = how.value.sign_in_url;
  return (
    <main class="gate">
      <div class="brand"><img src="./icon.svg" alt="" width="40" height="40" /><span>Attaché</span></div>
      <h1>Sign in</h1>
      {signedOut.value && <p class="note" role="status">{signedOut.value}</p>}
      {away.value && <p class="error" role="alert">{away.value} It is tried again every few seconds.</p>}
      {url && <p><Link kind="main" href={url}>Sign in with your organisation</Link></p>}
      <section class="card" aria-label="With a token">
        <Form yes="Sign in" send={send} explain={(p) => (p.status === 401 ? 'That token does not open this.' : p.message)}>
          {(wrong) => <Field label="Admin token" name="token" type="password" placeholder="atm_…" value={value} set={set} required focus={!url} error={wrong.fields.token}
            hint={<>Make one where Attaché runs: <span class="mono">attache admin token create --name me --role admin</span></>} />}
        </Form>
      </section>
    </main>
  );
}
