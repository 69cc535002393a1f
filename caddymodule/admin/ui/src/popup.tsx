// A person connects at the account's own connect page: a key is pasted there, the
// service's sign-in begins there, a code is shown there. The dashboard only makes
// the link, opens it in a pop-up, and hears how it ended.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, Problem } from './api';
import { call } from './api';
import type { Account } from './types';
import { alarm } from './ui';

export type PopupState = { stage: '' | 'opening' | 'waiting' | 'blocked'; url: string; open: () => Window | null; show: (stage: PopupState['stage'], url?: string) => void; gone: AbortSignal };

export function usePopup(): PopupState {
  const [s, set] = useState<{ stage: PopupState['stage']; url: string }>({ stage: '', url: '' });
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);
  return { ...s, gone: gone.current.signal, show: (stage, url = '') => set({ stage, url }), open: () => { set({ stage: 'opening', url: '' }); return window.open('', `attache-${Date.now()}`, 'popup,width=520,height=760'); } };
}

export function Popup({ of }: { of: PopupState }) {
  if (!of.stage) return null;
  return (
    <div class="note" role="status">
      {of.stage === 'opening' && <p>The window is being opened…</p>}
      {of.stage === 'waiting' && <p>Go on in the window that opened. This page goes on by itself when you are done.</p>}
      {of.stage === 'blocked' && <p>The browser blocked the pop-up. <a href={of.url} target="_blank" rel="opener">Open the page</a></p>}
    </div>
  );
}

// link makes a link that connects an account.
export const link = (account: Account, more: object = {}) => call<{ id: string; url: string; expires_at: string }>('POST', '/connect/sessions', { account_id: account.id, ...more });

// connectNow opens the link and waits until the session is over, or its pop-up closed.
export async function connectNow(account: Account, popup: PopupState, opened: Window | null, more: object = {}): Promise<string> {
  try {
    const made = await link(account, more);
    if (opened) opened.location.href = made.url;
    popup.show(opened ? 'waiting' : 'blocked', made.url);
    const s = await ended(made.id, opened, popup.gone);
    if (s.status !== 'done' && s.error) alarm(new Error(s.error.detail || 'It was not connected.'));
    return s.status;
  } catch (err) {
    opened?.close();
    throw err;
  } finally {
    if (!popup.gone.aborted) popup.show('');
  }
}

type Session = { status: string; flow?: string; error?: { detail?: string } };

function ended(id: string, popup: Window | null, gone: AbortSignal): Promise<Session> {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel('attache');
    let timer: ReturnType<typeof setTimeout>;
    const finish = () => { clearTimeout(timer); channel.close(); removeEventListener('message', heard); };
    const end = (s: Session) => { finish(); resolve(s); };
    const look = async () => {
      clearTimeout(timer);
      const closed = !popup || popup.closed; // before the question, so that its answer is newer
      try {
        const s = await get<Session>(`/connect/sessions/${id}`);
        if (['done', 'failed', 'expired'].includes(s.status) || (popup && closed && s.status !== 'authorizing')) return end(s);
        if (popup && closed && s.flow === 'popup_oauth') return end(s); // given up at the service
      } catch (err) {
        if (!(err as Problem).away) { finish(); return reject(err); }
      }
      timer = setTimeout(look, 2000);
    };
    const heard = (e: MessageEvent) => {
      if (e.origin === location.origin && e.data?.type === 'attache:connect' && e.data.session === id && e.data.outcome === 'done') look();
    };
    channel.onmessage = heard;
    addEventListener('message', heard);
    gone.addEventListener('abort', () => end({ status: 'left' }));
    timer = setTimeout(look, 2000);
  });
}
