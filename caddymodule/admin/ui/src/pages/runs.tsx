import { call, enc, get } from '../api';
import { useList, useLoad } from '../load';
import { href } from '../router';
import { Table, type Column } from '../table';
import { Button, Empty, Facts, mayEdit, Mono, notice, Page, Section, Show, sure, Time } from '../ui';
import type { AuditEvent, Run } from '../types';
import { headline } from '../words';

const states: Record<Run['state'], string> = { running: 'active', ended: 'inactive', lapsed: 'error' };

const end = (r: Run, done: () => unknown) => sure('End this run?', 'Its program goes on, but gets no answers of connectors any more.', 'End', async () => { await call('POST', `/runs/${enc(r.id)}/end`, {}); notice('It has ended.'); done(); });

// Standing is how a run stands, in a word and a colour.
const Standing = ({ r }: { r: Run }) => <span class={`state ${states[r.state]}`}>{r.state}</span>;

export function Runs() {
  const rows = useList<Run>('/runs', 100);
  const columns: Column<Run>[] = [
    { name: 'Program', main: true, cell: (r) => <a href={href('runs', r.id)} class="clip" dir="auto">{r.program}</a> },
    { name: 'State', w: 110, cell: (r) => <Standing r={r} /> },
    { name: 'Agent', w: 130, cell: (r) => <span class="clip" dir="auto">{r.agent}</span> },
    { name: 'User', w: 110, phone: false, cell: (r) => <span class="clip" dir="auto">{r.user || ''}</span> },
    { name: 'Confined', w: 92, phone: false, cell: (r) => (r.confined ? 'yes' : '') },
    { name: 'Calls', w: 76, num: true, cell: (r) => r.calls },
    { name: 'Refused', w: 84, num: true, phone: false, cell: (r) => r.refusals },
    { name: 'Began', w: 124, cell: (r) => <Time at={r.began_at} /> },
  ];
  return (
    <Page title="Runs" lead="Programs that attache exec started. Each has a token of its own, which ends with it.">
      <Table rows={rows} columns={columns} id={(r) => r.id} caption="Runs" empty={<Empty title="No program was started yet." />} />
    </Page>
  );
}

export function RunPage({ id }: { id: string }) {
  const o = useLoad<Run>(`run ${id}`, (s) => get(`/runs/${enc(id)}`, s), 3000);
  const events = useList<AuditEvent>(`/audit?run_id=${enc(id)}`, 50);
  const columns: Column<AuditEvent>[] = [
    { name: 'What', main: true, cell: (e) => <a href={`${href('audit')}?run_id=${enc(id)}&open=${enc(e.id)}`} class="clip" dir="auto">{headline(e)}</a> },
    { name: 'Answer', w: 84, num: true, cell: (e) => e.status || '' },
    { name: 'Connector', w: 130, phone: false, cell: (e) => e.connector || '' },
    { name: 'When', w: 124, cell: (e) => <Time at={e.at} /> },
  ];
  return (
    <Page title="Run" back={[href('runs'), 'Runs']}>
      <Show of={o} what="The run">{(r) => (
        <Section title={r.program} actions={r.state === 'running' && mayEdit() && <Button kind="danger" onClick={() => end(r, o.reload)}>End</Button>}>
          <Facts of={[
            ['State', <Standing r={r} />], ['Agent', <a href={href('agents', r.agent_id)}>{r.agent}</a>], ['Started by', [r.user, r.host].filter(Boolean).join(' at ')],
            ['Confined', r.confined ? 'yes: it has no way out but the proxy' : 'nobody has shown it'], ['Began', <Time at={r.began_at} />], ['Ended', r.ended_at && <Time at={r.ended_at} />], ['How', r.why],
            ['Calls, refused', `${r.calls}, ${r.refusals}`], ['Organisation', r.organisation], ['Id', <Mono>{r.id}</Mono>],
          ]} />
        </Section>
      )}</Show>
      <Table rows={events} columns={columns} id={(e) => e.id} caption="What it did" empty={<Empty title="It has done nothing yet." />} />
    </Page>
  );
}
