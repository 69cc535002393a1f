import { useState } from 'preact/hooks';
import { call, create, enc, get } from '../api';
import { useList, useLoad } from '../load';
import { go, href } from '../router';
import { Table, type Column } from '../table';
import { Button, Check, Empty, Facts, Field, Form, mayAdmin, Mono, notice, Once, Page, Section, Show, State, sure, Time } from '../ui';
import type { Delivery, List, Webhook } from '../types';

const events = ['account.created', 'account.updated', 'account.credentials_set', 'account.deleted', 'account.pending', 'account.active', 'account.expired', 'account.revoked', 'account.error', 'account.suspended'];
const eventWords = (e: string) => e.replace('account.', '').replace(/_/g, ' ');
const told = (list: string[]) => (list.includes('*') ? 'every change of an account' : `an account that is ${list.map(eventWords).join(', ')}`);

export function Webhooks() {
  const l = useLoad<List<Webhook>>('webhooks', (s) => get('/webhooks?limit=200', s));
  const [made, setMade] = useState<Webhook | null>(null);
  return (
    <Page title="Webhooks" lead="Your own servers, told of accounts that are made, edited, deleted or change their state.">
      {made?.secret && <Once title={`Key of the signatures to ${made.url}`} secret={made.secret} done={() => go('webhooks', made.id)} />}
      <Section title="Webhooks">
        <Show of={l} what="The list of webhooks">{(d) => (d.items.length ? <ul class="lines">{d.items.map((w) => (
          <li key={w.id}><span class="grow"><a class="mono" href={href('webhooks', w.id)}>{w.url}</a><span class="soft block">{told(w.events)} · {w.organisation === '*' ? 'every organisation' : w.organisation}</span></span><State of={w.active ? 'active' : 'inactive'} /></li>))}</ul> : <Empty title="No webhooks yet." />)}</Show>
      </Section>
      {mayAdmin() && <NewWebhook done={async (w) => { setMade(w); await l.reload(); }} />}
    </Page>
  );
}

function NewWebhook({ done }: { done: (w: Webhook) => Promise<void> }) {
  const [url, setURL] = useState('');
  const [chosen, setChosen] = useState<Set<string>>(new Set(['*']));
  return (
    <Section title="Create a webhook">
      <Form yes="Create" names={['url', 'events']} send={async () => { const w = await create<Webhook>('/webhooks', { url: url.trim(), events: [...chosen] }); setURL(''); await done(w); }}>
        {(w) => <>
          <Field label="URL" name="url" type="url" value={url} set={setURL} required placeholder="https://hooks.example.com/attache" error={w.fields.url} />
          <Events chosen={chosen} set={setChosen} error={w.fields.events} />
        </>}
      </Form>
    </Section>
  );
}

function Events({ chosen, set, error }: { chosen: Set<string>; set: (s: Set<string>) => void; error?: string }) {
  const every = chosen.has('*');
  return (
    <fieldset><legend>Tell it when an account</legend>
      <Check label="changes in any way" value={every} set={(on) => set(new Set(on ? ['*'] : ['account.expired', 'account.error']))} />
      {!every && events.map((e) => <Check key={e} label={`is ${eventWords(e)}`} value={chosen.has(e)} set={(on) => { const s = new Set(chosen); if (on) s.add(e); else s.delete(e); set(s); }} />)}
      {error && <p class="error">{error}</p>}
    </fieldset>
  );
}

export function WebhookPage({ id }: { id: string }) {
  const w = useLoad<Webhook>(`webhook ${id}`, (s) => get(`/webhooks/${enc(id)}`, s));
  return <Page title={w.data ? new URL(w.data.url).host : 'Webhook'} back={[href('webhooks'), 'Webhooks']} lead={w.data && <span class="mono">{w.data.url}</span>}><Show of={w} what="The webhook">{(d) => <Detail w={d} again={w.reload} />}</Show></Page>;
}

function Detail({ w, again }: { w: Webhook; again: () => Promise<void> }) {
  const path = `/webhooks/${enc(w.id)}`;
  const rows = useList<Delivery>(`${path}/deliveries`, 100);
  const [open, setOpen] = useState('');
  const [edit, setEdit] = useState(false);
  const columns: Column<Delivery>[] = [
    { name: 'Event', main: true, cell: (d) => <button type="button" class="plain" aria-expanded={open === d.id} onClick={() => setOpen(open === d.id ? '' : d.id)}><Mono>{d.event}</Mono></button> },
    { name: 'State', w: 110, cell: (d) => <State of={d.state} /> },
    { name: 'Answer', w: 170, cell: (d) => <span class="clip" dir="auto" title={d.error}>{d.status || d.error || '–'}</span> },
    { name: 'Attempts', w: 96, num: true, cell: (d) => d.attempts },
    { name: 'When', w: 124, cell: (d) => <Time at={d.created_at} /> },
    { name: 'Next attempt', w: 124, phone: false, cell: (d) => <Time at={d.next_at} none="–" /> },
    ...(mayAdmin() ? [{ name: 'Again', w: 136, cell: (d: Delivery) => <Button small label={`Send again: ${d.event}`} onClick={async () => { await create(`${path}/deliveries/${enc(d.id)}/redeliver`, undefined); notice('It is sent again.'); rows.reload(); }}>Send again</Button> }] : []),
  ];
  const shown = rows.items.find((d) => d.id === open);
  return (
    <>
      {mayAdmin() && <section class="acts" aria-label="Actions"><div class="actions">
        <Button onClick={async () => { await create(`${path}/test`, undefined); notice('A ping is on its way.'); setTimeout(rows.reload, 800); }}>Send a ping</Button>
        <Button onClick={async () => { await call('PATCH', path, { active: !w.active, version: w.version }); await again(); }}>{w.active ? 'Switch off' : 'Switch on'}</Button>
        <Button pressed={edit} onClick={() => setEdit(!edit)}>Edit</Button>
        <Button kind="danger" onClick={() => sure('Delete this webhook?', 'Nothing more is sent to it; the log of what was sent goes too.', 'Delete', async () => { await call('DELETE', path); go('webhooks'); })}>Delete</Button>
      </div></section>}
      {edit && <Edit w={w} done={async () => { setEdit(false); await again(); }} />}
      <Section title="About"><Facts of={[['State', <State of={w.active ? 'active' : 'inactive'} />], ['Told of', told(w.events)], ['Organisation', w.organisation === '*' ? 'every one' : w.organisation], ['Created', <Time at={w.created_at} />]]} /></Section>
      <h2>Deliveries</h2>
      {shown && <section class="card detail" aria-label="The delivery"><div class="cardhead"><h2>{shown.event}</h2><Button small onClick={() => setOpen('')}>Close</Button></div>{shown.error && <p class="error" dir="auto">{shown.error}</p>}<pre class="mono source" tabIndex={0}>{JSON.stringify(shown.payload, null, 2)}</pre></section>}
      <Table rows={rows} columns={columns} id={(d) => d.id} caption="Deliveries" empty={<Empty title="Nothing was sent yet.">Send a ping to try it.</Empty>} />
    </>
  );
}

function Edit({ w, done }: { w: Webhook; done: () => Promise<void> }) {
  const [url, setURL] = useState(w.url);
  const [chosen, setChosen] = useState(new Set(w.events));
  return (
    <Section title="Edit">
      <Form yes="Save" cancel={done} names={['url', 'events']} send={async () => { await call('PATCH', `/webhooks/${enc(w.id)}`, { url: url.trim(), events: [...chosen], version: w.version }); await done(); }}>
        {(p) => <><Field label="URL" name="url" type="url" value={url} set={setURL} required error={p.fields.url} /><Events chosen={chosen} set={setChosen} error={p.fields.events} /></>}
      </Form>
    </Section>
  );
}
