import { useState } from 'preact/hooks';
import { create, enc, get, query } from '../api';
import { useLoad } from '../load';
import { href } from '../router';
import { Empty, Field, Form, mayEdit, Once, Page, Section, Show, Time } from '../ui';
import type { Account, Agent, List } from '../types';

type Made = { url: string; method: string; headers?: Record<string, string>; expires_at: string };

export function Presigned({ account: first }: { account: string }) {
  const [account, setAccount] = useState(first);
  const [q, setQ] = useState('');
  const accounts = useLoad(`storage ${q.trim()}`, async (s) => {
    const l = await get<List<Account>>(`/accounts${query({ state: 'active', q: q.trim(), limit: 200 })}`, s);
    const one = first && !l.items.some((a) => a.id === first) ? await get<Account>(`/accounts/${enc(first)}`, s).catch(() => null) : null;
    return [...(one ? [one] : []), ...l.items].filter((a) => !a.read_only);
  });
  const agents = useLoad('agents for presigned', (s) => get<List<Agent>>('/agents?limit=200', s));
  const [url, setURL] = useState('');
  const [method, setMethod] = useState('GET');
  const [minutes, setMinutes] = useState('15');
  const [type, setType] = useState('');
  const [agent, setAgent] = useState('');
  const [made, setMade] = useState<Made | null>(null);
  return (
    <Page title="Presigned URLs" lead="A URL that works without the proxy for a while: for object storage, where a large file should go straight.">
      {made && <Once title={`${made.method} it`} secret={made.url} done={() => setMade(null)}><p>It works until <Time at={made.expires_at} />. Whoever has it can use it.{made.headers && ` Send with it: ${Object.entries(made.headers).map(([k, v]) => `${k}: ${v}`).join(', ')}.`}</p></Once>}
      <Section title="Create a URL" lead="It is written to the audit, with who asked and for whom.">
        {!mayEdit() ? <p>Your role may look, and change nothing.</p> : (
          <Show of={accounts} what="The list of accounts">{(list) => (list.length || q ? (
            <Form yes="Create" names={['url', 'method', 'expires_in', 'headers', 'agent_id']} send={async () => setMade(await create(`/accounts/${enc(account || list[0].id)}/presign`, { url: url.trim(), method, expires_in: Math.round(Number(minutes) * 60), ...(type.trim() && { headers: { 'Content-Type': type.trim() } }), ...(agent && { agent_id: agent }) }))}>
              {(w) => <>
                {(list.length > 10 || q) && <Field label="Find an account" type="search" value={q} set={setQ} placeholder="Name, owner, e-mail" />}
                <Field label="Account" value={account || list[0]?.id || ''} set={setAccount} required options={list.map((a) => [a.id, `${a.connector}: ${a.name}`])} />
                <Field label="What" name="url" value={url} set={setURL} required mono placeholder="https://bucket.s3.us-east-1.amazonaws.com/key" hint="An address, or a path at the account’s base URL." error={w.fields.url} />
                <Field label="To" value={method} set={setMethod} options={[['GET', 'download (GET)'], ['PUT', 'upload (PUT)'], ['HEAD', 'look (HEAD)'], ['POST', 'POST'], ['DELETE', 'delete (DELETE)']]} />
                <Field label="For how many minutes" name="expires_in" type="number" min={1} maxValue={60} step="1" value={minutes} set={setMinutes} required hint="At most an hour." error={w.fields.expires_in} />
                {method === 'PUT' && <Field label="Content type" value={type} set={setType} optional mono placeholder="text/plain" error={w.fields.headers} />}
                <Field label="Who will use it" value={agent} set={setAgent} options={[['', 'You'], ...(agents.data?.items || []).map((a): [string, string] => [a.id, a.name])]} error={w.fields.agent_id} />
              </>}
            </Form>
          ) : <Empty title="No account is active."><a href={href('connect')}>Connect a service.</a></Empty>)}</Show>
        )}
      </Section>
    </Page>
  );
}
