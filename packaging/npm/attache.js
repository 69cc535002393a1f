#!/usr/bin/env node
// Starts the binary of the package for this machine. Its exit code, signals and
// terminal are its own.
'use strict';
const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const name = `attache-${process.platform}-${process.arch}`;
const file = process.platform === 'win32' ? 'attache.exe' : 'attache';
let binary;
try {
  binary = require.resolve(`${name}/bin/${file}`);
} catch {
  console.error(`attache: there is no package ${name} here. It is an optional dependency: install without --omit=optional, on a machine for which there is one.`);
  process.exit(125);
}
const child = spawn(binary, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1']) {
  if (process.platform !== 'win32') process.on(signal, () => child.kill(signal));
}
child.on('error', (err) => {
  console.error(`attache: ${err.message}`);
  process.exit(126);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] || 0)));
