// What `attache exec` lets Node load before a program (NODE_OPTIONS --require), so that
// clients which read no proxy variable call through the proxy all the same: fetch before
// Node 22.21 and 24.5, http and https with agents of their own, ws. A program that sets a
// dispatcher, or an agent that makes its connections itself, is left alone.
'use strict';
(() => {
  const env = process.env;
  const mark = Symbol.for('attache.preload');
  if (globalThis[mark] || process.versions.bun) return;
  let proxy, ours;
  try {
    proxy = new URL(env.HTTPS_PROXY || env.https_proxy);
    ours = new URL(env.ATTACHE_PROXY);
  } catch {
    return;
  }
  if (proxy.host !== ours.host) return; // somebody chose another proxy since
  Object.defineProperty(globalThis, mark, { value: true });

  const net = require('node:net');
  const tls = require('node:tls');
  const http = require('node:http');
  const https = require('node:https');

  const bare = (host) => String(host || '').replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase();
  const proxyHost = bare(proxy.hostname);
  const proxyPort = Number(proxy.port) || (proxy.protocol === 'https:' ? 443 : 80);
  const user = proxy.username || proxy.password
    ? 'Basic ' + Buffer.from(decodeURIComponent(proxy.username) + ':' + decodeURIComponent(proxy.password)).toString('base64')
    : '';
  const bypass = (env.NO_PROXY || env.no_proxy || '').split(/[\s,]+/).filter(Boolean).map((e) => bare(e.replace(/^\*?\./, '')));

  // direct reports a host that is asked without the proxy, as NO_PROXY says.
  function direct(host, port) {
    host = bare(host);
    if (host === proxyHost && Number(port) === proxyPort) return true;
    return bypass.some((e) => e === '*' || host === e || host + ':' + port === e || (!net.isIP(e) && host.endsWith('.' + e)));
  }

  // tunnel calls back with a socket to host and port through the proxy.
  function tunnel(host, port, back) {
    const to = (net.isIPv6(bare(host)) ? '[' + bare(host) + ']' : host) + ':' + port;
    const at = { host: proxyHost, port: proxyPort };
    const secure = proxy.protocol === 'https:';
    const socket = secure ? tls.connect({ ...at, servername: net.isIP(proxyHost) ? '' : proxyHost, ALPNProtocols: ['http/1.1'] }) : net.connect(at);
    let head = Buffer.alloc(0);
    const end = (err) => {
      socket.removeListener('readable', read);
      socket.removeListener('error', end);
      socket.removeListener('close', closed);
      socket.setTimeout(0);
      if (err) socket.destroy();
      back(err || null, err ? undefined : socket);
    };
    const failed = (why) => end(Object.assign(new Error('the proxy at ' + ours.host + ' opens no tunnel to ' + to + ': ' + why), { code: 'ERR_PROXY_TUNNEL' }));
    const closed = () => failed('it closed the connection');
    function read() {
      for (let piece; (piece = socket.read()) !== null;) {
        head = Buffer.concat([head, piece]);
        const over = head.indexOf('\r\n\r\n');
        if (over < 0) {
          if (head.length > 65536) failed('its answer is too long');
          continue;
        }
        const line = head.toString('latin1', 0, head.indexOf('\r\n'));
        if (!/^HTTP\/1\.[01] 2\d\d/.test(line)) return failed(line.replace(/^HTTP\/1\.[01] /, ''));
        const rest = head.subarray(over + 4);
        end();
        if (rest.length) socket.unshift(rest);
        return;
      }
    }
    socket.on('readable', read);
    socket.once('error', end);
    socket.once('close', closed);
    socket.setTimeout(60000, () => failed('it does not answer'));
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.write('CONNECT ' + to + ' HTTP/1.1\r\nHost: ' + to + '\r\n' + (user ? 'Proxy-Authorization: ' + user + '\r\n' : '') + '\r\n');
    });
  }

  // Agents: the global ones and those that a library makes. Where Node goes through the
  // proxy by itself (proxyEnv), or a class has a createConnection of its own, it stays.
  function through(Agent, defaultPort) {
    const own = Agent.prototype.createConnection;
    Agent.prototype.createConnection = function createConnection(options, back) {
      const host = options && (options.host || options.hostname);
      const port = options && (options.port || defaultPort);
      if (typeof options !== 'object' || typeof back !== 'function' || !host || options.socketPath || options.socket ||
          (this.options && this.options.proxyEnv) || direct(host, port)) {
        return own.apply(this, arguments);
      }
      tunnel(host, port, (err, socket) => {
        if (err) return back(err);
        if (Agent !== https.Agent) return back(null, socket);
        let secure;
        try {
          const servername = options.servername !== undefined ? options.servername : net.isIP(bare(host)) ? '' : host;
          secure = own.call(this, { ...options, servername, socket, path: undefined });
        } catch (e) {
          socket.destroy();
          return back(e);
        }
        back(null, secure);
      });
      return undefined;
    };
  }
  through(http.Agent, 80);
  through(https.Agent, 443);

  // ws makes its connections itself, by functions of these names, unless it gets an agent.
  for (const from of [http, https]) {
    const own = from.request;
    from.request = function request(...args) {
      const at = args.findIndex((a) => a && typeof a === 'object' && !(a instanceof URL));
      const o = args[at];
      if (o && !o.agent && o.agent !== false && typeof o.createConnection === 'function' && /^(net|tls)Connect$/.test(o.createConnection.name)) {
        args[at] = { ...o, createConnection: undefined, path: o.path };
      }
      return own.apply(this, args);
    };
  }
  try {
    require('node:module').syncBuiltinESMExports();
  } catch {}

  // fetch: Node's own undici, whose class of dispatchers is known by its instance. It is
  // not loaded before somebody calls fetch.
  const [major, minor] = process.versions.node.split('.').map(Number);
  const native = env.NODE_USE_ENV_PROXY === '1' && (major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21));
  if (native || typeof globalThis.fetch !== 'function') return;
  const dispatcher = Symbol.for('undici.globalDispatcher.1');

  function connect({ hostname, protocol, port, servername, localAddress }, back) {
    const secure = protocol === 'https:';
    const host = bare(hostname);
    port = Number(port) || (secure ? 443 : 80);
    const made = (socket) => {
      const ready = secure ? tls.connect({ socket, host, servername: servername || (net.isIP(host) ? '' : host), ALPNProtocols: ['http/1.1'] }) : socket;
      const failed = (err) => back(err);
      ready.once('error', failed);
      const up = () => {
        ready.removeListener('error', failed);
        back(null, ready);
      };
      if (secure) ready.once('secureConnect', up);
      else if (ready.connecting) ready.once('connect', up);
      else up();
    };
    if (direct(host, port)) {
      const socket = net.connect({ host, port, localAddress });
      if (secure) socket.once('error', () => {}); // told by the TLS socket, too
      return made(socket);
    }
    tunnel(host, port, (err, socket) => (err ? back(err) : made(socket)));
    return undefined;
  }

  const own = globalThis.fetch;
  let armed = false;
  const fetch = function fetch(input, init) {
    if (!armed) {
      armed = true;
      const before = globalThis[dispatcher]; // set by the program, with an undici of its own
      void globalThis.Headers; // loads Node's undici
      const agent = globalThis[dispatcher];
      if (!before && agent) globalThis[dispatcher] = new agent.constructor({ connect });
    }
    return own.call(this, input, init);
  };
  Object.defineProperty(globalThis, 'fetch', { value: fetch, writable: true, enumerable: true, configurable: true });
})();
