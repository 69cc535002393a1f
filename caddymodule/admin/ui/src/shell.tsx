// The frame around the pages: navigation, who is signed in, what was said.
import { Fragment, type ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { me, skew } from './api';
import { go, href, route } from './router';
import { ready, SignIn, signOut } from './signin';
import { alarm, cx, Empty, everywhere, Icon, Loading, mayAdmin, Notes, Page, Questions, quiet } from './ui';
import { Home } from './pages/home';
import { Connect } from './pages/connect';
import { ConnectForm } from './pages/connectform';
import { Accounts } from './pages/accounts';
import { AccountPage } from './pages/account';
import { Agents } from './pages/agents';
import { AgentPage } from './pages/agent';
import { ApprovalPage, Approvals } from './pages/approvals';
import { Connectors } from './pages/connectors';
import { ConnectorPage } from './pages/connector';
import { NewConnector } from './pages/connectorform';
import { Audit } from './pages/audit';
import { Webhooks, WebhookPage } from './pages/webhooks';
import { Apps } from './pages/apps';
import { Tokens } from './pages/tokens';
import { Organisations } from './pages/organisations';
import { RunPage, Runs } from './pages/runs';
import { Presigned } from './pages/presigned';
import { SettingsPage } from './pages/settings';

type Entry = { key: string; name: string; letter?: string; shown?: () => boolean; page: (id: string, sub: string) => ComponentChildren };

const entries: Entry[] = [
  { key: 'home', name: 'Home', letter: 'h', page: () => <Home /> },
  { key: 'connect', name: 'Connect', letter: 'c', page: (id) => (id ? <ConnectForm key={id} connector={id} /> : <Connect />) },
  { key: 'accounts', name: 'Accounts', letter: 'a', page: (id) => (id === 'new' ? <Connect /> : id ? <AccountPage key={id} id={id} /> : <Accounts />) },
  { key: 'agents', name: 'Agents', letter: 'g', page: (id) => (id ? <AgentPage key={id} id={id} /> : <Agents />) },
  { key: 'approvals', name: 'Approvals', letter: 'p', page: (id) => (id ? <ApprovalPage key={id} id={id} /> : <Approvals />) },
  { key: 'connectors', name: 'Connectors', letter: 'n', page: (id, sub) => (id === 'new' ? <NewConnector /> : id ? <ConnectorPage key={id} id={id} edit={sub === 'edit'} /> : <Connectors />) },
  { key: 'runs', name: 'Runs', letter: 'r', page: (id) => (id ? <RunPage key={id} id={id} /> : <Runs />) },
  { key: 'audit', name: 'Audit', letter: 'l', page: () => <Audit /> },
  { key: 'webhooks', name: 'Webhooks', page: (id) => (id ? <WebhookPage key={id} id={id} /> : <Webhooks />) },
  { key: 'apps', name: 'OAuth apps', page: () => <Apps /> },
  { key: 'presigned', name: 'Presigned URLs', page: (id) => <Presigned account={id} /> },
  { key: 'tokens', name: 'Admin tokens', shown: mayAdmin, page: () => <Tokens /> },
  { key: 'organisations', name: 'Organisations', shown: everywhere, page: () => <Organisations /> },
  { key: 'settings', name: 'Settings', page: () => <SettingsPage /> },
];

export function App() {
  if (!ready.value) return <main class="gate"><Loading /></main>;
  if (!me.value) return <><SignIn /><Notes /></>;
  return <Frame />;
}

function Frame() {
  const [key, id = '', sub = ''] = route.value.parts;
  const entry = entries.find((e) => e.key === key);
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  useKeys();
  useEffect(() => { setOpen(false); quiet(); }, [route.value]);
  const who = me.value!;
  return (
    <div class={cx('frame', open && 'open')}>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>Skip to the page</a>
      <header class="side">
        <div class="top">
          <a class="brand" href={href('home')}><img src="./icon.svg" alt="" width="26" height="26" /><span>Attaché</span></a>
          <button type="button" class="plain burger" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}><Icon name="menu" /><span class="hidden">Menu</span></button>
        </div>
        <div id="nav" class="menu">
          <nav aria-label="Pages">
            {entries.filter((e) => !e.shown || e.shown()).map((e, i) => (
              <a key={e.key} href={href(e.key)} class={cx(i === 7 && 'gap')} aria-current={e === entry ? 'page' : undefined}><Icon name={e.key} />{e.name}</a>
            ))}
          </nav>
          <div class="who">
            <span dir="auto">{who.name} · {who.role}{who.organisation === '*' ? '' : ` · ${who.organisation}`}</span>
            <button type="button" class="plain" onClick={() => signOut().catch(alarm)}>Sign out</button>
          </div>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {Math.abs(skew.value) > 120_000 && <p class="note" role="status">This computer’s clock is {Math.round(Math.abs(skew.value) / 60_000)} minutes {skew.value > 0 ? 'behind' : 'ahead of'} the server’s. Times here follow the server’s.</p>}
        {entry ? <Fragment key={route.value.visit}>{entry.page(id, sub)}</Fragment> : <Page title="Nothing here"><Empty title="There is no such page."><a href={href('home')}>Go to Home</a></Empty></Page>}
      </main>
      <Notes />
      <Questions />
    </div>
  );
}

// useKeys lets the keyboard go to pages and to the search.
function useKeys() {
  useEffect(() => {
    let g = 0;
    const f = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).closest('input,textarea,select,dialog')) return;
      if (e.key === '/') {
        const search = document.querySelector<HTMLInputElement>('main input[type=search]');
        if (search) { e.preventDefault(); search.focus(); }
      } else if (e.key === 'g' && Date.now() - g > 1000) g = Date.now();
      else if (Date.now() - g < 1000) {
        const entry = entries.find((x) => x.letter === e.key);
        g = 0;
        if (entry) { e.preventDefault(); go(entry.key); }
      }
    };
    addEventListener('keydown', f);
    return () => removeEventListener('keydown', f);
  }, []);
}
