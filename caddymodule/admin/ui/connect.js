import { call, get } from './api.js';
import { el, button, notice, once } from './dom.js';

// A person connects at the account's own connect page: a key is pasted there, the
// service's sign-in begins there, a code is shown there. The dashboard only makes
// the link, opens it in a pop-up, and hears how it ended.
export function connectButtons(account, again) {
  const box = el('div');
  const link = () => call('POST', '/connect/sessions', { account_id: account.id });
  const open = button(account.state === 'pending' ? 'Connect' : 'Connect again', async () => {
    const popup = window.open('', `attache-${account.id}`, 'popup,width=520,height=760');
    let made;
    try {
      made = await link();
    } catch (err) {
      popup?.close();
      throw err;
    }
    if (!popup) {
      box.replaceChildren(el('p', {}, 'The browser blocked the pop-up. ', el('a', { href: made.url, target: '_blank', rel: 'opener' }, 'Open the page')));
    } else {
      popup.location = made.url;
    }
    const session = await ended(made.id, popup);
    if (session.status === 'done') notice('It is connected.');
    else if (session.error) notice(session.error.detail || 'It was not connected.', true);
    await again();
  }, 'main');
  const give = button('Link for somebody else', async () => {
    const made = await link();
    box.replaceChildren(once(`Whoever opens this until ${new Date(made.expires_at).toLocaleTimeString()} can connect this account, and nothing else`, made.url, () => box.replaceChildren()));
  });
  return { buttons: [open, give], box };
}

// ended waits until a session is over, or its pop-up is closed.
function ended(id, popup) {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel('attache');
    let timer;
    const look = async () => {
      clearTimeout(timer);
      const closed = !popup || popup.closed; // before the question, so that its answer is newer
      try {
        const s = await get(`/connect/sessions/${id}`);
        if (['done', 'failed', 'expired'].includes(s.status) || (popup && closed && s.status !== 'authorizing')) return end(s);
        if (popup && closed && s.flow === 'popup_oauth') return end(s); // given up at the service
      } catch (err) {
        channel.close();
        return reject(err);
      }
      timer = setTimeout(look, 2000);
    };
    const heard = (e) => {
      if (e.origin === location.origin && e.data?.type === 'attache:connect' && e.data.session === id && e.data.outcome === 'done') look();
    };
    const end = (s) => {
      channel.close();
      removeEventListener('message', heard);
      resolve(s);
    };
    channel.onmessage = heard;
    addEventListener('message', heard);
    timer = setTimeout(look, 2000);
  });
}
