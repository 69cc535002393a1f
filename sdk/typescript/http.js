// What every call has in common.

/** An error of the API, by its code; or that nobody answered (status 0). */
export class AttacheError extends Error {
  constructor(problem, cause) {
    super(`${problem.code}: ${problem.detail}`, { cause });
    this.name = 'AttacheError';
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
  }
}

/** One segment of a path. "." and ".." would become another path. */
export function segment(value) {
  const text = String(value ?? '');
  if (text === '' || text === '.' || text === '..') throw new TypeError(`${JSON.stringify(text)} is no id`);
  return encodeURIComponent(text);
}

const here = (host) => host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
const env = (name) => globalThis.process?.env?.[name];

export class Caller {
  #origin;
  #token;
  #fetch;
  #timeout;

  constructor({ origin = env('ATTACHE_ADMIN') || 'http://127.0.0.1:8081', token = env('ATTACHE_ADMIN_TOKEN'), fetch = globalThis.fetch, timeoutMs = 60_000 } = {}) {
    const url = new URL(origin);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && here(url.hostname))) {
      throw new TypeError('origin must be https, or http on this machine: the token would be readable on the way');
    }
    if (!token) throw new TypeError('there is no token: give one, or set ATTACHE_ADMIN_TOKEN');
    this.#origin = url.origin;
    this.#token = token.trim();
    this.#fetch = fetch;
    this.#timeout = timeoutMs;
  }

  async call(method, path, query, body, { signal, idempotencyKey, ifMatch } = {}) {
    const url = new URL(this.#origin + path);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, Array.isArray(value) ? value.join(',') : value instanceof Date ? value.toISOString() : String(value));
    }
    const headers = { Authorization: `Bearer ${this.#token}`, Accept: 'application/json' };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
    if (ifMatch) headers['If-Match'] = ifMatch;
    const late = AbortSignal.timeout(this.#timeout);
    let res, text;
    try {
      res = await this.#fetch(url, {
        method, headers, redirect: 'error', body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, late]) : late,
      });
      text = await res.text();
    } catch (err) {
      if (signal?.aborted) throw err;
      throw new AttacheError({ status: 0, code: 'UNREACHABLE', detail: `${method} ${path} got no answer: ${err.message}` }, err);
    }
    let answer;
    try {
      answer = text === '' ? undefined : JSON.parse(text);
    } catch {
      answer = undefined;
    }
    if (!res.ok) {
      if (typeof answer?.code === 'string') throw new AttacheError({ detail: '', ...answer, status: res.status });
      throw new AttacheError({ status: res.status, code: 'UNEXPECTED', detail: `${method} ${path} was answered ${res.status} by something else than Attaché` });
    }
    if (text !== '' && answer === undefined) throw new AttacheError({ status: res.status, code: 'UNEXPECTED', detail: `${method} ${path} was not answered in JSON` });
    return answer;
  }
}
