// One service's form: a key is pasted here, a sign-in begins here.
import { useState } from 'preact/hooks';
import { call, create, enc, get, Problem } from '../api';
import { useLoad } from '../load';
import { go, href } from '../router';
import { alarm, Check, Field, Fold, Form, Logo, mayEdit, notice, Page, Show, Trouble } from '../ui';
import type { Account, Agent, Connector, List, Metadata, MetadataOption } from '../types';
import { scopeWords, typeName } from '../words';
import { connectNow, Popup, usePopup } from '../popup';

export function ConnectForm({ connector }: { connector: string }) {
  const meta = useLoad(`meta ${connector}`, async (s) => {
    const [c, m] = await Promise.all([get<Connector>(`/connectors/${enc(connector)}`, s), get<Metadata>(`/connectors/${enc(connector)}/metadata`, s)]);
    return { c, m };
  });
  const c = meta.data?.c;
  return (
    <Page title={c ? `Connect ${c.title}` : 'Connect'} back={[href('connect'), 'All services']}
      lead={c && <span class="with"><Logo id={c.key} />{c.description ? <span dir="auto">{c.description}</span> : <span>Goes to <span class="mono">{c.hosts.slice(0, 3).join(', ')}</span>{c.hosts.length > 3 && ` and ${c.hosts.length - 3} more`}, and nowhere else.</span>}</span>}>
      {meta.error?.status === 404 ? <Trouble error={new Problem({ detail: 'There is no such service.' }, 404)} what="The service" />
        : <Show of={meta} what="The service">{({ c, m }) => (mayEdit() ? <Options c={c} m={m} /> : <p>Your role may look, and change nothing.</p>)}</Show>}
    </Page>
  );
}

function Options({ c, m }: { c: Connector; m: Metadata }) {
  const [name, setName] = useState(m.options[0]?.name || '');
  const option = m.options.find((o) => o.name === name) || m.options[0];
  if (!option) return <p>This connector has no way to connect.</p>;
  return (
    <section class="card narrow" aria-label={`Connect ${c.title}`}>
      {m.options.length > 1 && (
        <fieldset class="ways"><legend>How</legend>
          {m.options.map((o) => <label key={o.name} class="way"><input type="radio" name="way" value={o.name} checked={o === option} onChange={() => setName(o.name)} /><span><b>{o.title || typeName(o.type)}</b><span class="hint">{o.flow === 'credentials' ? 'Paste it here' : o.flow === 'device_code' ? 'Type a code at the service' : 'Sign in at the service'}</span></span></label>)}
        </fieldset>
      )}
      <OptionForm key={option.name} c={c} option={option} docs={m.docs} />
    </section>
  );
}

// order puts the secret first where it is all that is asked for.
function OptionForm({ c, option, docs }: { c: Connector; option: MetadataOption; docs?: string }) {
  const fields = option.schema['x-order'];
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries(fields.map((f) => [f, option.schema.properties[f].default || ''])));
  const [name, setName] = useState('');
  const [identifier, setIdentifier] = useState('');
  const [untested, setUntested] = useState(false);
  const [grants, setGrants] = useState<Record<string, string>>({});
  const asks = option.scopes || [];
  const choice = [...(option.scope_list || []), ...asks.filter((s) => !option.scope_list?.some((x) => x.name === s)).map((name) => ({ name, allows: scopeWords(name) }))];
  const [scopes, setScopes] = useState<Set<string>>(new Set(asks));
  const popup = usePopup();
  const agents = useLoad('agents', (s) => get<List<Agent>>('/agents?limit=50', s));
  const person = option.flow !== 'credentials';
  const set = (f: string) => (v: string) => setValues((old) => ({ ...old, [f]: v }));

  const send = async () => {
    if (person && choice.length && !scopes.size) throw new Problem({ detail: 'Nothing is left to ask for.', errors: [{ location: 'body.scopes', message: 'Leave at least one' }] }, 422);
    const credentials = Object.fromEntries(Object.entries(values).filter(([, v]) => v));
    const body: Record<string, unknown> = { connector: c.key, option: option.name, ...(name && { name }), ...(identifier && { identifier }) };
    if (!person) Object.assign(body, { credentials, test: !untested });
    else if (scopes.size !== asks.length || asks.some((s) => !scopes.has(s))) body.scopes = choice.map((s) => s.name).filter((s) => scopes.has(s));
    const window = person ? popup.open() : null; // a browser lets a click open one, and nothing later
    let made: Account;
    try {
      made = await create<Account>('/accounts', body);
      await give(made);
    } catch (err) {
      window?.close();
      throw err;
    }
    if (!person) {
      notice(made.state === 'active' ? `${c.title} is connected.` : `It is stored, and waits for its test.`);
      return go('accounts', made.id);
    }
    const ended = await connectNow(made, popup, window, { option: option.name });
    if (ended === 'done') notice(`${c.title} is connected.`);
    go('accounts', made.id);
  };
  // give lets the agents that were ticked use the account.
  const give = async (made: Account) => {
    for (const [id, scopes] of Object.entries(grants)) {
      if (scopes) await call('POST', `/agents/${enc(id)}/grants`, { account_id: made.id, scopes: scopes.split(' ') }).catch((err) => alarm(err));
    }
  };
  const own = (agents.data?.items || []).filter((a) => !a.read_only || a.id);
  return (
    <>
      <Form yes={person ? `Continue to ${c.title}` : untested ? 'Store' : 'Connect'} send={send} cancel={() => go('connect')} prefix="body.credentials." names={[...fields, 'name', 'identifier', 'scopes']} explain={explained}>
        {(wrong) => (
          <>
            {!person && fields.map((f, i) => {
              const p = option.schema.properties[f];
              return <Field key={f} name={f} label={p.title} optional={!option.schema.required.includes(f)} required={option.schema.required.includes(f)} hint={p.description} value={values[f]} set={set(f)} focus={i === 0}
                error={wrong.fields[f]} pattern={p.pattern && unanchored(p.pattern)} title={p.pattern ? `${p.title} has another form` : undefined} options={p.enum?.map((v) => [v, v])} type={p.writeOnly ? 'password' : p.format === 'email' ? 'email' : 'text'} />;
            })}
            {(option.key_page || option.help)?.startsWith('https://') && <p><a href={option.key_page || option.help} target="_blank" rel="noreferrer">Where to get it</a></p>}
            {person && <p>{option.flow === 'device_code' ? `You get a code, and type it at ${c.title}.` : `A window opens, where you sign in at ${c.title}. Attaché never sees the password.`}</p>}
            {person && choice.length > 0 && <Scopes title={c.title} choice={choice} chosen={scopes} set={setScopes} error={wrong.fields.scopes} />}
            {own.length > 0 && (
              <Fold title={`Who may use it${Object.values(grants).filter(Boolean).length ? ` (${Object.values(grants).filter(Boolean).length})` : ''}`} open={own.length <= 5}>
                {own.map((a) => <Field key={a.id} label={a.name} value={grants[a.id] || ''} set={(v) => setGrants((old) => ({ ...old, [a.id]: v }))} options={[['', 'May not use it'], ['read', 'May only read'], ['read write', 'May read and change']]} />)}
                {agents.data?.next && <p class="hint">Further agents: on their own pages.</p>}
              </Fold>
            )}
            <Fold title="Name and owner">
              <Field label="Name" name="name" value={name} set={setName} placeholder="default" max={128} optional hint="Tells several accounts of one service apart." error={wrong.fields.name} />
              <Field label="Owner" name="identifier" value={identifier} set={setIdentifier} placeholder="the organisation" max={128} optional hint="Whose account it is, in your words." error={wrong.fields.identifier} />
              {!person && <Check label="Store without a test" value={untested} set={setUntested} hint="It then waits until it is tested, or until you let it be used without." />}
            </Fold>
          </>
        )}
      </Form>
      <Popup of={popup} />
      {docs?.startsWith('https://') && <p class="soft"><a href={docs} target="_blank" rel="noreferrer">{c.title}’s documentation</a></p>}
    </>
  );
}

// Scopes are what the service is asked for, each in words, to be left out one by one.
function Scopes({ title, choice, chosen, set, error }: { title: string; choice: { name: string; allows: string }[]; chosen: Set<string>; set: (s: Set<string>) => void; error?: string }) {
  return (
    <fieldset class="scopes"><legend>It asks {title} to let it</legend>
      {choice.map((s) => <Check key={s.name} label={<><span dir="auto">{s.allows}</span> <span class="mono soft">{s.name}</span></>} value={chosen.has(s.name)} set={(on) => { const next = new Set(chosen); if (on) next.add(s.name); else next.delete(s.name); set(next); }} />)}
      {error && <p class="error">{error}</p>}
      <p class="hint">Tick what agents need, and no more. What each agent may do is narrower still: you choose that below, and can change it any time.</p>
    </fieldset>
  );
}

// A pattern in HTML is anchored already.
const unanchored = (p: string) => p.replace(/^\^/, '').replace(/\$$/, '');

const explained = (err: Problem) => (err.code === 'TEST_FAILED' ? `${err.message.split(' Nothing was stored.')[0]} Nothing was stored. Try again, or tick “Store without a test”.`
  : err.code === 'ACCOUNT_EXISTS' || (err.status === 409 && /name/.test(err.message)) ? `${err.message} Give it another name, below.` : err.message);
