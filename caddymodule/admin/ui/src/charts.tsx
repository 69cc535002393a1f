// Charts as SVG, each with its numbers as text for who does not see it.
import { count, exact, plural } from './words';
import type { Slot, Top, Usage } from './types';

// Spark is a row's little curve: what happened by day.
export function Spark({ values, label }: { values?: number[]; label: string }) {
  if (!values?.some(Boolean)) return null;
  const max = Math.max(...values, 1);
  const w = 84 / values.length;
  return (
    <svg class="spark" viewBox="0 0 84 22" role="img" aria-label={`${label}: ${values.join(', ')}`}>
      {values.map((v, i) => { const h = v ? Math.max(2, (v / max) * 20) : 1; return <rect key={i} x={i * w + 0.75} y={22 - h} width={w - 1.5} height={h} rx="1" class={v ? '' : 'none'} />; })}
    </svg>
  );
}

// Bars are calls by hour or day, with the failed ones in front.
export function Bars({ slots, unit, label }: { slots: Slot[]; unit: 'hour' | 'day'; label: string }) {
  const max = Math.max(...slots.map((s) => s.calls), 1);
  const [width, height] = [640, 150];
  const w = width / Math.max(slots.length, 1);
  const name = (s: Slot) => new Date(s.at).toLocaleString(undefined, unit === 'hour' ? { hour: '2-digit', minute: '2-digit' } : { month: 'short', day: 'numeric', timeZone: 'UTC' });
  const every = Math.ceil(slots.length / 6);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${width} ${height + 22}`} role="img" aria-label={`${label}. The most in one ${unit}: ${plural(max, 'call')}.`} preserveAspectRatio="none">
        {[0, 0.5, 1].map((y) => <line key={y} class="grid" x1="0" x2={width} y1={height - y * (height - 8)} y2={height - y * (height - 8)} />)}
        {slots.map((s, i) => {
          const [h, e] = [(s.calls / max) * (height - 8), (s.errors / max) * (height - 8)];
          return (
            <g key={s.at}><title>{`${name(s)}: ${plural(s.calls, 'call')}, ${plural(s.errors, 'error')}`}</title>
              <rect class="hit" x={i * w} y="0" width={w} height={height} />
              {s.calls > 0 && <rect class="bar" x={i * w + w * 0.15} y={height - Math.max(h, 2)} width={w * 0.7} height={Math.max(h, 2)} rx="2" />}
              {s.errors > 0 && <rect class="bar bad" x={i * w + w * 0.15} y={height - Math.max(e, 2)} width={w * 0.7} height={Math.max(e, 2)} rx="2" />}
            </g>
          );
        })}
      </svg>
      <div class="axis" aria-hidden="true">{slots.filter((_, i) => i % every === 0).map((s) => <span key={s.at}>{name(s)}</span>)}</div>
      <div class="hidden"><table><caption>{label}</caption><thead><tr><th scope="col">{unit}</th><th scope="col">calls</th><th scope="col">errors</th></tr></thead>
        <tbody>{slots.filter((s) => s.calls).map((s) => <tr key={s.at}><th scope="row">{exact(s.at)}</th><td>{s.calls}</td><td>{s.errors}</td></tr>)}</tbody></table></div>
    </figure>
  );
}

// Tops are names with how much each was used.
export function Tops({ of, href, name }: { of: Top[]; href: (t: Top) => string; name: (t: Top) => string }) {
  const max = Math.max(...of.map((t) => t.calls), 1);
  return (
    <ol class="tops">
      {of.map((t) => (
        <li key={t.id}>
          <a href={href(t)} dir="auto">{name(t)}</a>
          <span class="num">{count(t.calls)}{t.errors > 0 && <span class="badtext"> · {count(t.errors)} failed</span>}</span>
          <progress max={max} value={t.calls} aria-label={`${name(t)}: ${plural(t.calls, 'call')}`} />
        </li>
      ))}
    </ol>
  );
}

// Calls is a row's count with its curve.
export const Calls = ({ u }: { u?: Usage }) => <span class="calls"><span class="num">{count(u?.calls || 0)}</span><Spark values={u?.days} label="Calls by day" /></span>;
