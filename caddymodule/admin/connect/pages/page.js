// The pages work without this. With it, a pop-up tells the page that opened it how
// it ended and closes itself, and the page with a code goes on by itself.
(() => {
  const { session, outcome } = document.body.dataset;

  // The address of a callback holds what was used up; it need not stay in the history.
  if (location.pathname === '/oauth/callback') history.replaceState(null, '', '/oauth/callback');

  if (outcome && session) {
    const said = { type: 'attache:connect', session, outcome };
    // Our own pages alone hear it: the opener's origin must be ours.
    if (window.opener) {
      try { window.opener.postMessage(said, location.origin); } catch { /* it is gone */ }
    }
    new BroadcastChannel('attache').postMessage(said);
    if (outcome === 'done') setTimeout(() => window.close(), 1500);
  }

  for (const b of document.querySelectorAll('[data-copy]')) {
    b.hidden = !navigator.clipboard;
    b.addEventListener('click', async () => {
      await navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent);
      b.textContent = 'Copied';
    });
  }

  if (document.querySelector('[data-wait]')) {
    const here = location.pathname;
    const ask = async () => {
      try {
        const res = await fetch(`${here}/status`, { cache: 'no-store' });
        const { status } = await res.json();
        if (status !== 'authorizing' && status !== 'unknown') { location.replace(here); return; }
      } catch { /* the network; again */ }
      setTimeout(ask, 2000);
    };
    setTimeout(ask, 2000);
  }

  for (const f of document.forms) {
    f.addEventListener('submit', () => { for (const b of f.querySelectorAll('button')) b.disabled = true; });
  }
  addEventListener('pageshow', (e) => {
    if (e.persisted) for (const b of document.querySelectorAll('button')) b.disabled = false;
  });
})();
